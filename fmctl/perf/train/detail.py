"""Every term of an evaluation that people read and ranking does not need, from what was already computed."""

from __future__ import annotations

import numpy as np

from fmctl.domain.result import FloatArray
from fmctl.perf.layer import flops
from fmctl.perf.run import energy
from fmctl.perf.store import checkpoint
from fmctl.perf.train.composition import Evaluation, weighted
from fmctl.perf.train.layers import COMPONENTS, TOTALS
from fmctl.perf.train.stages import LAST


def detail(e: Evaluation) -> dict[str, FloatArray]:
    """Every term of `TERMS`, and what the first stage reserves (`first_stage_bytes`), which some loggers print."""
    times = time_terms(e)
    return {**e.terms(), **times, **memory_terms(e), **run_terms(e, times)}


def _slow_layers(e: Evaluation) -> list[FloatArray]:
    return [e.pick_slowest([slot[k] for slot in e.layers]) for k in range(len(e.kinds))]


def time_terms(e: Evaluation) -> dict[str, FloatArray]:
    """Parts of the step on the slowest stage, communication totals, and the interval."""
    g, count = e.by_layer.gather, e.rows.micro_batches
    layers = _slow_layers(e)
    parts: dict[str, FloatArray] = {}
    for name in COMPONENTS:
        both = [g(k.forward_parts[name] + k.backward_parts[name]) for k in e.kinds]
        parts[name] = count * weighted(layers, both)
    again = weighted(layers, [g(k.selective_s) for k in e.kinds])
    again = again + e.rows.recomputed * weighted(layers, e.forward)
    parts["recompute_s"] = count * again
    parts["logits_s"] = np.maximum(e.steady - sum(parts.values()), 0.0)
    totals = {name: count * weighted(layers, [g(k.totals[name]) for k in e.kinds]) for name in TOTALS}
    half = _half_width(e)
    exposed = {
        "pp_exposed_s": e.sends_exposed,
        "bubble_s": e.bubble,
        "dp_exposed_s": e.data_exposed,
        "optimizer_s": e.optimizer,
        "overhead_s": np.asarray(e.overhead),
        "straggler_s": e.straggler,
    }
    return {
        **parts,
        **totals,
        **exposed,
        "pp_total_s": e.sends,
        "dp_total_s": e.data_total,
        "step_low_s": e.step / (1.0 + half),
        "step_high_s": e.step * (1.0 + half),
        **_levels(e, {**totals, "pp_total_s": e.sends, "dp_total_s": e.data_total}),
    }


def _levels(e: Evaluation, totals: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Communication time by the slowest level its group uses: EFA as soon as the group leaves an NVLink domain."""
    r, domain = e.rows, e.model.fabric.domain_gpus
    ep = e.by_layer.gather(e.combos.ep * e.combos.etp)
    reach = {
        "tp_total_s": r.tp,
        "cp_total_s": r.tp * r.cp,
        "ep_total_s": ep,
        "pp_total_s": e.gpus,
        "dp_total_s": r.tp * r.cp * r.dp,
    }
    outside = [np.where(reach[name] > domain, total, 0.0) for name, total in totals.items()]
    inside = [np.where(reach[name] > domain, 0.0, total) for name, total in totals.items()]
    ones = [np.asarray(1.0)] * len(outside)
    return {"network_s": weighted(ones, outside), "nvlink_s": weighted(ones, inside)}


def _measured(e: Evaluation) -> FloatArray:
    layers, g = _slow_layers(e), e.by_layer.gather
    measured = weighted(layers, [g(k.measured_s) for k in e.kinds])
    whole = weighted(layers, [g(k.kernel_s) for k in e.kinds])
    return np.minimum(measured / np.maximum(whole, 1e-12), 1.0)


def _half_width(e: Evaluation) -> FloatArray:
    base = e.calibration.interval_moe if e.arch.is_moe else e.calibration.interval_dense
    return base + e.calibration.interval_extrapolated * (1.0 - _measured(e))


def memory_terms(e: Evaluation) -> dict[str, FloatArray]:
    """Parts of the memory of the fullest stage."""
    g = e.by_state.gather

    def at(per_slot: list[FloatArray]) -> FloatArray:
        picked = per_slot[0]
        for slot in range(1, e.slots):
            picked = np.where(e.fullest == slot, per_slot[slot], picked)
        return picked

    # At the ends of a pipeline the loss is part of the peak, as far as it is the loss that makes it.
    last = (e.fullest == LAST) | (e.rows.pp <= 1.0)
    peak = at(e.peaks)
    logits = np.where(last, np.minimum(e.loss_bytes, peak), 0.0)
    capacity = float(e.instance.accelerator.memory_bytes)
    return {
        "weights_bytes": at([g(x) for x in e.states.weights_bytes]),
        "gradients_bytes": at([g(x) for x in e.states.gradients_bytes]),
        "optimizer_bytes": at([g(x) for x in e.states.optimizer_bytes]),
        "activations_bytes": peak - logits,
        "logits_bytes": logits,
        "buffers_bytes": e.buffers,
        "allocated_bytes": e.allocated,
        "first_stage_bytes": e.first_stage,
        "reserved_bytes": e.reserved,
        "runtime_bytes": e.runtime,
        "margin_bytes": capacity - e.used,
    }


def run_terms(e: Evaluation, times: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """FLOPs, utilisation, rates, checkpoint and energy. times: `time_terms`, by which nodes draw power."""
    tokens = float(e.workload.tokens_per_step)
    seq = e.workload.seq_len
    model_flop = flops.model_flop_per_token(e.arch, seq) * tokens
    again = e.rows.recomputed * flops.layer_forward_flop(e.arch, seq)
    hardware_flop = model_flop + tokens * again
    peak = e.gpus * e.model.rates.bf16_peak_flop_per_s
    nodes = e.gpus / e.instance.gpus
    power = nodes * energy.step_power_w(e.instance, times | {"step_s": e.step})
    rate = tokens / e.step
    size = checkpoint.checkpoint_bytes(e.arch)
    return {
        "model_flop": np.asarray(model_flop),
        "hardware_flop": hardware_flop,
        "mfu": model_flop / (e.step * peak),
        "hfu": hardware_flop / (e.step * peak),
        "tokens_per_s": rate,
        "tokens_per_s_per_gpu": rate / e.gpus,
        "checkpoint_bytes": np.asarray(size),
        "checkpoint_save_s": checkpoint.save_s(size, nodes * e.instance.member_count),
        "power_w": power,
        "wh_per_million_tokens": energy.wh_per_million_tokens(power, rate),
        "measured_fraction": _measured(e),
    }
