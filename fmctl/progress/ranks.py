"""Ranks against each other: who writes a step late, and whose own steps are slow."""

from __future__ import annotations

from collections import OrderedDict
from statistics import median

from fmctl.domain.logged import Record

_MOST_RANKS = 1 << 17
_STEPS_HELD = 16


class Ranks:
    """Running means by rank. A step's first record is what its others are late against."""

    def __init__(self) -> None:
        self._first_at: OrderedDict[int, float] = OrderedDict()
        self._late: dict[int, tuple[int, float]] = {}
        self._steps: dict[int, tuple[int, float]] = {}

    def add(self, item: Record) -> None:
        """One record of a rank; others count for nothing here."""
        if item.rank is None or (item.rank not in self._late and len(self._late) >= _MOST_RANKS):
            return
        count, total = self._late.get(item.rank, (0, 0.0))
        if item.at is not None:
            first = self._first_at.get(item.step)
            if first is None or item.at < first:
                self._first_at[item.step] = first = item.at
                if len(self._first_at) > _STEPS_HELD:
                    self._first_at.popitem(last=False)
            count, total = count + 1, total + item.at - first
        self._late[item.rank] = (count, total)
        if item.step_s is not None:
            steps, held = self._steps.get(item.rank, (0, 0.0))
            self._steps[item.rank] = (steps + 1, held + item.step_s)

    def late_s(self) -> dict[int, float]:
        """Mean time behind the first to write the same step, by rank, s."""
        return {rank: total / count for rank, (count, total) in sorted(self._late.items()) if count}

    def slowest(self) -> tuple[int | None, float | None]:
        """(rank with the longest mean step, that over the median rank's minus 1); (None, None) below two ranks."""
        means = {rank: total / count for rank, (count, total) in self._steps.items()}
        if len(means) < 2:
            return None, None
        rank = max(means, key=lambda one: (means[one], -one))
        return rank, means[rank] / median(means.values()) - 1.0
