"""What a micro batch takes at least: its layers and ends, whatever the pipeline, the sharding and the network add.

Costs a table per combination of layer fields and no work per candidate, so that a search can leave out what cannot win.
"""

from __future__ import annotations

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance
from fmctl.domain.layout import Layouts
from fmctl.domain.model import ModelArch
from fmctl.domain.result import FloatArray
from fmctl.domain.workload import Workload
from fmctl.perf.ops.calibration import Calibration
from fmctl.perf.ops.collectives import fabric_rates
from fmctl.perf.ops.columns import unique
from fmctl.perf.ops.kernels import kernel_rates
from fmctl.perf.train.composition import LAYER_FIELDS, combos, weighted
from fmctl.perf.train.layers import Model, end_table, kind_table, tensor_times


def micro_batch_s(
    arch: ModelArch,
    workload: Workload,
    instance: Instance,
    layouts: Layouts,
    framework: Framework,
    calibration: Calibration,
) -> tuple[FloatArray, FloatArray]:
    """(T, F) of one micro batch over all stages, s, shape [n]: everything without recomputation; forward of the layers.

    T = sum over kinds n (forward + backward) + embedding + logits, F = sum over kinds n forward, with n the main
    layers of a kind. Source: the terms of perf.composition without selective recomputation, MTP layers and what
    happens once per step, all of which only add. Valid: any layout; recompute, pp and dp are not looked at
    but for what they cost the host.
    """
    rates = kernel_rates(instance.accelerator, framework.attention_kernel, calibration, framework.attention_share)
    model = Model(arch, rates, fabric_rates(instance.fabric), framework, calibration)
    by_layer = unique(layouts, (*LAYER_FIELDS, *(("pp", "dp") if framework.host_rank_s else ())))
    c = combos(by_layer.layouts, workload.seq_len, instance.fabric.domain_gpus)
    tensor = tensor_times(model, c)
    kinds = [kind_table(model, kind, c, tensor) for kind in arch.kinds]
    counts = [np.asarray(float(n)) for n in arch.kind_counts()]
    forward = weighted(counts, [k.forward_s for k in kinds])
    ends = end_table(model, c, tensor)
    logits = (1.0 + arch.mtp_layers) * (ends.logits_forward_s + ends.logits_backward_s)
    whole = forward + weighted(counts, [k.backward_s for k in kinds]) + (ends.embedding_s + logits)
    return by_layer.gather(whole), by_layer.gather(forward)


def step_floor_s(
    whole_s: FloatArray, micro_batches: FloatArray, pp: FloatArray, bubble_share: FloatArray
) -> FloatArray:
    """Lower bound of a step, s, shape [n]: T / p x (g + b).

    Proof: the slowest of p stages takes S >= T / p. 1F1B (v = 1) and interleaved schedules take g S + (T - S) / v =
    S (g - 1 / v) + T / v, which grows with S since g >= 1 >= 1 / v; at S = T / p it is the bound with b = (p - 1) / v.
    Zero-bubble schedules take at least g S: b = 0. All other terms of a step are not negative.

    whole_s: T with what is recomputed; micro_batches: g; pp: p; bubble_share: b. Source: perf.schedule. Valid: all.
    """
    floor: FloatArray = whole_s / pp * (micro_batches + bubble_share)
    return floor
