"""Predict prepared rows. Rows of one model, instance type, framework and batch are evaluated together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fmctl.domain.framework import Framework
from fmctl.domain.layout import Layouts
from fmctl.perf.calibration import PRIOR, Calibration
from fmctl.perf.evaluate import evaluate
from fmctl.perf.frameworks import FRAMEWORKS
from fmctl.validation.cases import Case, Skipped, case
from fmctl.validation.frozen import frozen_terms
from fmctl.validation.rows import Row

Prepared = Case | Skipped


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A case with its terms (domain.result.TERMS, one value each)."""

    case: Case
    terms: Mapping[str, float]

    @property
    def tokens_per_s_per_gpu(self) -> float:
        """Predicted throughput of one GPU, tokens/s."""
        return self.terms["tokens_per_s_per_gpu"]

    @property
    def interval(self) -> tuple[float, float]:
        """The 80 % interval of the throughput, tokens/s per GPU."""
        tokens = self.case.workload.tokens_per_step / self.case.layout.gpus
        return tokens / self.terms["step_high_s"], tokens / self.terms["step_low_s"]

    @property
    def memory_bytes(self) -> float:
        """Peak memory as the row's logger counts it: allocated, or reserved by the allocator."""
        return self.terms[f"{self.case.measured.memory_kind}_bytes"]

    @property
    def fits(self) -> bool:
        """Whether reserved memory, context and NCCL stay inside the device."""
        return self.terms["margin_bytes"] >= 0.0


def prepare(rows: Iterable[Row]) -> list[Prepared]:
    """Rows made ready, or skipped with a reason; in order."""
    return [case(row) for row in rows]


def predict(
    prepared: Sequence[Prepared],
    calibration: Calibration = PRIOR,
    frameworks: Mapping[str, Framework] = FRAMEWORKS,
) -> list[Prediction | Skipped]:
    """Predictions in the order of `prepared`; what was skipped stays skipped."""
    answers: list[Prediction | Skipped | None] = [p if isinstance(p, Skipped) else None for p in prepared]
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i, p in enumerate(prepared):
        if isinstance(p, Case):
            key = (id(p.arch), id(p.instance), p.profile, p.changes, p.workload.seq_len, p.workload.global_batch)
            groups[key].append(i)
    for members in groups.values():
        cases = [p for i in members if isinstance(p := prepared[i], Case)]
        for i, terms in zip(members, _terms(cases, calibration, frameworks), strict=True):
            done = prepared[i]
            assert isinstance(done, Case)
            answers[i] = Prediction(done, terms)
    return [answer for answer in answers if answer is not None]


def _terms(
    cases: Sequence[Case], calibration: Calibration, frameworks: Mapping[str, Framework]
) -> list[dict[str, float]]:
    """Terms of cases that differ in their layouts alone."""
    first = cases[0]
    changed: dict[str, Any] = dict(first.changes)
    profile = replace(frameworks[first.profile], **changed)
    layouts = Layouts.of([c.layout for c in cases])
    terms = evaluate(first.arch, first.workload, first.instance, layouts, profile, calibration)
    rows = [terms.row(i) for i in range(len(cases))]
    return [frozen_terms(row, c) if c.frozen else row for row, c in zip(rows, cases, strict=True)]
