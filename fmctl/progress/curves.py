"""The steps of a run as curves that never grow: neighbours are put together once there are too many points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from fmctl.domain.logged import Item, Job, Record

if TYPE_CHECKING:
    from fmctl.domain.rows.run import Point as PointRow

# As much as a screen can show. Twice that is where neighbours are put together.
CURVE_POINTS = 400
_CURVES = ("step_s", "tokens_per_s", "loss", "grad_norm", "memory_bytes")


@dataclass(frozen=True, slots=True)
class Point:
    """So many records up to `step`, written at `at`: the mean of each curve, None where nothing was logged."""

    step: int
    at: float | None
    step_s: float | None
    mfu: float | None  # of the mean step; None where the job says no FLOP
    tokens_per_s: float | None
    loss: float | None
    grad_norm: float | None
    memory_bytes: float | None
    count: int

    def as_dict(self) -> PointRow:
        """For documents."""
        return {
            "step": self.step, "at": self.at, "step_s": self.step_s, "mfu": self.mfu,
            "tokens_per_s": self.tokens_per_s, "loss": self.loss, "grad_norm": self.grad_norm,
            "memory_bytes": self.memory_bytes, "count": self.count,
        }  # fmt: skip


@dataclass(slots=True)
class _Bucket:
    """Neighbouring records: the last step and moment, sums of each curve, NaNs left out."""

    step: int
    at: float | None
    sums: list[float]
    counts: list[int]
    records: int = 1

    def add(self, other: _Bucket) -> None:
        self.step, self.at = other.step, other.at if other.at is not None else self.at
        self.records += other.records
        for i, (total, count) in enumerate(zip(other.sums, other.counts, strict=True)):
            self.sums[i] += total
            self.counts[i] += count


class Curves:
    """Takes a log's items in their order: at most 2 x CURVE_POINTS points, whatever its length.

    Args:
        job: whose FLOP make an MFU of a step.
    """

    def __init__(self, job: Job | None = None) -> None:
        flop, peak = (None, None) if job is None else (job.model_flop, job.peak_flop_per_s)
        self._best_s = flop / peak if flop and peak else None  # what a step takes at an MFU of 1
        self._buckets: list[_Bucket] = []
        self._each = 1  # records of a full bucket
        self._last: tuple[int, int | None] = (-1, None)  # step and rank

    def add_all(self, items: Iterable[Item]) -> None:
        """Many items; what is no step counts nothing."""
        for item in items:
            if isinstance(item, Record):
                self.add(item)

    def add(self, item: Record) -> None:
        """One more record; of ranks that share a log the first that wrote a step."""
        values = [getattr(item, name) for name in _CURVES]
        step, rank = self._last
        echo = item.step == step and item.rank != rank
        if echo or (item.step_s is None and item.loss is None and item.tokens_per_s is None):
            return
        self._last = (item.step, item.rank)
        known = [value is not None and isfinite(value) for value in values]
        sums = [float(value) if there else 0.0 for value, there in zip(values, known, strict=True)]
        new = _Bucket(item.step, item.at, sums, [int(there) for there in known])
        if self._buckets and self._buckets[-1].records < self._each:
            self._buckets[-1].add(new)
            return
        self._buckets.append(new)
        if len(self._buckets) >= 2 * CURVE_POINTS:
            self._halve()

    @property
    def points(self) -> tuple[Point, ...]:
        """The curves so far, oldest first."""
        return tuple(map(self._point, self._buckets))

    def _halve(self) -> None:
        merged = self._buckets[::2]
        for first, second in zip(merged, self._buckets[1::2], strict=True):
            first.add(second)
        self._buckets, self._each = merged, 2 * self._each

    def _point(self, one: _Bucket) -> Point:
        means = (total / count if count else None for total, count in zip(one.sums, one.counts, strict=True))
        found = dict(zip(_CURVES, means, strict=True))
        step_s = found["step_s"]
        mfu = self._best_s / step_s if self._best_s is not None and step_s else None
        return Point(one.step, one.at, mfu=mfu, count=one.records, **found)
