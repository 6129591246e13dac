"""Predict prepared rows. Rows of one model, instance type, framework and batch are evaluated together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
import numpy.typing as npt

from fmctl.base.copies import changed
from fmctl.domain.framework import Framework
from fmctl.domain.layout import Layouts, Recompute
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.ops.calibration import PRIOR, Calibration
from fmctl.perf.train.evaluate import evaluate, step_times
from fmctl.validation.cases import Case, Skipped, case
from fmctl.validation.frameworks import Changes
from fmctl.validation.rows import Row
from fmctl.validation.unmodelled import frozen_terms, offloaded_terms

Prepared = Case | Skipped
NEEDED = ("step_s", "tokens_per_s_per_gpu", "allocated_bytes", "reserved_bytes")


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A case with its terms (domain.terms.TERMS, one value each, and `first_stage_bytes`)."""

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
        """Peak memory as the row's logger counts it: allocated, or reserved on the fullest or first stage."""
        measured = self.case.measured
        first = measured.first_stage and measured.memory_kind == "reserved"
        return self.terms["first_stage_bytes" if first else f"{measured.memory_kind}_bytes"]

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
            groups[_together(p)].append(i)
    for members in groups.values():
        cases = [p for i in members if isinstance(p := prepared[i], Case)]
        for i, p, terms in zip(members, cases, _terms(cases, calibration, frameworks), strict=True):
            finite = all(isfinite(terms[name]) and terms[name] > 0.0 for name in NEEDED)
            answers[i] = Prediction(p, terms) if finite else Skipped(p.row, "its numbers are beyond the model", True)
    return [answer for answer in answers if answer is not None]


def step_s(
    cases: Sequence[Case], calibration: Calibration, frameworks: Mapping[str, Framework]
) -> npt.NDArray[np.float64]:
    """Step times of cases that train all weights, s, shape [len(cases)]: the same numbers as `predict`, faster."""
    seconds = np.empty(len(cases))
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i, p in enumerate(cases):
        groups[_together(p)].append(i)
    for members in groups.values():
        first = cases[members[0]]
        profile = changed_profile(frameworks[first.profile], first.changes)
        layouts = Layouts.of([cases[i].layout for i in members])
        seconds[members] = step_times(first.arch, first.workload, first.instance, layouts, profile, calibration)
    return seconds


def _together(p: Case) -> tuple[object, ...]:
    """What rows must share to be evaluated in one call."""
    return (id(p.arch), id(p.instance), p.profile, p.changes, p.workload.seq_len, p.workload.global_batch)


def _terms(
    cases: Sequence[Case], calibration: Calibration, frameworks: Mapping[str, Framework]
) -> list[dict[str, float]]:
    """Terms of cases that differ in their layouts alone."""
    first = cases[0]
    profile = changed_profile(frameworks[first.profile], first.changes)
    layouts = Layouts.of([c.layout for c in cases])
    terms = evaluate(first.arch, first.workload, first.instance, layouts, profile, calibration)
    first_stage = np.broadcast_to(terms["first_stage_bytes"], (len(cases),))
    rows = [terms.row(i) | {"first_stage_bytes": float(first_stage[i])} for i in range(len(cases))]
    if any(c.frozen for c in cases):
        kept = Layouts.of([replace(c.layout, recompute=max(c.layout.recompute, Recompute.SELECTIVE)) for c in cases])
        lean = evaluate(first.arch, first.workload, first.instance, kept, profile, calibration)
        rows = [frozen_terms(rows[i], lean.row(i), c) if c.frozen else rows[i] for i, c in enumerate(cases)]
    return [offloaded_terms(row, c.offloaded) if c.offloaded else row for row, c in zip(rows, cases, strict=True)]


def changed_profile(profile: Framework, changes: Changes) -> Framework:
    """`profile` with some fields set, or multiplied where the name ends in *."""
    fields: dict[str, float] = {}
    for name, value in changes:
        bare = name.rstrip("*")
        fields[bare] = value * getattr(profile, bare) if name.endswith("*") else value
    return changed(profile, fields)
