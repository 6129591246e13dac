"""Move a running cluster's end, and arrange an end in AWS: at a launch before the first GPU, later by so many hours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fmctl.base.errors import OperationFailed, UnknownName, UsageError
from fmctl.domain.end import Whose, end_name, role_name
from fmctl.operate import actions
from fmctl.operate.actions import Actual, end_step, token
from fmctl.operate.journal import unmasked
from fmctl.operate.launchable import MOST_HOURS
from fmctl.operate.records import Record, cluster_names, read_record, write_record
from fmctl.operate.steps import Ports, Run, at, changed_meanwhile, identity_in, locked, not_ours, refuse_read_only
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
    refuse_read_only(ports, name)
    seen = _running(Run(ports, name, record.region), record)
    end, cost = _later(seen, record, hours, ports)
    if not confirm(end, cost):
        return Extended(record, done=False)
    with locked(ports, name, break_lock, who):
        record = _known(ports, name)
        run = Run(ports, name, record.region)
        actual = _running(run, record)
        if _base(actual, record) != _base(seen, record):
            raise changed_meanwhile(name, f"its end was moved to {at(_base(actual, record))}")
        state = actual.state
        assert state is not None
        boundary = record.boundary and unmasked(record.boundary, who.account)
        whole = (end - state.created).total_seconds() / 3600
        moved = replace(record, end=end, max_hours=max(record.max_hours, whole), launch=launch_of(record))
        write_record(ports.store, moved)  # first: a launch that goes on must not take a later end for a wrong clock
        arrange_end(run, end, record.spec_digest, boundary, whose_of(record, state), state)
        return Extended(moved, done=True)


def launch_of(record: Record) -> str:
    """The id of a record's launch; of one that an older fmctl launched the same each time."""
    return record.launch or token(record.name, record.spec_digest, "launch")[:16]


def whose_of(record: Record, state: State) -> Whose:
    """By whom the end of a recorded cluster is arranged."""
    return Whose(launch_of(record), state.id, () if record.launch else ("",))


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
    if not record.is_of(actual.state):
        raise not_ours(actual.state)
    if actual.end is not None and actual.end.launch not in ("", launch_of(record)):
        raise not_ours(actual.state, "its end was arranged by another launch")
    return actual


def _later(actual: Actual, record: Record, hours: float, ports: Ports) -> tuple[datetime, float | None]:
    base = max(_base(actual, record), ports.clock.now())
    cost = None if record.hourly_usd is None else record.hourly_usd * hours
    return (base + timedelta(hours=hours)).replace(microsecond=0), cost


def _base(actual: Actual, record: Record) -> datetime:
    """The end as it is: as AWS has it, else as it was arranged."""
    return (actual.end.at if actual.end is not None else None) or record.end


def _known(ports: Ports, name: str) -> Record:
    record = read_record(ports.store, name)
    if record is None:
        raise UnknownName("cluster", name, cluster_names(ports.store), next="fmctl status")
    return record


def _said(state: State | None) -> str:
    return f"its stack is {state.status}" if state else "it has no stack"


def arrange_end(
    run: Run, end: datetime, digest: str, boundary: str | None, whose: Whose, state: State | None = None
) -> None:
    """Schedule the end in AWS, and see that it would come. Raises OperationFailed where it would not.

    Args:
        run: the command.
        end: when.
        digest: of the cluster's spec.
        boundary: of the role's permissions; None for none.
        whose: the launch, and the stack that the end is bound to, once there is one.
        state: that stack.
    """
    target, name, region = run.ports.target, run.name, run.region
    role = run.do(
        "end-role",
        token(name, digest, f"end-role:{whose.stack}" if whose.stack else "end-role"),
        {"role": role_name(name, region), "region": region, "launch": whose.launch},
        lambda: target.end_role(name, boundary, whose),
    )
    assert role is not None
    step = end_step(end) + (f":{whose.stack}" if whose.stack else "")
    data = {"schedule": end_name(name), "at": end, "region": region, "stack": whose.stack}
    run.do(
        "end-schedule",
        token(name, digest, step),
        data,
        lambda: target.put_end(name, end, role, token(name, digest, step), whose),
    )
    found = run.ask(lambda: target.end(name, state))
    if found is None or not found.holds or found.at is None or abs(found.at - end) > timedelta(minutes=1):
        says = "nothing" if found is None else found.said or (at(found.at) if found.at else "nothing")
        raise OperationFailed(
            f"the end of {name} is not scheduled",
            why=f"wanted {at(end)}, AWS says {says}",
            next="nothing was created after it; the same command again",
        )
