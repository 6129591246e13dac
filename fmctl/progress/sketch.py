"""Quantiles and running levels of a stream in constant memory."""

from __future__ import annotations

from math import ceil, exp, log

# Relative error of a quantile. With times between a microsecond and a year, at most 16,000 counters.
ACCURACY = 0.001
_GROWTH = log((1.0 + ACCURACY) / (1.0 - ACCURACY))
_SMALLEST, _LARGEST = 1e-6, 1e8


class Sketch:
    """Counts by logarithmic bins: any quantile within 0.1 %, whatever the order and number of values.

    Source: DDSketch, arXiv 1908.10693 section 2. Valid: positive values; those outside 1e-6 to 1e8 count at the ends.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self._bins: dict[int, int] = {}

    def add(self, value: float) -> None:
        """One more value; NaN and values of 0 or less are none."""
        if not value > 0.0:
            return
        kept = _SMALLEST if value < _SMALLEST else _LARGEST if value > _LARGEST else value
        index = ceil(log(kept) / _GROWTH)
        self._bins[index] = self._bins.get(index, 0) + 1
        self.count += 1
        self.total += value

    def quantile(self, share: float) -> float | None:
        """The value below which that share of the values lies, None where there are none."""
        if not self.count:
            return None
        rank, seen = share * (self.count - 1), 0
        for index in sorted(self._bins):
            seen += self._bins[index]
            if seen > rank:
                break
        return exp((index - 0.5) * _GROWTH)

    def above(self, floor: float) -> float:
        """Sum of what values exceed `floor` by."""
        values = ((exp((index - 0.5) * _GROWTH), n) for index, n in self._bins.items())
        return sum((value - floor) * n for value, n in values if value > floor)


class Level:
    """A running mean with its mean absolute deviation, both forgetting with the last hundred values or so."""

    _WEIGHT = 0.02
    _SETTLED = 50

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.deviation = 0.0

    def spikes(self, value: float, sigmas: float, share: float) -> bool:
        """Whether a value lies that many deviations, and that share, above the level; one that does moves it little."""
        above = value - self.mean
        far = self.count >= self._SETTLED and above > max(sigmas * 1.25 * self.deviation, share * abs(self.mean))
        weight = max(self._WEIGHT, 1.0 / (self.count + 1)) * (0.1 if far else 1.0)
        self.deviation += weight * (abs(above) - self.deviation) if self.count else 0.0
        self.mean += weight * above
        self.count += 1
        return far
