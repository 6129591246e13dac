"""The training step in plain Python, part two: one layer, operation by operation, and what it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fmctl.domain.layout import CudaGraph, Dispatcher, Recompute
from fmctl.domain.model import FeedForward, LayerKind, Mixer
from tests.unit.perf.plain import Device


class Sent(NamedTuple):
    """Seconds of an exchange forward and backward, and what of them passes under attention."""

    forward: float = 0.0
    backward: float = 0.0
    ring_forward: float = 0.0
    ring_backward: float = 0.0


@dataclass
class Timed:
    """One layer of a kind: seconds by part, forward and backward, and bytes."""

    forward: dict[str, float]
    backward: dict[str, float]
    again: float  # of selective recomputation
    wgrad: float
    tp: Sent
    cp: Sent
    ep: Sent
    ep_fixed: float
    kernels: float
    measured: float
    kept: float
    input: float
    working: float
    dispatched: float


class Layers(Device):
    """What layers take and keep."""

    # --- a layer ------------------------------------------------------------------------------------------------------

    def kv(self, mixer: Mixer) -> float:
        if mixer.type != "attention":
            return mixer.n_heads / self.layout.tp
        return max(mixer.n_kv_heads / self.layout.tp, 1.0)

    def pairs(self, ff: FeedForward) -> float:
        """Token-expert pairs of a rank."""
        l = self.layout  # noqa: E741
        return (self.region if l.sequence_parallel else self.tokens / l.tp) * ff.top_k * l.etp

    def products(self, kind: LayerKind) -> list[tuple[float, float, float, float]]:
        """(m, n, k, groups) of every product of a layer."""
        h, t, l, m, ff = self.arch.hidden, self.tokens, self.layout, kind.mixer, kind.feed_forward  # noqa: E741
        found: list[tuple[float, float, float, float]] = []
        if m is not None and m.type == "attention":
            query = m.n_heads * m.head_dim / l.tp * (2 if m.output_gate else 1)
            found.append((t, query + self.kv(m) * (m.head_dim + m.v_head_dim), h, 1))
        elif m is not None and m.type == "mla":
            heads, rope = m.n_heads / l.tp, m.qk_rope_head_dim
            found += [(self.region, m.q_lora_rank, h, 1), (t, heads * m.head_dim, m.q_lora_rank, 1)]
            found += [(self.region, m.kv_lora_rank + rope, h, 1)]
            found += [(t, heads * (m.qk_nope_head_dim + m.v_head_dim), m.kv_lora_rank, 1)]
        elif m is not None:
            width = 2 * m.n_key_heads * m.head_dim + 2 * m.n_heads * m.v_head_dim + 2 * m.n_heads
            found.append((t, width / l.tp, h, 1))
        if m is not None:
            found.append((t, h, m.n_heads * m.v_head_dim / l.tp, 1))
        up = 2 if ff is not None and ff.gated else 1
        for width in () if ff is None else (ff.ffn, ff.shared_ffn):
            if width:
                found += [(t, up * width / l.tp, h, 1), (t, h, width / l.tp, 1)]
        if ff is not None and ff.n_experts:
            found.append((self.region, ff.n_experts, h, 1))
            groups = min(ff.n_experts / l.ep, max(self.pairs(ff), 1.0))
            rows, width = self.pairs(ff) / groups, ff.expert_ffn / l.etp
            found += [(rows, up * width, h, groups), (rows, h, width, groups)]
        return found

    def core_work(self, m: Mixer) -> tuple[float, float]:
        """FLOPs of the core on a rank, and bytes of queries, keys, values and output."""
        l, s = self.layout, float(self.seq)  # noqa: E741
        heads, both = m.n_heads / l.tp, m.head_dim + m.v_head_dim
        moved = 2.0 * self.tokens * (heads + self.kv(m)) * both
        if m.type not in ("attention", "mla"):
            return self.tokens * heads * (4.0 * m.head_dim * m.v_head_dim + 128.0 * both), moved
        w = min(m.window or s, s)
        return 2.0 * (s * w - w * w / 2.0) * heads * both * l.micro_batch / l.cp, moved

    def stream_bytes(self, kind: LayerKind) -> tuple[float, float]:
        """Norms and residual (10 and 12 bytes x h), rotary, activation functions, router, states of a recurrence."""
        m, ff, tp = kind.mixer, kind.feed_forward, self.layout.tp
        forward = backward = 0.0
        blocks = (m is not None) + (ff is not None)
        each = self.region * self.arch.hidden * self.arch.norms_per_block * blocks
        forward, backward = 10.0 * each, 12.0 * each
        if m is not None:
            rotary = 4.0 * self.tokens * (m.n_heads / tp + self.kv(m)) * m.head_dim * (2 if self.arch.qk_norm else 1)
            forward, backward = forward + rotary, backward + rotary
        if m is not None and m.type not in ("attention", "mla"):
            streams = 2.0 * self.tokens * (m.n_heads * m.v_head_dim + m.n_key_heads * m.head_dim) / tp
            states = 4.0 * self.tokens * m.n_heads / tp * m.head_dim * m.v_head_dim / 64.0
            forward, backward = forward + 8 * streams + 3 * states, backward + 16 * streams + 6 * states
        if ff is not None:
            width = self.tokens * (ff.ffn + ff.shared_ffn) / tp
            if ff.n_experts:
                width += self.pairs(ff) * ff.expert_ffn / self.layout.etp
                forward, backward = (x + 16.0 * self.region * ff.n_experts for x in (forward, backward))
            forward += (6.0 if ff.gated else 4.0) * width
            backward += (10.0 if ff.gated else 6.0) * width
        return forward, backward

    def tensor(self, kind: LayerKind) -> Sent:
        """Collectives of tensor ranks: gathers and scatters of split sequences, or one all-reduce per block."""
        l, ff, forward, backward = self.layout, kind.feed_forward, 0.0, 0.0  # noqa: E741
        if l.tp > 1:
            local = self.local(l.tp, 1)
            full = self.ring(2.0 * self.arch.hidden * self.tokens, l.tp, local)
            reduced = self.ring(2.0 * self.arch.hidden * self.tokens, l.tp, local, 2)
            m, wide = kind.mixer, ff is not None and (ff.ffn or ff.shared_ffn)
            if m is not None and l.sequence_parallel:
                width = m.q_lora_rank + m.kv_lora_rank + m.qk_rope_head_dim
                first = self.ring(2.0 * width * self.tokens, l.tp, local) if m.type == "mla" else full
                forward, backward = forward + first + full, backward + 2 * first + full
            if wide and l.sequence_parallel:
                forward, backward = forward + 2 * full, backward + 3 * full
            if not l.sequence_parallel:
                blocks = (m is not None) + bool(wide)
                forward, backward = forward + blocks * reduced, backward + blocks * reduced
        if ff is not None and ff.n_experts and l.etp > 1:
            each = 2.0 * self.ring(2.0 * self.pairs(ff) * self.arch.hidden, l.etp, self.local(l.etp, 1))
            forward, backward = forward + each, backward + each
        return Sent(forward, backward)

    def context(self, m: Mixer | None) -> Sent:
        l = self.layout  # noqa: E741
        if m is None or m.type not in ("attention", "mla") or l.cp == 1:
            return Sent()
        both = m.head_dim + m.v_head_dim
        keys, local = 2.0 * self.kv(m) * both * self.tokens, self.local(l.cp, l.tp)
        if l.cp_comm == 0:
            inside = l.tp * l.cp <= self.domain
            forward, backward = ((l.cp - 1) * self.send(n * keys, inside) for n in (1, 2))
            return Sent(forward, backward, forward, backward)
        if l.cp_comm == 1:
            forward, backward = (self.ring(n * keys * l.cp, l.cp, local) for n in (1, 2))
            return Sent(forward, backward)
        each = 2.0 * self.swap((m.n_heads / l.tp + self.kv(m)) * both * self.tokens, l.cp, local)
        return Sent(each, each)

    def experts(self, ff: FeedForward | None) -> tuple[Sent, float]:
        """Dispatch and combine of a pass, and what they cost beyond the wire across EFA."""
        l = self.layout  # noqa: E741
        if ff is None or not ff.n_experts or l.ep == 1:
            return Sent(), 0.0
        pairs, local, width = self.pairs(ff) / l.etp, self.local(l.ep, l.etp), 2.0 * self.arch.hidden
        if l.dispatcher == Dispatcher.ALL_TO_ALL:
            each = 2.0 * self.swap(pairs * width, l.ep, local)
        else:
            each = 2.0 * self.fused(pairs / ff.top_k, width, ff.top_k, l.ep, local)
        crossing = l.ep > local and self.on.fabric.kind.startswith("efa-")
        return Sent(each, each), 2.0 * 3.51e-3 if crossing else 0.0

    def host(self, kind: LayerKind) -> float:
        l, fw, ff = self.layout, self.fw, kind.feed_forward  # noqa: E741
        apart = l.pp > 1 and self.gpus > self.domain
        each = fw.host_collective_s + (fw.host_rank_s * l.tp if apart else 0.0)
        mixer = fw.host_layer_s + (10.0 * each if l.tp > 1 else 0.0)
        experts = (
            0.0 if ff is None or not ff.n_experts else fw.host_moe_layer_s + fw.host_expert_s * ff.n_experts / l.ep
        )
        return (mixer if l.cuda_graph == CudaGraph.NONE else 0.0) + (0.0 if l.cuda_graph == CudaGraph.FULL else experts)

    def layer(self, kind: LayerKind) -> Timed:
        """One layer of a kind."""
        l, fw, m, ff = self.layout, self.fw, kind.mixer, kind.feed_forward  # noqa: E741
        works = self.products(kind)
        gemm_f = [self.gemm(*one, 2.0) for one in works]
        dgrad = [self.gemm(a, c, b, g, 2.0) for a, b, c, g in works]
        wgrad = [self.gemm(c, b, a, g, 8.0) for a, b, c, g in works]
        core_f = core_b = 0.0
        softmax = m is not None and m.type in ("attention", "mla")
        if m is not None:
            flop, moved = self.core_work(m)
            queries = self.seq if l.cp_comm == 2 else self.seq / l.cp
            slow = 1.0 if softmax else 5.0
            core_f = slow * self.core(flop, moved, queries, m.head_dim, False)
            core_b = slow * self.core(2.5 * flop, 2.0 * moved, queries, m.head_dim, True)
        stream_f, stream_b = (fw.memory_traffic * x for x in self.stream_bytes(kind))
        if ff is not None and ff.n_experts:
            sort = 16.0 * self.pairs(ff) * self.arch.hidden / l.etp * (1.0 if l.dispatcher == 0 else 0.5)
            stream_f, stream_b = stream_f + fw.permute_traffic * sort, stream_b + fw.permute_traffic * sort
        if self.operand < 2.0:
            each = 2.0 + 2.0 * self.operand
            stream_f += each * sum(a * c * g for a, _, c, g in works)
            stream_b += each * sum(a * b * g for a, b, _, g in works)
        memory_f, memory_b = self.stream(stream_f, 8), self.stream(stream_b, 12)
        tp, cp, (ep, fixed) = self.tensor(kind), self.context(m), self.experts(ff)
        shown = 1.0 if l.tp > self.domain else 1.0 - fw.tp_overlap
        ep_s = (1.0 - fw.ep_overlap) * ep.forward + (1.0 - fw.ep_overlap / 2.0) * fixed
        cp_f = max(cp.forward - (fw.cp_overlap * core_f if cp.ring_forward else 0.0), 0.0)
        cp_b = max(cp.backward - (fw.cp_overlap * core_b if cp.ring_backward else 0.0), 0.0)
        forward = _parts(sum(gemm_f), core_f, memory_f, shown * tp.forward, cp_f, ep_s)
        backward = _parts(sum(dgrad) + sum(wgrad), core_b, memory_b, shown * tp.backward, cp_b, ep_s)
        host = self.host(kind)
        stall = fw.host_stall if ff is not None and ff.n_experts and l.cuda_graph != CudaGraph.FULL else 0.0
        for part, issue in ((forward, 0.4 * host), (backward, 0.6 * host)):
            device = sum(part.values())
            part["launch_s"] = max(issue - device, 0.0) + stall * min(issue, device)
        again = 0.0
        if l.recompute == Recompute.SELECTIVE:
            again = 0.5 * memory_f
            if fw.selective_matmuls:
                again = memory_f + self.repeated(kind) * sum(gemm_f) + 0.5 * shown * tp.forward
        swept = sum(
            f + d + w
            for (a, b, c, _), f, d, w in zip(works, gemm_f, dgrad, wgrad, strict=True)
            if self.inside_sweep(a, b, c)
        )
        blackwell = self.on.accelerator.architecture.startswith("blackwell")
        swept += core_f + (0.0 if blackwell else core_b) if softmax else 0.0
        kernels = sum(gemm_f) + sum(dgrad) + sum(wgrad) + core_f + core_b + memory_f + memory_b
        whole, freed = self.kept(kind)
        dispatched = 0.0 if ff is None or not ff.n_experts else self.pairs(ff) / l.etp * 2.0 * self.arch.hidden
        kept = whole - freed if l.recompute == Recompute.SELECTIVE else whole
        return Timed(
            forward, backward, again, sum(wgrad), tp, cp, ep, fixed, kernels, swept, kept,
            2.0 * self.arch.hidden * self.region, whole, dispatched,
        )  # fmt: skip

    # --- what a layer keeps -------------------------------------------------------------------------------------------

    def outputs(self, kind: LayerKind) -> list[tuple[float, float, float]]:
        """(output width, reduced width, bytes of the output on a rank) of each product, in program order."""
        h, l, m, ff, found = self.arch.hidden, self.layout, kind.mixer, kind.feed_forward, []  # noqa: E741
        rank, region = 2.0 * self.tokens / l.tp, 2.0 * self.region
        if m is not None and m.type == "attention":
            wide, narrow = m.n_heads * m.head_dim, m.n_kv_heads * m.head_dim
            found += [(wide, h, wide * rank)]
            found += [(narrow, h, 2.0 * self.tokens * self.kv(m) * m.head_dim)] * 2
        elif m is not None and m.type == "mla":
            up, down = m.n_heads * m.head_dim, m.kv_lora_rank + m.qk_rope_head_dim
            values = m.n_heads * (m.qk_nope_head_dim + m.v_head_dim)
            found += [(m.q_lora_rank, h, m.q_lora_rank * region), (up, m.q_lora_rank, up * rank)]
            found += [(down, h, down * region), (values, m.kv_lora_rank, values * rank)]
        elif m is not None:
            width = 2.0 * (m.n_key_heads * m.head_dim + m.n_heads * (m.v_head_dim + 1))
            found += [(width, h, width * rank)]
        if m is not None:
            found += [(h, m.n_heads * m.v_head_dim, h * region)]
        if ff is not None:
            found += [(ff.n_experts, h, ff.n_experts * region)] if ff.n_experts else []
            width = ff.ffn + ff.shared_ffn
            found += [(width, h, width * rank)] * ((2 if ff.gated else 1) if width else 0)
            found += [(h, width, h * region)] if width else []
        return found

    def repeated(self, kind: LayerKind) -> float:
        """Share of the products that operators run again: every second, and all of the routed experts."""
        sizes, ff = [a * b for a, b, _ in self.outputs(kind)], kind.feed_forward
        routed = 0.0
        if ff is not None and ff.n_experts:
            routed = ff.top_k * (3.0 if ff.gated else 2.0) * ff.expert_ffn * self.arch.hidden
        return (sum(sizes[1::2]) + routed) / (sum(sizes) + routed)

    def kept(self, kind: LayerKind) -> tuple[float, float]:
        """Bytes that a layer keeps, and those that selective recomputation frees."""
        fw, h, l, m, ff, t = self.fw, self.arch.hidden, self.layout, kind.mixer, kind.feed_forward, self.tokens  # noqa: E741
        each = max(self.operand, 2.0) if fw.wide_inputs else self.operand
        norm = (t if fw.gathered_inputs else self.region) * h * each + fw.norm_copy_bytes * self.region * h
        residual = 2.0 * self.region * h * self.arch.norms_per_block
        whole = freed = 0.0
        if m is not None:
            heads = m.n_heads / l.tp
            kv = heads if fw.repeated_kv or m.type != "attention" else self.kv(m)
            qkv = 2.0 * t * (heads * m.head_dim + kv * (m.head_dim + m.v_head_dim))
            if m.type == "mla":
                qkv += self.region * (m.q_lora_rank + m.kv_lora_rank + m.qk_rope_head_dim) * (2.0 + each)
            if m.type not in ("attention", "mla"):
                qkv = 8.0 * t * (m.n_heads * m.v_head_dim + m.n_key_heads * m.head_dim) / l.tp
            out = t * heads * (m.v_head_dim * (2.0 + (each if each < 2.0 else 0.0)) + 4.0)
            gate = 2.0 * t * heads * m.v_head_dim if m.output_gate else 0.0
            whole, freed = whole + residual + norm + qkv + out + gate, freed + norm
        if ff is not None:
            up = ((6.0 if fw.unfused_gate else 4.0) if ff.gated else 2.0) + each
            width = t * (ff.ffn + ff.shared_ffn) / l.tp
            if ff.n_experts:
                width += self.pairs(ff) * ff.expert_ffn / l.etp
                whole += self.pairs(ff) * h * each
            whole, freed = whole + residual + norm + up * width, freed + norm + each * width
        if fw.selective_matmuls:
            stays = 2.0 * self.region * h
            stays += 0.0 if m is None else t * m.n_heads / l.tp * (2.0 * m.v_head_dim + 4.0)
            stays += sum(size for _, _, size in self.outputs(kind)[::2])
            freed = whole - stays
        return whole, freed


def _parts(gemm: float, core: float, memory: float, tp: float, cp: float, ep: float) -> dict[str, float]:
    return {
        "gemm_s": gemm,
        "attention_s": core,
        "memory_bound_s": memory,
        "tp_exposed_s": tp,
        "cp_exposed_s": cp,
        "ep_exposed_s": ep,
    }
