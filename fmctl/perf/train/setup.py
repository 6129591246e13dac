"""What the layouts of one evaluation share, and its tables by combination of the fields that a layer depends on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance
from fmctl.domain.layout import IntArray, Layouts
from fmctl.domain.model import ModelArch
from fmctl.domain.result import FloatArray
from fmctl.domain.workload import TrainingWorkload
from fmctl.perf.layer.operations import hidden_collectives
from fmctl.perf.layer.shapes import Combos
from fmctl.perf.ops.calibration import Calibration
from fmctl.perf.ops.collectives import fabric_rates
from fmctl.perf.ops.columns import Unique, code_column, column, unique
from fmctl.perf.ops.kernels import kernel_rates
from fmctl.perf.train.layers import EndTable, LayerTime, end_table, layer_time
from fmctl.perf.train.passes import Clock, Model

LAYER_FIELDS = (
    "tp", "cp", "ep", "etp", "micro_batch", "sequence_parallel", "recompute", "precision", "cp_comm", "dispatcher",
    "cuda_graph",
)  # fmt: skip


@dataclass(slots=True, eq=False, repr=False)
class Setup:
    """What all layouts of one evaluation share."""

    model: Model
    workload: TrainingWorkload
    instance: Instance


@dataclass(slots=True, eq=False, repr=False)
class LayerTables:
    """Times per micro batch of each layer kind and of the ends, [U]; `by` gathers them for every row."""

    by: Unique
    combos: Combos
    kinds: list[LayerTime]
    ends: EndTable

    def gather(self, values: FloatArray) -> FloatArray:
        """Values per combination for every row."""
        return self.by.gather(values)


def setup(
    arch: ModelArch, workload: TrainingWorkload, instance: Instance, framework: Framework, calibration: Calibration
) -> Setup:
    """Rates of the kernels and of the fabric for one model, workload and instance type."""
    rates = kernel_rates(instance.accelerator, framework.attention_kernel, calibration, framework.attention_share)
    return Setup(Model(arch, rates, fabric_rates(instance.fabric), framework, calibration), workload, instance)


def layer_tables(s: Setup, layouts: Layouts) -> LayerTables:
    """Times of the layers for each combination that occurs in `layouts`."""
    model = s.model
    # Other fields matter to a layer only where collectives beside a pipeline cost the host more.
    depth = ("pp", "dp") if model.framework.host_rank_s else ()
    by = unique(layouts, (*LAYER_FIELDS, *depth))
    c = combos(by.layouts, s.workload.seq_len, s.instance.fabric.domain_gpus)
    hidden, clock = hidden_collectives(model.arch, c), Clock(model, c)
    kinds = [layer_time(clock, kind, hidden) for kind in model.arch.kinds]
    return LayerTables(by, c, kinds, end_table(clock, hidden))


def combos(layouts: Layouts, seq_len: int, domain_gpus: int) -> Combos:
    """Layer-level columns of `layouts` as float64 of shape [U]."""
    tp, cp, batch = column(layouts, "tp"), column(layouts, "cp"), column(layouts, "micro_batch")
    sp = column(layouts, "sequence_parallel")
    tokens = batch * seq_len / cp
    pp = column(layouts, "pp")
    apart = (pp > 1) & (tp * pp * cp * column(layouts, "dp") > domain_gpus)
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


def weighted(counts: list[FloatArray], values: list[FloatArray]) -> FloatArray:
    """Sum over layer kinds of layers x value, shape [n]."""
    total = counts[0] * values[0]
    for count, value in zip(counts[1:], values[1:], strict=True):
        total = total + count * value
    return total


def picked(index: IntArray, per_slot: list[FloatArray]) -> FloatArray:
    """Of each row the value of the stage slot that `index` names."""
    values = per_slot[0]
    for slot in range(1, len(per_slot)):
        values = np.where(index == slot, per_slot[slot], values)
    return values
