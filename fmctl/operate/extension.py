"""Move a running cluster's end, and arrange an end in AWS: at a launch before the first GPU, later by so many hours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fmctl.base.errors import OperationFailed, UnknownName, UsageError
from fmctl.domain.end import end_name
from fmctl.operate import actions
from fmctl.operate.actions import Actual, end_step, token
from fmctl.operate.journal import masked
from fmctl.operate.launchable import MOST_HOURS
from fmctl.operate.records import Record, cluster_names, read_record, write_record
from fmctl.operate.steps import Ports, Run, at, identity_in, locked, not_ours
from fmctl.targets.target import Condition, State


@dataclass(frozen=True, slots=True)
class Extended:
    """What an extension came to: the record, with its end."""

    record: Record
    done: bool  # False where it was not confirmed


def plan_extend(name: str, hours: float, ports: Ports) -> tuple[datetime, float | None]:
    """(the end that `extend` would arrange, what the hours cost at most), without lock. Raises as `extend` does."""
    record = _extendable(name, hours, ports)
    identity_in(ports, record.region, record.account, name)
    return _later(_running(Run(ports, name, record.region), record), record, hours, ports)


def extend(
    name: str,
    hours: float,
    ports: Ports,
    *,
    confirm: Callable[[datetime, float | None], bool],
    break_lock: bool = False,
) -> Extended:
    """Move a cluster's end by so many hours, from its end as it is.

    Args:
        name: the cluster.
        hours: more than 0.
        ports: the world.
        confirm: sees the new end and what the hours cost at most in USD (None: no price known); False stops.
        break_lock: take the lock from another host.

    Raises:
        UnknownName: this store knows no such cluster.
        OperationFailed: it does not run, or is being deleted.
    """
    record = _extendable(name, hours, ports)
    who = identity_in(ports, record.region, record.account, name)
    boundary = record.boundary and record.boundary.replace(masked(who.account), who.account)
    with locked(ports, name, break_lock):
        run = Run(ports, name, record.region)
        actual = _running(run, record)
        end, cost = _later(actual, record, hours, ports)
        if not confirm(end, cost):
            return Extended(record, done=False)
        assert actual.state is not None
        whole = (end - actual.state.created).total_seconds() / 3600
        moved = replace(record, end=end, max_hours=max(record.max_hours, whole))
        write_record(ports.store, moved)  # first: a launch that goes on must not take a later end for a wrong clock
        arrange_end(run, end, record.spec_digest, boundary)
        return Extended(moved, done=True)


def _extendable(name: str, hours: float, ports: Ports) -> Record:
    if not 0 < hours <= MOST_HOURS:
        raise UsageError(
            f"cannot extend by {hours} hours", why="wanted a number above 0", next=f"fmctl extend {name} 12h"
        )
    return _known(ports, name)


def _running(run: Run, record: Record) -> Actual:
    """What there is of a cluster that runs and is the record's. Raises OperationFailed."""
    actual = run.actual()
    if actual.state is None or actions.condition(actual.state) not in (Condition.READY, Condition.GROWING):
        raise OperationFailed(f"{run.name} does not run", why=_said(actual.state), next=f"fmctl status {run.name}")
    if not actions.ours(actual.state, record.tags):
        raise not_ours(actual.state)
    return actual


def _later(actual: Actual, record: Record, hours: float, ports: Ports) -> tuple[datetime, float | None]:
    base = max(actual.end or record.end, ports.clock.now())
    cost = None if record.hourly_usd is None else record.hourly_usd * hours
    return (base + timedelta(hours=hours)).replace(microsecond=0), cost


def _known(ports: Ports, name: str) -> Record:
    record = read_record(ports.store, name)
    if record is None:
        raise UnknownName("cluster", name, cluster_names(ports.store), next="fmctl status")
    return record


def _said(state: State | None) -> str:
    return f"its stack is {state.status}" if state else "it has no stack"


def arrange_end(run: Run, end: datetime, digest: str, boundary: str | None) -> None:
    """Schedule the end in AWS, and see that it stands. Raises OperationFailed where it does not."""
    target, name = run.ports.target, run.name
    role = run.do(
        "end-role",
        token(name, digest, "end-role"),
        {"role": end_name(name)},
        lambda: target.end_role(name, boundary),
    )
    assert role is not None
    step = end_step(end)
    data = {"schedule": end_name(name), "at": end}
    run.do(
        "end-schedule",
        token(name, digest, step),
        data,
        lambda: target.put_end(name, end, role, token(name, digest, step)),
    )
    found = run.ask(lambda: target.end(name))
    if found is None or abs(found - end) > timedelta(minutes=1):
        raise OperationFailed(
            f"the end of {name} is not scheduled",
            why=f"wanted {at(end)}, AWS says {at(found) if found else 'nothing'}",
            next="nothing was created after it; the same command again",
        )
