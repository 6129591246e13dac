"""Slurm's jobs and nodes as fmctl sees them, whatever version wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

OVER = frozenset({
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT",
})  # fmt: skip
"""States of a job that will not run again (a requeued one is PENDING)."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job, as Slurm of any version knows it."""

    id: int
    name: str
    state: str  # RUNNING, PENDING, ...
    flags: tuple[str, ...] = ()  # what else its state says (REQUEUED, COMPLETING, ...)
    reason: str = ""  # Slurm's own word for why it waits, "" where it does not
    nodes: str = ""  # a host list
    node_count: int = 0
    user: str = ""
    submitted: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    restarts: int = 0
    exit_code: int | None = None  # None before the end
    output: str = ""  # with %j where the version leaves it in
    folder: str = ""
    comment: str = ""  # fmctl's token

    @property
    def over(self) -> bool:
        """Whether it will not run again."""
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class SlurmNode:
    """One node, as Slurm of any version knows it."""

    name: str
    state: str  # IDLE, ALLOCATED, MIXED, DOWN, ...
    flags: tuple[str, ...] = ()  # DRAIN, CLOUD, NOT_RESPONDING, POWERING_UP, ...
    reason: str = ""  # what is written beside a node that is down or drained
    reason_at: datetime | None = None  # since when
