"""A Capacity Block in a calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Block:
    """One place in the calendar, bought as one block per entry of `sizes` (side by side, over 64 instances)."""

    start: datetime  # with end: paid for
    end: datetime
    usable_until: datetime  # instances are sure to run
    save_by: datetime  # the last checkpoint begins
    buy_from: datetime  # on offer from then on (AWS offers blocks eight weeks ahead)
    usable_h: float
    sizes: tuple[int, ...]

    @property
    def days(self) -> int:
        """Duration."""
        return (self.end - self.start).days
