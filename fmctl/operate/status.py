"""A cluster as AWS has it and as the store remembers it, with what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fmctl.base.errors import UnknownName
from fmctl.domain.ports import Node
from fmctl.operate import actions
from fmctl.operate.actions import Actual
from fmctl.operate.records import Record, cluster_names, read_record
from fmctl.operate.state import locks
from fmctl.operate.steps import Ports, Run, at, identity_in
from fmctl.targets.target import Condition, State

_RECENT = timedelta(minutes=30)  # of scaling logs that explain nodes missing now


@dataclass(frozen=True, slots=True)
class Status:
    """A cluster as AWS has it and as the store remembers it."""

    name: str
    condition: Condition
    record: Record | None
    state: State | None
    end: datetime | None
    nodes: tuple[Node, ...]
    up_h: float  # hours since its stack began; what it cost since is at most that times the record's lines
    locked_by: str
    unsettled: tuple[str, ...]  # actions that were begun and whose outcome nobody recorded
    next: str  # what to do
    # why nodes are missing, as the scaling logs of the last half hour tell; "" where they tell nothing
    trouble: str = ""

    @property
    def spent_usd(self) -> float | None:
        """USD so far, at most: all lines whose price is known, all nodes, since the stack began."""
        hourly = self.record.hourly_usd if self.record is not None else None
        return None if hourly is None else hourly * self.up_h

    @property
    def cap_usd(self) -> float | None:
        """USD at the end."""
        return self.record.cap_usd if self.record is not None else None


def status(name: str, ports: Ports) -> Status:
    """A cluster as it is now. Raises UnknownName where neither the store nor AWS knows it."""
    record = read_record(ports.store, name)
    identity_in(ports, record.region if record else None, record.account if record else None, name)
    run = Run(ports, name, record.region if record else "")
    actual = run.actual()
    unsettled = tuple(sorted(run.progress.open))
    if record is None and actual == Actual() and not unsettled:
        raise UnknownName("cluster", name, cluster_names(ports.store), next="fmctl status")
    now = actions.condition(actual.state)
    up_s = (ports.clock.now() - actual.state.created).total_seconds() if actual.state else 0.0
    trouble, do_next = _trouble(name, record, actual, ports)
    return Status(
        name=name,
        condition=now,
        record=record,
        state=actual.state,
        end=actual.end,
        nodes=actual.nodes,
        up_h=max(up_s, 0.0) / 3600,
        locked_by=locks.holder_of(ports.store, name),
        unsettled=unsettled,
        next=do_next or _next(name, now, actual, unsettled),
        trouble=trouble,
    )


def _trouble(name: str, record: Record | None, actual: Actual, ports: Ports) -> tuple[str, str]:
    """(why nodes are missing, what to do), out of the scaling logs, which are read only where any are."""
    running = sum(node.role == "compute" and node.state in ("pending", "running") for node in actual.nodes)
    growing = actions.condition(actual.state) in (Condition.READY, Condition.GROWING)
    if record is None or not growing or running >= record.nodes:
        return "", ""
    found = ports.target.trouble(name, ports.clock.now() - _RECENT)
    if found is None:
        return "", ""
    error = found.error
    return f"{error.what} ({at(found.at)}: {error.why})", error.next or ""


def _next(name: str, now: Condition, actual: Actual, unsettled: tuple[str, ...]) -> str:
    if now in (Condition.BROKEN, Condition.STUCK) or (
        now == Condition.MISSING and (actual.end or actual.nodes or unsettled)
    ):
        return f"fmctl teardown {name}"
    if now == Condition.READY and actual.end is None:
        return f"it has no end: fmctl teardown {name}, or fmctl extend {name} HOURS"
    if now == Condition.GROWING:
        return "the same fmctl launch goes on waiting"
    known = {Condition.READY: f"fmctl watch {name}", Condition.GOING: f"fmctl teardown {name}"}
    return known.get(now, "nothing to do")
