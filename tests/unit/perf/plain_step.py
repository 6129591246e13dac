"""The training step in plain Python, part three: stages, the parts of the step, memory, and what follows from them.

Layers divide over the stages, or there is one stage, or the framework deals them by cost.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, log2
from typing import NamedTuple

from fmctl.domain.layout import Recompute, Schedule, Sharding
from fmctl.domain.model import LayerKind
from tests.unit.perf.plain_layer import Layers, Timed

AIR = {"compute": 7417.0, "memory": 7090.0, "exposed": 4836.5, "idle": 2256.0}
COMPUTE, MEMORY = ("gemm_s", "attention_s"), ("memory_bound_s", "optimizer_s")
EXPOSED = ("tp_exposed_s", "cp_exposed_s", "ep_exposed_s", "pp_exposed_s", "dp_exposed_s")
BESIDE = ("bubble_s", "pp_exposed_s", "dp_exposed_s", "optimizer_s", "overhead_s")
Stage = tuple[list[int], int, int]


class Params(NamedTuple):
    """Parameters of one layer: what tensor ranks share, routed experts, and those of them that a token visits."""

    dense: int
    routed: int
    visited: int


class States(NamedTuple):
    """Parameters by stage slot, layers of the deepest stage, ranks that share states, share that is run again."""

    dense: list[float]
    routed: list[float]
    deep: int
    ranks: float
    shards: float
    rerun: float


class Plain(Layers):
    """One layout evaluated."""

    # --- stages -------------------------------------------------------------------------------------------------------

    def params(self, kind: LayerKind) -> Params:
        h, m, ff = self.arch.hidden, kind.mixer, kind.feed_forward
        norm = h * (2 if self.arch.norm == "layernorm" else 1) * self.arch.norms_per_block
        dense = routed = visited = 0
        if m is not None:
            a, g, d, v = m.n_heads, m.n_kv_heads, m.head_dim, m.v_head_dim
            if m.type == "attention":
                dense += h * (a * d * (2 if m.output_gate else 1) + g * (d + v)) + a * v * h
                dense += 2 * d if self.arch.qk_norm else 0
                if self.arch.bias != "none":
                    dense += a * d + g * (d + v) + (h if self.arch.bias == "all" else 0)
            elif m.type == "mla":
                dense += m.q_lora_rank * (h + 1 + a * d) + h * (m.kv_lora_rank + m.qk_rope_head_dim)
                dense += m.kv_lora_rank * (1 + a * (m.qk_nope_head_dim + v)) + a * v * h
            else:
                key, value = m.n_key_heads * d, a * v
                dense += h * (2 * key + 3 * value + 2 * a) + (2 * key + value) * m.conv_kernel + 2 * a + v
            dense += norm
        if ff is not None:
            matrices = 3 if ff.gated else 2
            all_biased = self.arch.bias == "all"
            for width in (ff.ffn, ff.shared_ffn):
                dense += matrices * h * width
                dense += (matrices - 1) * width + h if all_biased and width else 0
            dense += norm + ff.n_experts * (h + all_biased) + (h if ff.shared_gate else 0)
            expert = matrices * h * ff.expert_ffn
            routed, visited = ff.n_experts * expert, ff.top_k * expert
        return Params(dense, routed, visited)

    def stages(self) -> list[Stage]:
        """(layers of each kind, parameters outside layers, position) of the first, the last and the other stages."""
        a, l = self.arch, self.layout  # noqa: E741
        table = a.vocab * a.hidden
        counts = [[0] * len(a.kinds) for _ in range(l.pp)]
        if self.fw.stages_by_cost and l.pp > 1 and l.vpp == 1:
            # In order, each to the stage whose share of layers and head together is not yet exceeded.
            costs = [self.params(a.kinds[kind]) for kind in a.pattern]
            each = [p.dense + p.visited for p in costs]
            for i, kind in enumerate(a.pattern):
                before = sum(each[:i])
                counts[min(int(before * l.pp / (sum(each) + table)), l.pp - 1)][kind] += 1
        else:
            size, rest = divmod(a.n_layers, l.pp * l.vpp)
            assert rest == 0, "layers that do not divide are dealt in test_dealing.py"
            for i, kind in enumerate(a.pattern):
                counts[i // size % l.pp][kind] += 1
        first = table + (a.max_seq * a.hidden if a.learned_positions else 0)
        last = (first if a.tied_embeddings else table) + 2 * a.hidden**2 * a.mtp_layers
        counts[-1][a.pattern[-1]] += a.mtp_layers
        if l.pp == 1:
            whole = first + (0 if a.tied_embeddings else table) + 2 * a.hidden**2 * a.mtp_layers
            return [(counts[0], whole, 0)] * 2
        others = sorted({tuple(one) for one in counts[1:-1]}, reverse=True)
        return [(counts[0], first, 0), (counts[-1], last, l.pp - 1), *((list(one), 0, 1) for one in others)]

    # --- the step -----------------------------------------------------------------------------------------------------

    def reduction(
        self, params: float, ranks: float, shards: float, stride: float, layers: float
    ) -> tuple[float, float]:
        """Seconds of reducing gradients and of gathering weights once, of parameters that so many ranks share."""
        sharding, fw = self.layout.sharding, self.fw
        pieces = max(layers, 1.0) if sharding == Sharding.ZERO3 else max(ceil(params / 40e6), 1)
        size, near = params / pieces, min(max(floor(self.domain / stride), 1.0), ranks)
        if sharding == Sharding.NONE:
            return pieces * self.ring(fw.gradient_bytes * size, ranks, near, 2), 0.0
        local, copies = min(near, shards), ranks / shards
        reduced = pieces * self.ring(fw.gradient_bytes * size, shards, local)
        if copies > 1.0:
            apart = max(min(near / local, copies), 1.0)
            reduced += pieces * self.ring(fw.gradient_bytes * size / shards, copies, apart, 2)
        return reduced, pieces * self.ring(2.0 * size, shards, local)

    def evaluate(self) -> dict[str, float]:  # noqa: PLR0915 - read from top to bottom, as a step runs
        """Every term of the layout."""
        l, fw, arch = self.layout, self.fw, self.arch  # noqa: E741
        kinds = [self.layer(kind) for kind in arch.kinds]
        share = min(l.recompute_layers * l.pp / arch.n_layers, 1.0) if l.recompute_layers else 1.0
        rerun = share if l.recompute == Recompute.FULL else 0.0
        f_each = [sum(k.forward.values()) for k in kinds]
        b_each = [sum(k.backward.values()) + k.again for k in kinds]
        # The ends: the table is read and its gradient added up; logits and the loss over them.
        h, v = arch.hidden, arch.vocab / l.tp
        around = self.ring(2.0 * h * self.tokens, l.tp, self.local(l.tp, 1)) if l.tp > 1 else 0.0
        loss = self.stream(fw.logit_traffic_bytes * self.tokens * v, 6)
        embedding = self.stream(fw.memory_traffic * 12.0 * h * self.tokens, 4) + 2.0 * around
        head_f = self.heads * (self.gemm(self.tokens, v, h, 1, 2.0, 0) + 0.4 * loss + around)
        head_b = self.gemm(self.tokens, h, v, 1, 2.0, 0) + self.gemm(h, v, self.tokens, 1, 8.0, 0) + 0.6 * loss + around
        head_b *= self.heads
        stages, times = self.stages(), []
        for slot, (counts, _, _) in enumerate(stages):
            f = sum(n * x for n, x in zip(counts, f_each, strict=True))
            b = sum(n * x for n, x in zip(counts, b_each, strict=True)) + rerun * f
            starts, ends = slot == 0 or l.pp == 1, slot == 1 or l.pp == 1
            times.append(
                (f + (head_f if ends else 0.0), b + (head_b if ends else 0.0) + (embedding if starts else 0.0))
            )
        slow = max(range(len(times)), key=lambda i: (sum(times[i]), -i))
        forward, backward = times[slow]
        layers = stages[slow][0]

        def over(values: list[float], counts: list[int] = layers) -> float:
            return sum(n * x for n, x in zip(counts, values, strict=True))

        g, steady = self.count, self.count * (forward + backward)
        parts = {name: g * over([k.forward[name] + k.backward[name] for k in kinds]) for name in kinds[0].forward}
        parts["recompute_s"] = g * (over([k.again for k in kinds]) + rerun * over(f_each))
        parts["logits_s"] = max(steady - sum(parts.values()), 0.0)
        # Fill and drain: a micro batch on the other stages.
        main = list(arch.kind_counts())
        whole = (1.0 + rerun) * over(f_each, main) + over(b_each, main) + embedding + head_f + head_b
        others = whole - (forward + backward)
        if l.schedule == Schedule.ZERO_BUBBLE:
            filled = others - 2.0 * over([k.wgrad for k in kinds], main) * (l.pp - 1) / l.pp
        else:
            filled = others / l.vpp
        parts["bubble_s"] = max(filled, 0.0) if l.pp > 1 else 0.0
        one = self.send(2.0 * h * self.region, self.gpus <= self.domain) if l.pp > 1 else 0.0
        host = 2.0 * l.vpp * g * fw.host_send_s if l.pp > 1 else 0.0
        steady_sends, fill = 2.0 * l.vpp * g * one, 2.0 * (l.pp - 1) * one
        parts["pp_exposed_s"] = (1.0 - fw.pp_overlap) * steady_sends + fill + host
        totals = {"pp_total_s": steady_sends + fill + host}
        # Data-parallel traffic, and the optimizer on what a device holds.
        counted = [self.params(kind) for kind in arch.kinds]
        dense = [out + sum(n * p.dense for n, p in zip(c, counted, strict=True)) for c, out, _ in stages]
        routed = [sum(n * p.routed for n, p in zip(c, counted, strict=True)) for c, _, _ in stages]
        deep = max(sum(c) for c, _, _ in stages)
        ranks, group = l.dp * l.cp, l.ep * l.etp
        expert_ranks = max(l.tp * l.cp * l.dp / group, 1.0)
        shards, expert_shards = max(ranks / l.dp_replicate, 1.0), max(expert_ranks / l.dp_replicate, 1.0)
        reduce_s, gather_s = self.reduction(max(dense) / l.tp, ranks, shards, l.tp, deep)
        if arch.is_moe:
            more = self.reduction(max(routed) / group, expert_ranks, expert_shards, group, deep)
            reduce_s, gather_s = reduce_s + more[0], gather_s + more[1]
        if l.sharding == Sharding.ZERO3:
            o = fw.fsdp_overlap
            traffic = g * (2.0 * gather_s + reduce_s)
            seen = g * (max(gather_s - o * forward, 0.0) + max(gather_s + reduce_s - o * backward, 0.0))
        else:
            o, tail = fw.dp_overlap, 1.0 / max(ceil(max(dense) / l.tp / 40e6), 1)
            traffic = reduce_s + gather_s
            seen = max(reduce_s - o * backward, reduce_s * tail) + max(gather_s - o * forward, gather_s * tail)
        sent = fw.broadcast_s * (shards - 1.0) if l.sharding in (Sharding.ZERO1, Sharding.ZERO2) else 0.0
        parts["dp_exposed_s"] = seen + fw.interference * (traffic - seen) + sent
        totals["dp_total_s"] = traffic + sent

        def held(each: float, stage: Sharding, i: int | None = None) -> float:
            d, e = (max(dense), max(routed)) if i is None else (dense[i], routed[i])
            shared = l.sharding >= stage
            return each * (d / l.tp / (shards if shared else 1) + e / group / (expert_shards if shared else 1))

        moved = held(fw.optimizer_bytes, Sharding.ZERO1) * (2.0 + 14.0 / fw.optimizer_bytes)
        updates = fw.update_layer_s * deep if l.sharding >= Sharding.ZERO2 else 0.0
        parts["optimizer_s"] = moved / self.hbm + 2e-3 + updates
        parts["overhead_s"] = fw.step_overhead_s + fw.token_s * self.batch * self.seq / l.dp
        working = steady + sum(parts[name] for name in BESIDE)
        parts["straggler_s"] = working * 3.42e-3 * max(log2(self.gpus) - log2(self.on.gpus), 0.0)
        step = working + parts["straggler_s"]
        totals["tp_total_s"] = g * over([k.tp.forward + k.tp.backward for k in kinds])
        totals["cp_total_s"] = g * over([k.cp.forward + k.cp.backward for k in kinds])
        totals["ep_total_s"] = g * over([2.0 * (k.ep.forward + k.ep_fixed) for k in kinds])
        measured = min(over([k.measured for k in kinds]) / max(over([k.kernels for k in kinds]), 1e-12), 1.0)
        half = (0.35 if arch.is_moe else 0.14) + 0.1 * (1.0 - measured)
        reach = {"tp": l.tp, "cp": l.tp * l.cp, "ep": group, "pp": self.gpus, "dp": l.tp * l.cp * l.dp}
        crossing = sum(total for name, total in totals.items() if reach[name[:2]] > self.domain)
        found = parts | totals | {"step_s": step, "step_low_s": step / (1 + half), "step_high_s": step * (1 + half)}
        found |= {"measured_fraction": measured, "network_s": crossing, "nvlink_s": sum(totals.values()) - crossing}
        states = States(dense, routed, deep, ranks, shards, rerun)
        return found | self.memory(kinds, stages, states, held) | self.run(step, parts, rerun, counted)

    def memory(  # noqa: PLR0915 - the same
        self, kinds: list[Timed], stages: list[Stage], s: States, held: Callable[..., float]
    ) -> dict[str, float]:
        """The stage that allocates most, by what it holds at its fullest."""
        l, fw, arch, group = self.layout, self.fw, self.arch, self.layout.ep * self.layout.etp  # noqa: E741
        zero3, accumulates = l.sharding == Sharding.ZERO3, self.count > 1
        widest = max(p.dense for p in (self.params(kind) for kind in arch.kinds))
        spare = fw.layer_wgrad_bytes * widest / l.tp
        working = (1.4 if s.rerun > 0 else 0.4) * max(k.working for k in kinds) + spare
        logits = self.heads * fw.logit_bytes * self.tokens * arch.vocab / l.tp
        loss = logits + fw.wgrad_bytes * arch.vocab * arch.hidden / l.tp
        busy = max(working, loss + spare)
        passing = 4.0 * arch.hidden * self.tokens if l.tp > 1 and l.sequence_parallel else 0.0
        passing += 2.0 * max(k.dispatched for k in kinds) if l.ep > 1 else 0.0
        layer = (max(s.dense) / l.tp + max(s.routed) / group) / max(s.deep, 1)
        outside = arch.vocab * arch.hidden * (1 if arch.tied_embeddings else 2)
        outside += arch.max_seq * arch.hidden if arch.learned_positions else 0
        root = outside / l.tp if zero3 and s.shards > 1 and l.pp == 1 else 0.0
        gathered = (4.0 * layer if zero3 else 0.0) + 2.0 * root
        reduced = fw.gradient_bytes * max(root, layer if zero3 else 0.0)
        buffers = passing + gathered + 2.0 * 32.0 * 2**20
        kept = [fw.activation_factor * k.kept for k in kinds]
        kept = [k + s.rerun * (kinds[0].input - k) for k in kept]
        found = []
        for slot, (counts, _, position) in enumerate(stages):
            plain = l.pp - position
            chunks = (2.0 * (plain - 1) + (l.vpp - 1) * l.pp + 1) / l.vpp
            flying = min(chunks if l.schedule == Schedule.INTERLEAVED else plain, self.count)
            at_loss = slot == 1 or l.pp == 1
            moving = flying * sum(n * k for n, k in zip(counts, kept, strict=True)) + (busy if at_loss else working)
            copies = fw.gradient_copy_bytes * (s.dense[slot] / l.tp + s.routed[slot] / group) if s.ranks > 1 else 0.0
            weights, optimizer = (
                held(fw.param_bytes, Sharding.ZERO3, slot),
                held(fw.optimizer_bytes, Sharding.ZERO1, slot),
            )
            gradients = held(fw.gradient_bytes, Sharding.ZERO2, slot) + copies
            whole = moving + (reduced if zero3 else 0.0)
            if not fw.gradients_kept:
                moving -= 0.0 if accumulates else gradients
                whole = whole if zero3 else moving
            if (zero3 and slot == 0) or fw.step_bytes > 0.0:
                last = max((2.0 + fw.gradient_bytes) * root, held(fw.step_bytes, Sharding.ZERO1, slot))
                last -= gathered + passing
                moving, whole = max(moving, last), max(whole, last)
            rest = weights + gradients + optimizer + buffers
            if zero3 and accumulates:
                all_of_it = s.dense[slot] / l.tp + s.routed[slot] / group
                rest += fw.whole_bytes * (1.0 - 1.0 / s.shards) * all_of_it
            ahead = 1.0 if l.pp == 1 else min(max(l.pp - 2 - position, 0), self.count)
            pending = ahead * sum(counts) * fw.pending_bytes * arch.hidden * self.tokens if l.tp > 1 else 0.0
            reserved = rest + whole + pending / (1.0 + fw.allocator_overhead)
            found.append((rest + moving, reserved, moving, weights, gradients, optimizer))
        full = max(range(len(found)), key=lambda i: (found[i][0], -i))
        allocated, _, moving, weights, gradients, optimizer = found[full]
        beside = zero3 or fw.pending_bytes > 0.0
        most = max(one[1] for one in found) if beside else allocated
        groups = (l.tp > 1) + (l.cp > 1) + (l.dp > 1) + (l.pp > 1) + 2 * (l.ep > 1)
        runtime, over = 1.6e9 + 0.35e9 * groups, 1.0 + fw.allocator_overhead
        at_end = min(loss, moving) if full == 1 or l.pp == 1 else 0.0
        return {
            "weights_bytes": weights,
            "gradients_bytes": gradients,
            "optimizer_bytes": optimizer,
            "activations_bytes": moving - at_end,
            "logits_bytes": at_end,
            "buffers_bytes": buffers,
            "allocated_bytes": allocated,
            "first_stage_bytes": over * found[0][1],
            "reserved_bytes": over * most,
            "runtime_bytes": runtime,
            "used_bytes": over * most + runtime,
            "margin_bytes": self.on.accelerator.memory_bytes - over * most - runtime,
        }

    def run(self, step: float, parts: dict[str, float], rerun: float, counted: list[Params]) -> dict[str, float]:
        """FLOPs, utilisation, rates, checkpoints, power."""
        arch, tokens, h = self.arch, self.batch * self.seq, self.arch.hidden
        norm = h * (2 if arch.norm == "layernorm" else 1)
        core, used, total = 0.0, 0, 0
        for n, kind, p in zip(arch.kind_counts(), arch.kinds, counted, strict=True):
            m, blocks = kind.mixer, (kind.mixer is not None) + (kind.feed_forward is not None)
            norms = blocks * arch.norms_per_block * norm
            used += n * (p.dense - norms + p.visited)
            total += n * (p.dense + p.routed)
            if m is not None:
                core += n * self.core_work(m)[0] * self.layout.tp / self.tokens
        outside = arch.vocab * h * (1 if arch.tied_embeddings else 2) + norm
        total += outside + (arch.max_seq * h if arch.learned_positions else 0)
        if arch.mtp_layers:
            p = counted[arch.pattern[-1]]
            total += arch.mtp_layers * (p.dense + p.routed + 2 * h * h + 3 * norm)
        flop = tokens * (6.0 * (used + arch.vocab * h) + 3.0 * core)
        hardware = flop + tokens * rerun * (2.0 * used + core)
        peak, nodes = self.gpus * self.on.accelerator.peak_flop_per_s["bf16"], self.gpus / self.on.gpus
        states = {
            "compute": sum(parts[name] for name in COMPUTE),
            "memory": sum(parts[name] for name in MEMORY),
            "exposed": sum(parts[name] for name in EXPOSED),
        }
        states |= {"compute": states["compute"] + parts["recompute_s"] + parts["logits_s"]}
        states["idle"] = step - sum(states.values())
        nameplate = self.on.gpus * self.on.accelerator.power_w + self.on.host_power_w
        drawn = sum(1.25 * AIR[name] / 10_200.0 * seconds for name, seconds in states.items())
        power = nodes * nameplate * drawn / step
        return {
            "model_flop": flop,
            "hardware_flop": hardware,
            "mfu": flop / step / peak,
            "hfu": hardware / step / peak,
            "tokens_per_s": tokens / step,
            "tokens_per_s_per_gpu": tokens / step / self.gpus,
            "checkpoint_bytes": 14.0 * total,
            "checkpoint_save_s": 14.0 * total / (nodes * self.on.member_count * 12.5e9),
            "power_w": power,
            "wh_per_million_tokens": power / (tokens / step) * 1e6 / 3600.0,
        }
