"""The steps of a run as a curve that never grows: neighbours are merged once there are too many points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fmctl.progress.items import Item, Job, Record

MOST = 512
"""Points kept: more than any terminal has columns."""


@dataclass(frozen=True, slots=True)
class Point:
    """So many steps up to `step`: the mean time of one, s, and its MFU (None: the job says no FLOP)."""

    step: int
    step_s: float
    mfu: float | None
    count: int = 1


class Series:
    """Takes items of a log in their order; `points` are the curve so far."""

    def __init__(self, job: Job) -> None:
        flop, peak = job.model_flop, job.peak_flop_per_s
        self._best_s = flop / peak if flop and peak else None  # what a step takes at an MFU of 1
        self._points: list[Point] = []
        self._every, self._last = 1, -1

    @property
    def points(self) -> tuple[Point, ...]:
        """The curve, oldest first."""
        return tuple(self._points)

    def add_all(self, items: Iterable[Item]) -> None:
        """Take what is a step with a time; of ranks that share a log the first that wrote it."""
        for item in items:
            if isinstance(item, Record) and item.step_s is not None and item.step != self._last:
                self._last = item.step
                self._add(Point(item.step, item.step_s, self._mfu(item.step_s)))

    def _add(self, point: Point) -> None:
        if self._points and self._points[-1].count < self._every:
            self._points[-1] = self._merged(self._points[-1], point)
        else:
            self._points.append(point)
        if len(self._points) > MOST:
            pairs = zip(self._points[::2], [*self._points[1::2], None], strict=False)
            self._points = [first if other is None else self._merged(first, other) for first, other in pairs]
            self._every *= 2

    def _merged(self, first: Point, other: Point) -> Point:
        count = first.count + other.count
        step_s = (first.step_s * first.count + other.step_s * other.count) / count
        return Point(other.step, step_s, self._mfu(step_s), count)

    def _mfu(self, step_s: float) -> float | None:
        return self._best_s / step_s if self._best_s is not None and step_s > 0 else None
