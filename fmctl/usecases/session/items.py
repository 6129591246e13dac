"""What the screens ask and what they are answered, as plain values.

`Confirm` is asked once, before anything is made or destroyed: it sees the cluster's name and what a person has to read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from fmctl.base.errors import FmctlError

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.progress.curves import Point
    from fmctl.report.view import Answer

Confirm = Callable[[str, str], bool]
Say = Callable[[str], None]
Wanted = Mapping[str, str]
"""Options of `launch` by name, as typed: site, row, cluster_name, capacity, reservation, max_hours, ..."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a log has gained, whole lines; `mark` is where to go on."""

    lines: tuple[str, ...]
    mark: int = 0
    at: datetime | None = None  # of the newest line, where the log says it


@dataclass(frozen=True, slots=True)
class Measured:
    """A run so far: the answer of `progress`, and its steps as a curve."""

    answer: Answer
    points: tuple[Point, ...]
    command: Sequence[str] = ()  # that prints the same


@dataclass(frozen=True, slots=True)
class Told:
    """What a Prometheus says of a cluster."""

    power_w: float | None = None  # of all GPUs
    alerts: tuple[tuple[str, str, str], ...] = field(default=())  # (state, name, words)


@dataclass(frozen=True, slots=True)
class Question:
    """What the planner is asked: `options` by their names on the command line, values as they were typed.

    `kind` is plan or estimate. A new question ends the one before it on the same `channel`, and no other.
    """

    kind: str
    model: str
    options: Mapping[str, str] = field(default_factory=dict)
    channel: str = "plan"


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error as a person reads it: what happened, why, what to do next; `code` as in `fmctl.base.errors`."""

    what: str
    why: str | None = None
    next: str | None = None
    code: str = "failed"

    @classmethod
    def of(cls, error: BaseException) -> Trouble:
        """Any exception as a sentence; one that nobody meant to raise is called internal."""
        if isinstance(error, FmctlError):
            return cls(error.what, error.why, error.next, error.code)
        text = " ".join(str(error).split())[:200]
        return cls(f"internal error: {type(error).__name__}", text or None, "see the log; report it", "internal")

    def sentence(self) -> str:
        """All of it in one line."""
        parts = [self.what, f"({self.why})" if self.why else "", f"next: {self.next}" if self.next else ""]
        return " · ".join(filter(None, (" ".join(filter(None, parts[:2])), parts[2])))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer so far (`last` False) or in full; `document` and `trouble` may both be there: nothing fits, and why.

    `done` of `total` clusters are searched.
    """

    number: int
    document: PlanOrEstimate | None = None
    trouble: Trouble | None = None
    done: int = 0
    total: int = 0
    last: bool = True


Partly = Callable[["PlanOrEstimate | None", int, int], None]
"""Hears a document so far, and how many of how many clusters are searched."""
Cancelled = Callable[[], bool]
Found = tuple["PlanOrEstimate | None", Trouble | None]
