"""The figures that decide whether the predictions are good enough: each with its goal, what was found, met or not.

Found from flat records (`records`), a fit that left whole sources out (`fit.Fitted`), and kernel and collective tables
(`tables`). `tests/budget/fidelity.py` prints them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmctl.validation.fit import Fitted
from fmctl.validation.rows import Row
from fmctl.validation.score import errors, over_families
from fmctl.validation.summary import coverage, fits, intervals, order, throughput
from fmctl.validation.tables import Scored, together

if TYPE_CHECKING:
    from fmctl.validation.records import Record

MEMORY_GOALS: Mapping[str, tuple[tuple[str, ...], float]] = {
    "Megatron, settings stated": (("simumax",), 0.015),
    "nanotron sweep": (("hf-ultrascale",), 0.07),
    "FSDP": (("torchtitan", "torchao", "torchtune", "kempnerforge", "composer"), 0.06),
}
TABLE_GOALS: Mapping[str, tuple[tuple[str, ...], float]] = {
    "collectives across EFA": (("EFA collective",), 0.12),
    "GEMM and attention": (("GEMM", "attention"), 0.06),
}
COVERAGE_GOAL = (0.75, 0.88)
FAMILY_OFF = 0.25  # error of a family that has to be explained


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its goal is to lie between `low` and `high` (None: open); `found` None: nothing to find it from."""

    name: str
    low: float | None
    high: float | None
    found: float | None
    share: bool = True  # said in %
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the goal is reached; never where nothing was found."""
        if self.found is None:
            return False
        return (self.low is None or self.found >= self.low) and (self.high is None or self.found <= self.high)

    @property
    def goal(self) -> str:
        """`at most 11 %`, `at least 0.78`, `75 to 88 %`."""
        if self.low is not None and self.high is not None:
            return f"{self.said(self.low, ends='')} to {self.said(self.high)}"
        return f"at most {self.said(self.high)}" if self.low is None else f"at least {self.said(self.low)}"

    def said(self, value: float | None, ends: str = " %") -> str:
        """A value as this figure is said; a dash where it is not known."""
        if value is None:
            return "-"
        return f"{value * 100:.3g}{ends}" if self.share else f"{value:.3g}"


def left_out_records(rows: Sequence[Row], records: Sequence[Record], fitted: Fitted) -> list[Record]:
    """The records that the fit saw, as constants predict them that saw no run of their source.

    The interval keeps its relative width, around that prediction.
    """
    by_line = {row.line: record for row, record in zip(rows, records, strict=True)}
    answers = []
    for case, error in zip(fitted.sample.cases, fitted.left_out, strict=True):
        record = by_line[case.row.line].copy()
        predicted = _known(record["measured_tokens_per_s_per_gpu"]) * float(np.exp(error))
        scale = predicted / _known(record["predicted_tokens_per_s_per_gpu"])
        record["interval_low_tokens_per_s_per_gpu"] = _known(record["interval_low_tokens_per_s_per_gpu"]) * scale
        record["interval_high_tokens_per_s_per_gpu"] = _known(record["interval_high_tokens_per_s_per_gpu"]) * scale
        record["predicted_tokens_per_s_per_gpu"] = predicted
        answers.append(record)
    return answers


def _known(value: float | None) -> float:
    """A value of a run that was fitted, which has them all."""
    assert value is not None
    return value


def figures(records: Sequence[Record], left_out: Sequence[Record], scored: Sequence[Scored]) -> list[Figure]:
    """Every acceptance figure, in the order in which people read them."""
    return [*_speed(left_out), *_ranked(records), *_memory(records), *_interval(left_out), *_tabled(scored)]


def families_off(records: Sequence[Record]) -> list[tuple[str, float]]:
    """Families whose median absolute error of tokens/s is above FAMILY_OFF, worst first."""
    names = sorted({r["source_family"] for r in records})
    found = [(name, _family_error([r for r in records if r["source_family"] == name])) for name in names]
    off = [(name, error) for name, error in found if error is not None and error > FAMILY_OFF]
    return sorted(off, key=lambda pair: -pair[1])


def _family_error(records: Sequence[Record]) -> float | None:
    return errors(records, "tokens_per_s_per_gpu")["median_error"]


def _speed(left_out: Sequence[Record]) -> list[Figure]:
    found = throughput(left_out)
    goals = (
        ("all families", 0.11, found["mean_family_error"]),
        ("dense", 0.09, found["dense_mean_family_error"]),
        ("MoE", 0.18, found["moe_mean_family_error"]),
    )
    return [Figure(f"tokens/s, source left out: {name}", None, goal, error) for name, goal, error in goals]


def _ranked(records: Sequence[Record]) -> list[Figure]:
    ranked = order(records)
    groups = f"{ranked['groups']} groups"
    return [
        Figure("runs with a stated layout predicted", 0.97, None, coverage(records)["predicted_share"]),
        Figure("order of layouts: mean Kendall tau", 0.78, None, ranked["mean_tau"], share=False, note=groups),
        Figure("throughput lost by the layout predicted best", None, 0.015, ranked["mean_regret"], note=groups),
    ]


def _memory(records: Sequence[Record]) -> list[Figure]:
    answers = []
    for name, (families, goal) in MEMORY_GOALS.items():
        chosen = [r for r in records if r["source_family"].startswith(families)]
        total = errors(chosen, "peak_memory_bytes")
        mean = over_families(chosen, lambda rows: errors(rows, "peak_memory_bytes")["median_error"])
        note = f"{total['rows']} runs" + ("" if mean is None else f"; mean over families {mean:.1%}")
        answers.append(Figure(f"peak memory: {name}", None, goal, total["median_error"], note=note))
    outcome = fits(records)
    note = f"{outcome['recorded_fitting']} fitted, {outcome['recorded_oom']} out of memory"
    return [*answers, Figure("fitting and out of memory predicted rightly", 0.97, None, outcome["right"], note=note)]


def _interval(left_out: Sequence[Record]) -> list[Figure]:
    span = intervals(left_out)
    low, high = COVERAGE_GOAL
    return [
        Figure("80 % interval holds, source left out: rows", low, high, span["coverage_rows"]),
        Figure("80 % interval holds, source left out: families", low, high, span["coverage_families"]),
        Figure("median half width: dense", None, 0.15, span["dense_half_width"]),
        Figure("median half width: MoE", None, 0.35, span["moe_half_width"]),
    ]


def _tabled(scored: Sequence[Scored]) -> list[Figure]:
    answers = []
    for name, (kinds, goal) in TABLE_GOALS.items():
        count = sum(len(one.table.shapes) for one in scored if one.table.kind in kinds)
        found = together(scored, kinds, "shape_out")
        answers.append(Figure(f"{name}, shapes left out", None, goal, found, note=f"{count:,} rows"))
    return answers
