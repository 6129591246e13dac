"""The lab's time: the machine's, times a factor, plus jumps."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Aware UTC time that runs `speed` times as fast as the machine's and can be turned forward, never back."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._start = datetime.now(UTC)
        self._mark = time.monotonic()

    @property
    def speed(self) -> float:
        """Simulated seconds per second."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._start, self._mark = self.now(), time.monotonic()
        self._speed = speed

    def now(self) -> datetime:
        """The simulated moment."""
        return self._start + timedelta(seconds=(time.monotonic() - self._mark) * self._speed)

    def jump_to(self, moment: datetime) -> None:
        """Turn to a moment; one that has passed changes nothing."""
        now = self.now()
        if moment > now:
            self._start += moment - now
