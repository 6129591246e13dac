"""A Capacity Block in a calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Block:
    """One place in the calendar, bought as one block per entry of `sizes` (side by side, over 64 instances).

    start, end: paid for. usable_until: instances are sure to run. save_by: the last checkpoint begins. buy_from: on
    offer from then on (AWS offers blocks eight weeks ahead).
    """

    start: datetime
    end: datetime
    usable_until: datetime
    save_by: datetime
    buy_from: datetime
    usable_h: float
    sizes: tuple[int, ...]

    @property
    def days(self) -> int:
        """Duration."""
        return (self.end - self.start).days
