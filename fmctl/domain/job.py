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
    """One job. state: RUNNING, PENDING, ...; flags: what else its state says (REQUEUED, COMPLETING, ...).

    reason: Slurm's own word for why it waits, "" where it does not. nodes: a host list. limit_min: None where there is
    none. exit_code: None before the end. output: with %j where the version leaves it in. comment: fmctl's token.
    """

    id: int
    name: str
    state: str
    flags: tuple[str, ...] = ()
    reason: str = ""
    nodes: str = ""
    node_count: int = 0
    user: str = ""
    submitted: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    restarts: int = 0
    exit_code: int | None = None
    output: str = ""
    folder: str = ""
    comment: str = ""

    @property
    def over(self) -> bool:
        """Whether it will not run again."""
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class SlurmNode:
    """One node. state: IDLE, ALLOCATED, MIXED, DOWN, ...; flags: DRAIN, CLOUD, NOT_RESPONDING, POWERING_UP, ...

    reason: what is written beside a node that is down or drained; reason_at: since when.
    """

    name: str
    state: str
    flags: tuple[str, ...] = ()
    reason: str = ""
    reason_at: datetime | None = None
