"""The terms of a training step put together, for many layouts at once; `evaluate` is its only user.

In the order of a step: layers forward and backward on the slowest pipeline stage, times the micro batches; fill and
drain of the pipeline; pipeline sends; data-parallel traffic that does not hide; the optimizer step; fixed cost and
waiting for the slowest rank. Then memory on the fullest stage. Per-layer terms are computed once per unique
combination of the fields they depend on, and gathered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance
from fmctl.domain.layout import Layouts, Recompute, Sharding
from fmctl.domain.model import ModelArch
from fmctl.domain.result import FloatArray
from fmctl.domain.workload import Workload
from fmctl.perf.layer.shapes import Combos
from fmctl.perf.ops.calibration import Calibration
from fmctl.perf.ops.collectives import fabric_rates, send_s
from fmctl.perf.ops.columns import Unique, code_column, column, narrow_column, unique
from fmctl.perf.ops.kernels import kernel_rates
from fmctl.perf.train.layers import EndTable, KindTable, Model, end_table, kind_table, tensor_times
from fmctl.perf.train.schedule import bubble_s, in_flight, sends_s
from fmctl.perf.train.stages import FIRST, LAST
from fmctl.perf.train.states import StateTable, state_table

LAYER_FIELDS = (
    "tp", "cp", "ep", "etp", "micro_batch", "sequence_parallel", "recompute", "precision", "cp_comm", "dispatcher",
    "cuda_graph",
)  # fmt: skip
STATE_FIELDS = ("tp", "pp", "vpp", "cp", "ep", "etp", "dp", "dp_replicate", "sharding")
# Workspaces of cuBLAS on Hopper and later, one for the forward and one for the backward thread (PyTorch).
WORKSPACE_BYTES = 2.0 * 32.0 * 2**20
# Gradients of the layer in work: share of its activations alive beside what is kept for the backward pass.
BACKWARD_WORKING_SHARE = 0.4


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Rows:
    """Per-row columns, shape [n], that most terms use."""

    pp: FloatArray
    vpp: FloatArray
    tp: FloatArray
    cp: FloatArray
    dp: FloatArray
    micro_batches: FloatArray
    recomputed: FloatArray


def combos(layouts: Layouts, seq_len: int, domain_gpus: int) -> Combos:
    """Layer-level columns of `layouts` as float64 of shape [U]."""
    tp, cp, batch = column(layouts, "tp"), column(layouts, "cp"), column(layouts, "micro_batch")
    sp = column(layouts, "sequence_parallel")
    tokens = batch * seq_len / cp
    pp = column(layouts, "pp")
    apart = (pp > 1.0) & (tp * pp * cp * column(layouts, "dp") > domain_gpus)
    return Combos(
        tp=tp,
        cp=cp,
        ep=column(layouts, "ep"),
        etp=column(layouts, "etp"),
        micro_batch=batch,
        sequence_parallel=sp,
        cuda_graph=column(layouts, "cuda_graph"),
        staged=np.where(apart, 1.0, 0.0),
        tokens=tokens,
        region=np.where(sp > 0, tokens / tp, tokens),
        seq=float(seq_len),
        precision=code_column(layouts, "precision"),
        recompute=code_column(layouts, "recompute"),
        cp_comm=code_column(layouts, "cp_comm"),
        dispatcher=code_column(layouts, "dispatcher"),
    )


def _rows(arch: ModelArch, workload: Workload, layouts: Layouts) -> _Rows:
    pp, dp = narrow_column(layouts, "pp"), narrow_column(layouts, "dp")
    some = narrow_column(layouts, "recompute_layers")
    share = np.where(some > 0, np.minimum(some * pp / arch.n_layers, 1.0), 1.0)
    return _Rows(
        pp=pp,
        vpp=narrow_column(layouts, "vpp"),
        tp=narrow_column(layouts, "tp"),
        cp=narrow_column(layouts, "cp"),
        dp=dp,
        micro_batches=workload.global_batch / (dp * narrow_column(layouts, "micro_batch")),
        recomputed=np.where(layouts["recompute"] == Recompute.FULL, share, 0.0),
    )


def weighted(counts: list[FloatArray], values: list[FloatArray]) -> FloatArray:
    """Sum over layer kinds of layers x value, shape [n]."""
    total = counts[0] * values[0]
    for count, value in zip(counts[1:], values[1:], strict=True):
        total = total + count * value
    return total


class Evaluation:
    """One call of `evaluate`: tables, gathered columns and the terms made of them, shape [n] or []."""

    def __init__(
        self,
        arch: ModelArch,
        workload: Workload,
        instance: Instance,
        layouts: Layouts,
        framework: Framework,
        calibration: Calibration,
        memory: bool = True,
    ) -> None:
        self.arch, self.workload, self.instance, self.layouts = arch, workload, instance, layouts
        self.framework, self.calibration = framework, calibration
        rates = kernel_rates(instance.accelerator, framework.attention_kernel, calibration, framework.attention_share)
        self.model = Model(arch, rates, fabric_rates(instance.fabric), framework, calibration)
        # Other fields matter to a layer only where collectives beside a pipeline cost the host more.
        depth = ("pp", "dp") if framework.host_rank_s else ()
        self.by_layer = unique(layouts, (*LAYER_FIELDS, *depth))
        c = combos(self.by_layer.layouts, workload.seq_len, instance.fabric.domain_gpus)
        tensor = tensor_times(self.model, c)
        self.kinds: list[KindTable] = [kind_table(self.model, kind, c, tensor) for kind in arch.kinds]
        self.ends: EndTable = end_table(self.model, c, tensor)
        self.combos = c
        self.by_state: Unique = unique(layouts, STATE_FIELDS)
        self.states: StateTable = state_table(arch, self.by_state.layouts, framework, rates, self.model.fabric)
        self.rows = _rows(arch, workload, layouts)
        self.slots = len(self.states.stages.layers)
        gather, layer_gather = self.by_state.gather, self.by_layer.gather
        self.layers = [[gather(x) for x in slot] for slot in self.states.stages.layers]
        self.forward = [layer_gather(k.forward_s) for k in self.kinds]
        self.backward = [layer_gather(k.backward_s + k.selective_s) for k in self.kinds]
        self.logits = layer_gather(self.ends.logits)
        # Each MTP layer computes its own logits (arXiv 2412.19437 section 2.2).
        self.heads = 1.0 + arch.mtp_layers
        self._time()
        if memory:
            self._memory()

    # --- time -------------------------------------------------------------------------------------------------------

    def _time(self) -> None:
        r, g = self.rows, self.by_layer.gather
        embedding = g(self.ends.embedding_s)
        head_f, head_b = self.heads * g(self.ends.logits_forward_s), self.heads * g(self.ends.logits_backward_s)
        single = r.pp <= 1.0
        self.stage_forward: list[FloatArray] = []
        self.stage_backward: list[FloatArray] = []
        for slot in range(self.slots):
            forward = weighted(self.layers[slot], self.forward)
            backward = weighted(self.layers[slot], self.backward) + r.recomputed * forward
            if slot in (FIRST, LAST):
                at_end = 1.0 if slot == LAST else np.where(single, 1.0, 0.0)
                at_start = 1.0 if slot == FIRST else np.where(single, 1.0, 0.0)
                forward = forward + at_end * head_f
                backward = backward + at_end * head_b + at_start * embedding
            self.stage_forward.append(forward)
            self.stage_backward.append(backward)
        stage = [f + b for f, b in zip(self.stage_forward, self.stage_backward, strict=True)]
        self.slowest_s = stage[0]
        self.slowest = np.zeros(len(self.layouts), dtype=np.int64)
        for slot in range(1, self.slots):
            self.slowest = np.where(stage[slot] > self.slowest_s, slot, self.slowest)
            self.slowest_s = np.maximum(self.slowest_s, stage[slot])
        self.slow_forward_s = self.pick_slowest(self.stage_forward)
        self.slow_backward_s = self.pick_slowest(self.stage_backward)
        self.bubble = self._bubble(embedding + head_f + head_b)
        self.sends, self.sends_exposed = self._sends()
        self.data_total, self.data_exposed = self._data_parallel()
        optimizer = self.by_state.gather(self.states.optimizer_s)
        self.optimizer = optimizer
        self.steady = r.micro_batches * self.slowest_s
        working = self.steady + self.bubble + self.sends_exposed + self.data_exposed + optimizer
        # Every data rank reads its own sequences; stacks that tokenise in the training process do not hide it.
        read = self.framework.token_s * self.workload.tokens_per_step / r.dp
        self.overhead = self.framework.step_overhead_s + read
        working = working + self.overhead
        self.gpus = r.tp * r.cp * r.pp * r.dp
        # Ranks of one node are not late for each other: doublings count from the node on.
        doublings = np.maximum(self.by_state.gather(self.states.gpu_doublings) - np.log2(self.instance.gpus), 0.0)
        self.straggler = self.calibration.wait_per_doubling * doublings * working
        self.step = working + self.straggler

    def pick_slowest(self, per_slot: list[FloatArray]) -> FloatArray:
        """The value of each row's slowest stage."""
        picked = per_slot[0]
        for slot in range(1, self.slots):
            picked = np.where(self.slowest == slot, per_slot[slot], picked)
        return picked

    def _bubble(self, ends: FloatArray) -> FloatArray:
        counts = [np.asarray(float(n)) for n in self.arch.kind_counts()]
        whole_f = weighted(counts, self.forward)
        whole = whole_f + weighted(counts, self.backward) + self.rows.recomputed * whole_f + ends
        others = whole - self.slowest_s
        wgrad = weighted(counts, [self.by_layer.gather(k.wgrad_s) for k in self.kinds])
        share = (self.rows.pp - 1.0) / self.rows.pp
        return bubble_s(self.layouts["schedule"], others, wgrad * share, self.rows.pp, self.rows.vpp)

    def _sends(self) -> tuple[FloatArray, FloatArray]:
        r = self.rows
        message = 2.0 * self.arch.hidden * self.by_layer.gather(self.combos.region)
        inside = r.tp * r.cp * r.dp * r.pp <= self.model.fabric.domain_gpus
        steady, fill = sends_s(send_s(self.model.fabric, message, inside), r.micro_batches, r.pp, r.vpp)
        exposed = (1.0 - self.framework.pp_overlap) * steady + fill
        host = np.where(r.pp > 1.0, 2.0 * r.vpp * r.micro_batches * self.framework.host_send_s, 0.0)
        return steady + fill + host, exposed + host

    def _data_parallel(self) -> tuple[FloatArray, FloatArray]:
        """Gradient and weight traffic: (total, exposed) per step, s.

        Without ZeRO-3 it happens once per step, hidden under the last backward and the first forward pass. With it,
        weights are gathered forward and backward and gradients reduced for every micro batch.
        """
        g, o = self.by_state.gather, self.framework.dp_overlap
        reduce_, gather = g(self.states.reduce_s), g(self.states.gather_s)
        tail = g(self.states.bucket_share)
        forward, backward = self.slow_forward_s, self.slow_backward_s
        once = np.maximum(reduce_ - o * backward, reduce_ * tail) + np.maximum(gather - o * forward, gather * tail)
        slow, sent = self.framework.interference, g(self.states.broadcast_s)
        if not bool(np.any(self.layouts["sharding"] == Sharding.ZERO3)):
            total = reduce_ + gather
            return total + sent, once + slow * (total - once) + sent
        o = self.framework.fsdp_overlap
        exposed = np.maximum(gather - o * forward, 0.0) + np.maximum(gather + reduce_ - o * backward, 0.0)
        zero3 = self.layouts["sharding"] == Sharding.ZERO3
        count = self.rows.micro_batches
        total = np.where(zero3, count * (2.0 * gather + reduce_), reduce_ + gather)
        exposed = np.where(zero3, count * exposed, once)
        # What hides still takes multiprocessors and memory bandwidth from the compute above it.
        return total + sent, exposed + slow * (total - exposed) + sent

    # --- memory -----------------------------------------------------------------------------------------------------

    def _memory(self) -> None:
        r, lg, sg = self.rows, self.by_layer.gather, self.by_state.gather
        plain = [self.framework.activation_factor * lg(k.activation_bytes) for k in self.kinds]
        full = lg(self.kinds[0].recomputed_bytes)
        kept = [p + r.recomputed * (full - p) for p in plain]
        working, passing, states = self._working(), self._buffers(), self.states
        head = self.framework.wgrad_bytes * self.arch.vocab * self.arch.hidden / r.tp
        logits = self.heads * self.framework.logit_bytes * self.logits + head
        busy = np.maximum(working, logits)
        if self.framework.layer_wgrad_bytes > 0.0:
            spare = sg(states.wgrad_bytes)
            working, busy = working + spare, busy + spare
        self.loss_bytes = logits
        single = r.pp <= 1.0
        zero3 = self.layouts["sharding"] == Sharding.ZERO3
        some = bool(np.any(zero3))
        reduced = sg(states.reduced_bytes) if some else np.asarray(0.0)
        self.buffers = passing + sg(states.gathered_bytes + WORKSPACE_BYTES)
        self.peaks: list[FloatArray] = []
        overhead = 1.0 + self.framework.allocator_overhead
        best: FloatArray | None = None
        for slot in range(self.slots):
            held = in_flight(self.layouts["schedule"], sg(states.stages.position[slot]), r.pp, r.vpp, r.micro_batches)
            at_loss = busy if slot == LAST else np.where(single, busy, working) if slot == FIRST else working
            peak = held * weighted(self.layers[slot], kept) + at_loss
            # Gradients that FSDP reduces come from the pool of its communication stream: nothing else can use it.
            whole = peak + reduced if some else peak
            if not self.framework.gradients_kept:
                # What gradients take only as activations go is not there before, unless micro batches accumulate.
                peak = peak - np.where(r.micro_batches > 1.0, 0.0, sg(states.late_bytes[slot]))
                whole = np.where(zero3, whole, peak)
            if (some and slot == FIRST) or self.framework.step_bytes > 0.0:
                # Or fullest when activations are gone: the root group (of one stage) is reduced, the optimizer works.
                ends = np.maximum(states.root_bytes, states.step_bytes[slot]) - states.gathered_bytes
                ends = sg(ends) - passing
                whole = np.maximum(whole, ends)
                peak = np.maximum(peak, ends)
            rest = self._resting(slot)
            allocated = rest + peak
            reserved = allocated if whole is peak else rest + whole
            if self.framework.pending_bytes > 0.0:
                reserved = reserved + self._pending(slot) / overhead
            self.peaks.append(peak)
            if best is None:
                best, self.fullest = allocated, np.zeros(len(self.layouts), dtype=np.int64)
                self.first_stage, most = overhead * reserved, reserved
            else:
                self.fullest = np.where(allocated > best, slot, self.fullest)
                best = np.maximum(best, allocated)
                most = best if reserved is allocated else np.maximum(most, reserved)
        assert best is not None
        self.allocated, self.reserved = best, overhead * most
        self.runtime = self.calibration.context_bytes + self.calibration.communicator_bytes * self._communicators()
        self.used = self.reserved + self.runtime

    def _resting(self, slot: int) -> FloatArray:
        """Bytes that are there at every moment: states, buffers, what stays gathered between micro batches."""
        states, gather = self.states, self.by_state.gather
        state = states.weights_bytes[slot] + states.gradients_bytes[slot] + states.optimizer_bytes[slot]
        rest = gather(state) + self.buffers
        if self.framework.whole_bytes > 0.0:
            rest = rest + np.where(self.rows.micro_batches > 1.0, gather(states.whole_bytes[slot]), 0.0)
        return rest

    def _pending(self, slot: int) -> FloatArray:
        """Reserved for inputs of tensor-parallel collectives that are freed, and not yet done: the host runs ahead.

        By a whole micro batch without a pipeline; by all warm-up passes but the one that runs, p - 2 - i at stage i.
        """
        r, position = self.rows, self.by_state.gather(self.states.stages.position[slot])
        ahead = np.where(r.pp > 1.0, np.clip(r.pp - 2.0 - position, 0.0, r.micro_batches), 1.0)
        full = np.where(self.combos.tp > 1.0, self.framework.pending_bytes * self.arch.hidden * self.combos.tokens, 0.0)
        ones = [np.asarray(1.0)] * len(self.kinds)
        return ahead * weighted(self.layers[slot], ones) * self.by_layer.gather(full)

    def _working(self) -> FloatArray:
        """Bytes of the layer in work: rebuilt activations under full recomputation, gradients beside kept ones else."""
        widest = self.by_layer.gather(self.kinds[0].working_bytes)
        for kind in self.kinds[1:]:
            widest = np.maximum(widest, self.by_layer.gather(kind.working_bytes))
        return np.where(self.rows.recomputed > 0.0, 1.0 + BACKWARD_WORKING_SHARE, BACKWARD_WORKING_SHARE) * widest

    def _buffers(self) -> FloatArray:
        """Gathered sequence under TP with sequence parallelism (two in flight), and expert dispatch in and out."""
        gathered = np.where(
            (self.combos.tp > 1) & (self.combos.sequence_parallel > 0), 4.0 * self.arch.hidden * self.combos.tokens, 0.0
        )
        dispatch = self.kinds[0].dispatch_bytes
        for kind in self.kinds[1:]:
            dispatch = np.maximum(dispatch, kind.dispatch_bytes)
        return self.by_layer.gather(gathered + np.where(self.combos.ep > 1, 2.0 * dispatch, 0.0))

    def _communicators(self) -> FloatArray:
        r = self.rows
        ep = self.by_layer.gather(self.combos.ep)
        count: FloatArray = 1.0 * (r.tp > 1) + 1.0 * (r.cp > 1) + 1.0 * (r.dp > 1) + 1.0 * (r.pp > 1) + 2.0 * (ep > 1)
        return count

    # --- terms ------------------------------------------------------------------------------------------------------

    def terms(self) -> dict[str, FloatArray]:
        """What ranking needs."""
        shape = (len(self.layouts),)
        return {"step_s": np.broadcast_to(self.step, shape), "used_bytes": np.broadcast_to(self.used, shape)}
