"""The training step put together, for many layouts at once: the only place where its terms are added up.

In the order of a step: layers forward and backward on the slowest pipeline stage, times the micro batches; fill and
drain of the pipeline; pipeline sends; data-parallel traffic that does not hide; the optimizer step; fixed cost and
waiting for the slowest rank. Times are per row, shape [n] or [] where all rows share them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from fmctl.domain.layout import IntArray, Layouts, Recompute, Sharding
from fmctl.domain.result import FloatArray
from fmctl.perf.ops.collectives import send_s
from fmctl.perf.ops.columns import Unique, narrow_column, unique
from fmctl.perf.train.schedule import bubble_s, sends_s
from fmctl.perf.train.setup import LayerTables, Setup, layer_tables, picked, weighted
from fmctl.perf.train.stages import FIRST, LAST
from fmctl.perf.train.states import StateTable, state_table

STATE_FIELDS = ("tp", "pp", "vpp", "cp", "ep", "etp", "dp", "dp_replicate", "sharding")


@dataclass(slots=True, eq=False, repr=False)
class Rows:
    """Columns of the layouts that most terms use."""

    layouts: Layouts
    pp: FloatArray
    vpp: FloatArray
    tp: FloatArray
    cp: FloatArray
    dp: FloatArray
    micro_batches: FloatArray
    recomputed: FloatArray  # share of a stage's layers that is wholly run again

    @property
    def single(self) -> npt.NDArray[np.bool_]:
        """Whether there is no pipeline."""
        return self.pp <= 1

    @property
    def gpus(self) -> FloatArray:
        """Accelerators of the layout."""
        return self.tp * self.cp * self.pp * self.dp


@dataclass(slots=True, eq=False, repr=False)
class StateTables:
    """States and their traffic by combination, and the layers of each stage slot and kind for every row."""

    by: Unique
    table: StateTable
    layers: list[list[FloatArray]]

    def gather(self, values: FloatArray) -> FloatArray:
        """Values per combination for every row."""
        return self.by.gather(values)


@dataclass(slots=True, eq=False, repr=False)
class LayerSeconds:
    """Seconds per micro batch of one layer of each kind, and of the ends."""

    forward: list[FloatArray]
    backward: list[FloatArray]
    embedding: FloatArray
    head_forward: FloatArray
    head_backward: FloatArray


@dataclass(slots=True, eq=False, repr=False)
class StageTimes:
    """Seconds per micro batch of the slowest stage, and which slot that is."""

    slowest: IntArray
    slowest_s: FloatArray
    forward_s: FloatArray
    backward_s: FloatArray


@dataclass(slots=True, eq=False, repr=False)
class Part:
    """One part of a step, s: what it adds to it, and, of communication, all of it, hidden or not."""

    added_s: FloatArray
    total_s: FloatArray | None = None


@dataclass(slots=True, eq=False, repr=False)
class StepTimes:
    """The step and what it is made of, s."""

    steady: FloatArray  # the slowest stage's micro batches
    parts: Mapping[str, Part]  # what comes beside them, by the name of its term
    straggler: FloatArray
    step: FloatArray


@dataclass(slots=True, eq=False, repr=False)
class Micro:
    """The micro batches of layouts: tables, and the slowest stage. What all parts of a step are made of."""

    setup: Setup
    rows: Rows
    layers: LayerTables
    states: StateTables
    seconds: LayerSeconds
    stages: StageTimes


@dataclass(slots=True, eq=False, repr=False)
class Step(Micro):
    """One evaluation of layouts, without their memory."""

    times: StepTimes


def step(s: Setup, layouts: Layouts) -> Step:
    """The step of each layout."""
    layers, states, r = layer_tables(s, layouts), _state_tables(s, layouts), _rows(s, layouts)
    seconds = _layer_seconds(s, layers)
    stages = _stage_times(r, states, seconds)
    times = _step_times(Micro(s, r, layers, states, seconds, stages))
    return Step(s, r, layers, states, seconds, stages, times)


def _state_tables(s: Setup, layouts: Layouts) -> StateTables:
    by = unique(layouts, STATE_FIELDS)
    table = state_table(s.model.arch, by.layouts, s.model.framework, s.model.rates, s.model.fabric)
    return StateTables(by, table, [[by.gather(x) for x in slot] for slot in table.stages.layers])


def _rows(s: Setup, layouts: Layouts) -> Rows:
    pp, dp = narrow_column(layouts, "pp"), narrow_column(layouts, "dp")
    some = narrow_column(layouts, "recompute_layers")
    share = np.where(some > 0, np.minimum(some * pp / s.model.arch.n_layers, 1.0), 1.0)
    return Rows(
        layouts=layouts,
        pp=pp,
        vpp=narrow_column(layouts, "vpp"),
        tp=narrow_column(layouts, "tp"),
        cp=narrow_column(layouts, "cp"),
        dp=dp,
        micro_batches=s.workload.global_batch / (dp * narrow_column(layouts, "micro_batch")),
        recomputed=np.where(layouts["recompute"] == Recompute.FULL, share, 0.0),
    )


def heads(s: Setup) -> float:
    """How often logits are computed: each MTP layer computes its own (arXiv 2412.19437 section 2.2)."""
    return 1.0 + s.model.arch.mtp_layers


def _layer_seconds(s: Setup, t: LayerTables) -> LayerSeconds:
    return LayerSeconds(
        forward=[t.gather(k.forward_s) for k in t.kinds],
        backward=[t.gather(k.backward_s + k.selective_s) for k in t.kinds],
        embedding=t.gather(t.ends.embedding_s),
        head_forward=heads(s) * t.gather(t.ends.logits_forward_s),
        head_backward=heads(s) * t.gather(t.ends.logits_backward_s),
    )


def _stage_times(r: Rows, states: StateTables, seconds: LayerSeconds) -> StageTimes:
    """The slowest of the stage slots; where two are as slow, the first of them."""
    each = [_stage(r, slot, layers, seconds) for slot, layers in enumerate(states.layers)]
    slowest_s, slowest = each[0][0] + each[0][1], np.zeros(len(r.layouts), dtype=np.int64)
    for slot in range(1, len(each)):
        stage_s = each[slot][0] + each[slot][1]
        slowest = np.where(stage_s > slowest_s, slot, slowest)
        slowest_s = np.maximum(slowest_s, stage_s)
    forward, backward = (picked(slowest, list(passes)) for passes in zip(*each, strict=True))
    return StageTimes(slowest, slowest_s, forward, backward)


def _stage(r: Rows, slot: int, layers: list[FloatArray], seconds: LayerSeconds) -> tuple[FloatArray, FloatArray]:
    """Forward and backward of one stage slot; the ends carry the embedding and the logits."""
    forward = weighted(layers, seconds.forward)
    backward = weighted(layers, seconds.backward) + r.recomputed * forward
    if slot not in (FIRST, LAST):
        return forward, backward
    at_end = 1.0 if slot == LAST else np.where(r.single, 1.0, 0.0)
    at_start = 1.0 if slot == FIRST else np.where(r.single, 1.0, 0.0)
    backward = backward + at_end * seconds.head_backward + at_start * seconds.embedding
    return forward + at_end * seconds.head_forward, backward


def _step_times(m: Micro) -> StepTimes:
    """The parts of the step in their order, and the step."""
    steady = m.rows.micro_batches * m.stages.slowest_s
    parts = {name: part(m) for name, part in PARTS}
    working = reduce(np.add, [part.added_s for part in parts.values()], steady)
    straggler = _straggler(m, working)
    return StepTimes(steady, parts, straggler, working + straggler)


def _bubble(m: Micro) -> Part:
    """Fill and drain of the pipeline."""
    r, seconds = m.rows, m.seconds
    ends = seconds.embedding + seconds.head_forward + seconds.head_backward
    counts = [np.asarray(float(n)) for n in m.setup.model.arch.kind_counts()]
    whole_f = weighted(counts, seconds.forward)
    whole = whole_f + weighted(counts, seconds.backward) + r.recomputed * whole_f + ends
    others = whole - m.stages.slowest_s
    wgrad = weighted(counts, [m.layers.gather(k.passes.wgrad_s) for k in m.layers.kinds])
    share = (r.pp - 1.0) / r.pp
    return Part(bubble_s(r.layouts["schedule"], others, wgrad * share, r.pp, r.vpp))


def _sends(m: Micro) -> Part:
    """Between stages."""
    r, fabric, framework = m.rows, m.setup.model.fabric, m.setup.model.framework
    message = 2.0 * m.setup.model.arch.hidden * m.layers.gather(m.layers.combos.region)
    inside = r.tp * r.cp * r.dp * r.pp <= fabric.domain_gpus
    steady, fill = sends_s(send_s(fabric, message, inside), r.micro_batches, r.pp, r.vpp)
    exposed = (1.0 - framework.pp_overlap) * steady + fill
    host = np.where(r.pp > 1, 2.0 * r.vpp * r.micro_batches * framework.host_send_s, 0.0)
    return Part(exposed + host, steady + fill + host)


def _data_parallel(m: Micro) -> Part:
    """Gradient and weight traffic of a step.

    Without ZeRO-3 it happens once per step, hidden under the last backward and the first forward pass. With it,
    weights are gathered forward and backward and gradients reduced for every micro batch. What hides still takes
    multiprocessors and memory bandwidth from the compute above it.
    """
    r, g, fw, t = m.rows, m.states.gather, m.setup.model.framework, m.states.table
    reduce_, gather, tail, sent = g(t.reduce_s), g(t.gather_s), g(t.bucket_share), g(t.broadcast_s)
    o, forward, backward = fw.dp_overlap, m.stages.forward_s, m.stages.backward_s
    total = reduce_ + gather
    exposed = np.maximum(reduce_ - o * backward, reduce_ * tail) + np.maximum(gather - o * forward, gather * tail)
    zero3 = r.layouts["sharding"] == Sharding.ZERO3
    if bool(np.any(zero3)):
        o = fw.fsdp_overlap
        each = np.maximum(gather - o * forward, 0.0) + np.maximum(gather + reduce_ - o * backward, 0.0)
        total = np.where(zero3, r.micro_batches * (2.0 * gather + reduce_), total)
        exposed = np.where(zero3, r.micro_batches * each, exposed)
    return Part(exposed + fw.interference * (total - exposed) + sent, total + sent)


def _optimizer(m: Micro) -> Part:
    return Part(m.states.gather(m.states.table.optimizer_s))


def _overhead(m: Micro) -> Part:
    """Fixed cost, and reading: every data rank reads its own sequences; stacks that tokenise do not hide it."""
    framework = m.setup.model.framework
    read = framework.token_s * m.setup.workload.tokens_per_step / m.rows.dp
    return Part(np.asarray(framework.step_overhead_s + read))


def _straggler(m: Micro, working: FloatArray) -> FloatArray:
    """Ranks of one node are not late for each other: doublings count from the node on."""
    gpus = m.states.gather(m.states.table.gpu_doublings)
    doublings = np.maximum(gpus - np.log2(m.setup.instance.gpus), 0.0)
    late: FloatArray = m.setup.model.calibration.wait_per_doubling * doublings * working
    return late


# What a step takes beside the micro batches of its slowest stage, in the order in which it is added: term, function.
PARTS: tuple[tuple[str, Callable[[Micro], Part]], ...] = (
    ("bubble_s", _bubble),
    ("pp_exposed_s", _sends),
    ("dp_exposed_s", _data_parallel),
    ("optimizer_s", _optimizer),
    ("overhead_s", _overhead),
)
