"""The lab's clock as a `Clock`: waiting turns it forward, so that a rehearsal of half an hour takes seconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from fmctl.adapters.lab.client import Lab

_NOT_TOO_FAST_S = 0.02


class LabClock:
    """Simulated time of a running lab.

    Args:
        lab: the lab.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def now(self) -> datetime:
        """What the lab's clock shows, in UTC."""
        return datetime.fromisoformat(str(self._lab.state()["now"])).astimezone(UTC)

    def sleep(self, seconds: float) -> None:
        """Turn the lab's clock forward by so much."""
        self._lab.advance(seconds)
        time.sleep(_NOT_TOO_FAST_S)


class LabPace:
    """Simulated time that nobody turns forward: waiting takes its share of real time.

    Args:
        lab: the lab.
        speed: simulated seconds per second.
    """

    def __init__(self, lab: Lab, speed: float) -> None:
        self._lab, self._speed = lab, max(speed, 0.001)

    def now(self) -> datetime:
        """What the lab's clock shows, in UTC."""
        return datetime.fromisoformat(str(self._lab.state()["now"])).astimezone(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait so many simulated seconds."""
        time.sleep(max(seconds / self._speed, _NOT_TOO_FAST_S))
