"""Every term of an evaluation that people read and ranking does not need, from what was already computed."""

from __future__ import annotations

import numpy as np

from fmctl.domain.result import FloatArray
from fmctl.perf.layer import flops
from fmctl.perf.run import energy
from fmctl.perf.store import checkpoint
from fmctl.perf.train.layers import COMPONENTS
from fmctl.perf.train.memory import Memory
from fmctl.perf.train.passes import kernel_s, measured_s
from fmctl.perf.train.setup import picked, weighted
from fmctl.perf.train.stages import LAST
from fmctl.perf.train.step import Step

Columns = dict[str, FloatArray]


def detail(e: Step, m: Memory) -> Columns:
    """Every term of `TERMS`, and what the first stage reserves (`first_stage_bytes`), which some loggers print."""
    measured = _measured(e)
    times = time_terms(e, measured)
    return {**times, **memory_terms(e, m), **run_terms(e, times), "measured_fraction": measured}


def _slow_layers(e: Step) -> list[FloatArray]:
    """Layers of each kind on the slowest stage."""
    return [picked(e.stages.slowest, list(slots)) for slots in zip(*e.states.layers, strict=True)]


def time_terms(e: Step, measured: FloatArray) -> Columns:
    """Parts of the step on the slowest stage, communication totals, and the interval. measured: `_measured`."""
    times, half = e.times, _half_width(e, measured)
    totals = {**_layer_totals(e), **_step_totals(e)}
    return {
        **_layer_parts(e),
        **totals,
        **{name: part.added_s for name, part in times.parts.items()},
        "straggler_s": times.straggler,
        "step_low_s": times.step / (1.0 + half),
        "step_high_s": times.step * (1.0 + half),
        **_levels(e, totals),
    }


def _layer_parts(e: Step) -> Columns:
    """What the micro batches of the slowest stage are made of; what its layers leave of it is the ends."""
    g, count, layers = e.layers.gather, e.rows.micro_batches, _slow_layers(e)
    parts: Columns = {}
    for name in COMPONENTS:
        parts[name] = count * weighted(layers, [g(k.forward[name] + k.backward[name]) for k in e.layers.kinds])
    again = weighted(layers, [g(k.selective_s) for k in e.layers.kinds])
    parts["recompute_s"] = count * (again + e.rows.recomputed * weighted(layers, e.seconds.forward))
    parts["logits_s"] = np.maximum(e.times.steady - sum(parts.values()), 0.0)
    return parts


def _layer_totals(e: Step) -> Columns:
    """Communication inside the layers of the slowest stage, hidden part included."""
    count, layers = e.rows.micro_batches, _slow_layers(e)
    passes = [k.passes for k in e.layers.kinds]
    each = {
        "tp_total_s": [p.tp.wire.forward_s + p.tp.wire.backward_s for p in passes],
        "cp_total_s": [p.cp.wire.forward_s + p.cp.wire.backward_s for p in passes],
        "ep_total_s": [2.0 * (p.ep.wire.forward_s + p.ep.fixed_s) for p in passes],
    }
    gather = e.layers.gather
    return {name: count * weighted(layers, [gather(kind) for kind in kinds]) for name, kinds in each.items()}


def _step_totals(e: Step) -> Columns:
    """Communication beside the micro batches, hidden part included."""
    return {
        name.replace("exposed", "total"): part.total_s
        for name, part in e.times.parts.items()
        if part.total_s is not None
    }


def _levels(e: Step, totals: Columns) -> Columns:
    """Communication time by the slowest level its group uses: EFA as soon as the group leaves an NVLink domain."""
    r, domain = e.rows, e.setup.model.fabric.domain_gpus
    reach = {
        "tp_total_s": r.tp,
        "cp_total_s": r.tp * r.cp,
        "ep_total_s": e.layers.gather(e.layers.combos.ep * e.layers.combos.etp),
        "pp_total_s": r.gpus,
        "dp_total_s": r.tp * r.cp * r.dp,
    }
    outside = [np.where(reach[name] > domain, total, 0.0) for name, total in totals.items()]
    inside = [np.where(reach[name] > domain, 0.0, total) for name, total in totals.items()]
    ones = [np.asarray(1.0)] * len(outside)
    return {"network_s": weighted(ones, outside), "nvlink_s": weighted(ones, inside)}


def _measured(e: Step) -> FloatArray:
    """Share of the kernel time of the slowest stage that rests on measured tables."""
    layers, g, t = _slow_layers(e), e.layers.gather, e.layers
    measured = weighted(layers, [g(measured_s(e.setup.model, t.combos, k.ops, k.passes)) for k in t.kinds])
    whole = weighted(layers, [g(kernel_s(k.passes)) for k in t.kinds])
    return np.minimum(measured / np.maximum(whole, 1e-12), 1.0)


def _half_width(e: Step, measured: FloatArray) -> FloatArray:
    calibration = e.setup.model.calibration
    base = calibration.interval_moe if e.setup.model.arch.is_moe else calibration.interval_dense
    return base + calibration.interval_extrapolated * (1.0 - measured)


def memory_terms(e: Step, m: Memory) -> Columns:
    """Parts of the memory of the fullest stage."""
    g, states = e.states.gather, e.states.table

    def at(per_slot: list[FloatArray]) -> FloatArray:
        return picked(m.fullest, [g(x) for x in per_slot])

    # At the ends of a pipeline the loss is part of the peak, as far as it is the loss that makes it.
    last = (m.fullest == LAST) | e.rows.single
    peak = picked(m.fullest, [p.moving for p in m.peaks])
    logits = np.where(last, np.minimum(m.moments.loss, peak), 0.0)
    return {
        "weights_bytes": at(states.weights_bytes),
        "gradients_bytes": at(states.gradients_bytes),
        "optimizer_bytes": at(states.optimizer_bytes),
        "activations_bytes": peak - logits,
        "logits_bytes": logits,
        "buffers_bytes": m.moments.buffers,
        "allocated_bytes": m.allocated,
        "first_stage_bytes": m.first_stage,
        "reserved_bytes": m.reserved,
        "runtime_bytes": m.runtime,
        "margin_bytes": float(e.setup.instance.accelerator.memory_bytes) - m.used,
    }


def run_terms(e: Step, times: Columns) -> Columns:
    """FLOPs, utilisation, rates, checkpoint and energy. times: `time_terms`, by which nodes draw power."""
    arch, instance, step = e.setup.model.arch, e.setup.instance, e.times.step
    tokens, seq = float(e.setup.workload.tokens_per_step), e.setup.workload.seq_len
    model_flop = flops.model_flop_per_token(arch, seq) * tokens
    again = e.rows.recomputed * flops.layer_forward_flop(arch, seq)
    hardware_flop = model_flop + tokens * again
    gpus = e.rows.gpus
    peak, nodes = gpus * e.setup.model.rates.bf16_peak_flop_per_s, gpus / instance.gpus
    power = nodes * energy.step_power_w(instance, times | {"step_s": step})
    rate = tokens / step
    size = checkpoint.checkpoint_bytes(arch)
    return {
        "model_flop": np.asarray(model_flop),
        "hardware_flop": hardware_flop,
        "mfu": model_flop / (step * peak),
        "hfu": hardware_flop / (step * peak),
        "tokens_per_s": rate,
        "tokens_per_s_per_gpu": rate / gpus,
        "checkpoint_bytes": np.asarray(size),
        "checkpoint_save_s": checkpoint.save_s(size, nodes * instance.member_count),
        "power_w": power,
        "wh_per_million_tokens": energy.wh_per_million_tokens(power, rate),
    }
