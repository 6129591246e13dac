"""Trying again: what may work later, how often, how long between. Never asks the wall clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fmctl.base.errors import BUSY, FmctlError, ServiceUnavailable
from fmctl.domain.ports import Clock

TRIES = 7
FIRST_S, LONGEST_S = 1.0, 30.0
T = TypeVar("T")


def passing(error: FmctlError) -> bool:
    """Whether the same call may work later: throttling, 5xx, time-outs."""
    return isinstance(error, ServiceUnavailable) or error.cause == BUSY


def pause(attempt: int, jitter: Callable[[], float]) -> float:
    """Seconds before attempt + 1: doubling, bounded, somewhere between half of it and all of it."""
    return min(FIRST_S * 2.0**attempt, LONGEST_S) * (0.5 + 0.5 * jitter())


def patiently(call: Callable[[], T], clock: Clock, jitter: Callable[[], float]) -> T:
    """What a call that changes nothing answers, asked at most TRIES times (about a minute and a half of pauses).

    Raises:
        FmctlError: the last error; one that would not pass, at once.
    """
    for attempt in range(TRIES - 1):
        try:
            return call()
        except FmctlError as error:
            if not passing(error):
                raise
            clock.sleep(pause(attempt, jitter))
    return call()
