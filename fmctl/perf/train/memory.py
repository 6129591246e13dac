"""Memory of the fullest pipeline stage, for many layouts at once: bytes per device, shape [n] or []."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmctl.domain.layout import IntArray, Sharding
from fmctl.domain.result import FloatArray
from fmctl.perf.train.layers import LayerBytes, layer_bytes
from fmctl.perf.train.schedule import in_flight
from fmctl.perf.train.setup import weighted
from fmctl.perf.train.stages import FIRST, LAST
from fmctl.perf.train.step import Step, heads

# Workspaces of cuBLAS on Hopper and later, one for the forward and one for the backward thread (PyTorch).
WORKSPACE_BYTES = 2.0 * 32.0 * 2**20
# Gradients of the layer in work: share of its activations alive beside what is kept for the backward pass.
BACKWARD_WORKING_SHARE = 0.4


@dataclass(slots=True, eq=False, repr=False)
class Moments:
    """What fills a device at the moments that can be the fullest, the same for all stages."""

    kept: list[FloatArray]  # of one layer of each kind and micro batch in flight
    working: FloatArray  # the layer in work
    busy: FloatArray  # the layer in work or the loss, whichever is more
    loss: FloatArray
    passing: FloatArray  # buffers of tensor and expert parallelism
    buffers: FloatArray  # those, gathered weights and workspaces


@dataclass(slots=True, eq=False, repr=False)
class Peak:
    """One stage at its fullest."""

    moving: FloatArray  # what comes and goes in a step, of what is allocated
    allocated: FloatArray
    reserved: FloatArray  # before what the allocator loses


@dataclass(slots=True, eq=False, repr=False)
class Memory:
    """The fullest stage, and what the first one reserves."""

    moments: Moments
    peaks: list[Peak]  # of each stage slot
    fullest: IntArray  # the slot that allocates most
    allocated: FloatArray
    reserved: FloatArray
    first_stage: FloatArray
    runtime: FloatArray

    @property
    def used(self) -> FloatArray:
        """In use on the device."""
        return self.reserved + self.runtime


def memory(e: Step) -> Memory:
    """Memory of each layout."""
    framework, calibration = e.setup.model.framework, e.setup.model.calibration
    moments = _moments(e)
    pooled = bool(np.any(_zero3(e)))
    peaks = [_peak(e, slot, moments, pooled) for slot in range(len(e.states.layers))]
    # Only pools of communication and runs ahead of the host are reserved beside what is allocated.
    beside = pooled or framework.pending_bytes > 0.0
    fullest, allocated = np.zeros(len(e.rows.layouts), dtype=np.int64), peaks[0].allocated
    most = peaks[0].reserved
    for slot, peak in enumerate(peaks[1:], start=1):
        fullest = np.where(peak.allocated > allocated, slot, fullest)
        allocated = np.maximum(allocated, peak.allocated)
        most = np.maximum(most, peak.reserved) if beside else allocated
    overhead = 1.0 + framework.allocator_overhead
    runtime = calibration.context_bytes + calibration.communicator_bytes * _communicators(e)
    return Memory(
        moments, peaks, fullest, allocated, overhead * most, overhead * peaks[0].reserved, runtime
    )  # fmt: skip


def _zero3(e: Step) -> npt.NDArray[np.bool_]:
    sharded: npt.NDArray[np.bool_] = e.rows.layouts["sharding"] == Sharding.ZERO3
    return sharded


def _moments(e: Step) -> Moments:
    r, framework = e.rows, e.setup.model.framework
    kinds = [layer_bytes(e.setup.model, kind, e.layers.combos) for kind in e.setup.model.arch.kinds]
    plain = [framework.activation_factor * e.layers.gather(k.kept) for k in kinds]
    full = e.layers.gather(kinds[0].recomputed)
    working, loss, passing = _working(e, kinds), _loss(e), _passing(e, kinds)
    busy = np.maximum(working, loss)
    if framework.layer_wgrad_bytes > 0.0:
        spare = e.states.gather(e.states.table.wgrad_bytes)
        working, busy = working + spare, busy + spare
    return Moments(
        kept=[p + r.recomputed * (full - p) for p in plain],
        working=working,
        busy=busy,
        loss=loss,
        passing=passing,
        buffers=passing + e.states.gather(e.states.table.gathered_bytes + WORKSPACE_BYTES),
    )


def _loss(e: Step) -> FloatArray:
    """Logits, and the weight gradient of the output matrix while the loss is worked back."""
    framework, arch = e.setup.model.framework, e.setup.model.arch
    head = framework.wgrad_bytes * arch.vocab * arch.hidden / e.rows.tp
    return heads(e.setup) * framework.logit_bytes * e.layers.gather(e.layers.ends.logits) + head


def _widest(values: list[FloatArray]) -> FloatArray:
    widest = values[0]
    for value in values[1:]:
        widest = np.maximum(widest, value)
    return widest


def _working(e: Step, kinds: list[LayerBytes]) -> FloatArray:
    """Bytes of the layer in work: rebuilt activations under full recomputation, gradients beside kept ones else."""
    widest = _widest([e.layers.gather(kind.working) for kind in kinds])
    return np.where(e.rows.recomputed > 0.0, 1.0 + BACKWARD_WORKING_SHARE, BACKWARD_WORKING_SHARE) * widest


def _passing(e: Step, kinds: list[LayerBytes]) -> FloatArray:
    """Gathered sequence under TP with sequence parallelism (two in flight), and expert dispatch in and out."""
    c, hidden = e.layers.combos, e.setup.model.arch.hidden
    gathered = np.where((c.tp > 1) & (c.sequence_parallel > 0), 4.0 * hidden * c.tokens, 0.0)
    dispatch = _widest([kind.dispatch for kind in kinds])
    return e.layers.gather(gathered + np.where(c.ep > 1, 2.0 * dispatch, 0.0))


def _peak(e: Step, slot: int, m: Moments, pooled: bool) -> Peak:
    """One stage slot at its fullest. pooled: whether any row shards by ZeRO-3."""
    framework, states, g, r = e.setup.model.framework, e.states.table, e.states.gather, e.rows
    position = g(states.stages.position[slot])
    held = in_flight(r.layouts["schedule"], position, r.pp, r.vpp, r.micro_batches)
    moving = held * weighted(e.states.layers[slot], m.kept) + _at_loss(e, slot, m)
    # Gradients that FSDP reduces come from the pool of its communication stream: nothing else can use it.
    whole = moving + g(states.reduced_bytes) if pooled else moving
    if not framework.gradients_kept:
        # What gradients take only as activations go is not there before, unless micro batches accumulate.
        moving = moving - np.where(r.micro_batches > 1, 0.0, g(states.late_bytes[slot]))
        whole = np.where(_zero3(e), whole, moving) if pooled else moving
    if (pooled and slot == FIRST) or framework.step_bytes > 0.0:
        # Or fullest when activations are gone: the root group (of one stage) is reduced, the optimizer works.
        ends = g(np.maximum(states.root_bytes, states.step_bytes[slot]) - states.gathered_bytes) - m.passing
        moving, whole = np.maximum(moving, ends), np.maximum(whole, ends)
    rest = _resting(e, slot, m)
    allocated = rest + moving
    reserved = rest + whole if pooled else allocated
    if framework.pending_bytes > 0.0:
        reserved = reserved + _pending(e, slot, position) / (1.0 + framework.allocator_overhead)
    return Peak(moving, allocated, reserved)


def _at_loss(e: Step, slot: int, m: Moments) -> FloatArray:
    """Beside kept activations: the last stage holds the loss, which is also the first without a pipeline."""
    if slot == LAST:
        return m.busy
    return np.where(e.rows.single, m.busy, m.working) if slot == FIRST else m.working


def _resting(e: Step, slot: int, m: Moments) -> FloatArray:
    """Bytes that are there at every moment: states, buffers, what stays gathered between micro batches."""
    states, g = e.states.table, e.states.gather
    rest = g(states.weights_bytes[slot] + states.gradients_bytes[slot] + states.optimizer_bytes[slot]) + m.buffers
    if e.setup.model.framework.whole_bytes > 0.0:
        rest = rest + np.where(e.rows.micro_batches > 1, g(states.whole_bytes[slot]), 0.0)
    return rest


def _pending(e: Step, slot: int, position: FloatArray) -> FloatArray:
    """Reserved for inputs of tensor-parallel collectives that are freed, and not yet done: the host runs ahead.

    By a whole micro batch without a pipeline; by all warm-up passes but the one that runs, p - 2 - i at stage i.
    """
    r, c, model = e.rows, e.layers.combos, e.setup.model
    ahead = np.where(r.pp > 1, np.clip(r.pp - 2.0 - position, 0.0, r.micro_batches), 1.0)
    full = np.where(c.tp > 1, model.framework.pending_bytes * model.arch.hidden * c.tokens, 0.0)
    ones = [np.asarray(1.0)] * len(model.arch.kinds)
    return ahead * weighted(e.states.layers[slot], ones) * e.layers.gather(full)


def _communicators(e: Step) -> FloatArray:
    r, ep = e.rows, e.layers.gather(e.layers.combos.ep)
    count: FloatArray = 1.0 * (r.tp > 1) + 1.0 * (r.cp > 1) + 1.0 * (r.dp > 1) + 1.0 * (r.pp > 1) + 2.0 * (ep > 1)
    return count
