"""What is known of a run beside its log: metrics of its nodes, and what its cluster has cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from fmctl.base.built import built
from fmctl.domain.hardware import Instance
from fmctl.observe.measured import Measured
from fmctl.perf.run.energy import node_w_by_gpus
from fmctl.progress.compare import Compared, compare
from fmctl.progress.evidence import Evidence, evidence_of
from fmctl.progress.state import Progress

if TYPE_CHECKING:
    from fmctl.domain.rows.results import EstimateRow

BY_GPUS = "GPUs metered; hosts, fans and supplies by the model of energy"


@dataclass(frozen=True, slots=True)
class Known:
    """None: not asked, or not known."""

    measured: Measured | None = None
    spent_usd: float | None = None  # on the whole cluster until the log's end
    usd_per_h: float | None = None  # what it costs on
    ends_at: float | None = None  # when the capacity is taken away, s since 1970
    warnings: tuple[str, ...] = ()  # what could not be had, and why

    def all_warnings(self) -> tuple[str, ...]:
        """Of metrics too."""
        return self.warnings + (() if self.measured is None else self.measured.warnings)


NOTHING = Known()


def figures_of(row: EstimateRow, found: Progress, instance: Instance, known: Known) -> tuple[Compared, ...]:
    """Every figure of a row beside its measurement. Power is of whole nodes: what is metered of them is said."""
    power_w = _power_w(row, instance, known.measured)
    figures = compare(row, found, power_w, known.spent_usd, instance.accelerator.architecture, known.usd_per_h)
    if power_w is None:
        return figures
    return tuple(replace(one, why=BY_GPUS) if one.name == "power_w" else one for one in figures)


def evidence(row: EstimateRow, found: Progress, known: Known) -> Evidence:
    """Of log, plan and metrics together."""
    base = evidence_of(found, row)
    return base if known.measured is None else built(partial(replace, base), known.measured.values)


def _power_w(row: EstimateRow, instance: Instance, measured: Measured | None) -> float | None:
    if measured is None or measured.gpu_power_w is None:
        return None
    nodes = float(row["gpus"]) / instance.gpus
    return nodes * node_w_by_gpus(instance, measured.gpu_power_w / nodes)
