"""A line of a bill."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one run. usd None: unknown, `why` says why."""

    name: str
    item: str
    quantity: float | None
    unit: str
    rate_usd: float | None
    usd: float | None
    idle_usd: float | None  # the part that buys no training
    why: str
    date: str
    source: str
    # at the rate of the region whose prices are on file, where that of the run's region is unknown
    indicative_usd: float | None
