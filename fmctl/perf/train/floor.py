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
from fmctl.domain.workload import TrainingWorkload
from fmctl.perf.ops.calibration import Calibration
from fmctl.perf.train.setup import layer_tables, setup, weighted


def micro_batch_s(
    arch: ModelArch,
    workload: TrainingWorkload,
    instance: Instance,
    layouts: Layouts,
    framework: Framework,
    calibration: Calibration,
) -> tuple[FloatArray, FloatArray]:
    """(T, F) of one micro batch over all stages, s, shape [n]: everything without recomputation; forward of the layers.

    T = sum over kinds n (forward + backward) + embedding + logits, F = sum over kinds n forward, with n the main
    layers of a kind. Source: the terms of perf.train.step without selective recomputation, MTP layers and what
    happens once per step, all of which only add. Valid: any layout; recompute, pp and dp are not looked at
    but for what they cost the host.
    """
    tables = layer_tables(setup(arch, workload, instance, framework, calibration), layouts)
    counts = [np.asarray(float(n)) for n in arch.kind_counts()]
    forward = weighted(counts, [k.forward_s for k in tables.kinds])
    ends = tables.ends
    logits = (1.0 + arch.mtp_layers) * (ends.logits_forward_s + ends.logits_backward_s)
    whole = forward + weighted(counts, [k.backward_s for k in tables.kinds]) + (ends.embedding_s + logits)
    return tables.gather(whole), tables.gather(forward)


def step_floor_s(
    whole_s: FloatArray, micro_batches: FloatArray, pp: FloatArray, bubble_share: FloatArray
) -> FloatArray:
    """Lower bound of a step, s, shape [n]: T / p x (g + b).

    Proof: the slowest of p stages takes S >= T / p. 1F1B (v = 1) and interleaved schedules take g S + (T - S) / v =
    S (g - 1 / v) + T / v, which grows with S since g >= 1 >= 1 / v; at S = T / p it is the bound with b = (p - 1) / v.
    Zero-bubble schedules take at least g S: b = 0. All other terms of a step are not negative.

    whole_s: T with what is recomputed; micro_batches: g; pp: p; bubble_share: b.
    Source: perf.train.schedule. Valid: all.
    """
    floor: FloatArray = whole_s / pp * (micro_batches + bubble_share)
    return floor
