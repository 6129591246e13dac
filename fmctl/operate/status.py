"""A cluster as AWS has it and as the store remembers it, with what to do next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fmctl.base.errors import FmctlError, UnknownName
from fmctl.domain.end import End
from fmctl.domain.ports import Identity, Leftover, Node
from fmctl.operate import actions
from fmctl.operate.actions import Actual
from fmctl.operate.records import Record, check_name, cluster_names, read_record
from fmctl.operate.state import locks
from fmctl.operate.steps import Ports, Run, at, identity_in
from fmctl.operate.teardown import went
from fmctl.targets.target import Condition, State

_RECENT = timedelta(minutes=30)  # of scaling logs that explain nodes missing now
_AT_A_TIME = 8  # clusters that are looked at together
_LATE = timedelta(minutes=15)  # after its end in which a deletion may still be on its way


@dataclass(frozen=True, slots=True)
class Status:
    """A cluster as AWS has it and as the store remembers it."""

    name: str
    condition: Condition
    record: Record | None
    state: State | None
    end: End | None
    nodes: tuple[Node, ...]
    up_h: float  # hours from its creation until now, or until it went; what it cost is at most that times its lines
    locked_by: str
    unsettled: tuple[str, ...]  # actions that were begun and whose outcome nobody recorded
    next: str  # what to do
    # what is wrong: an end that would not come, nodes that are missing, a cluster that is not the recorded one
    trouble: str = ""
    over: bool = False  # whether it went by itself since it was launched
    leftovers: tuple[Leftover, ...] = field(default=())  # what is left of a cluster that went by itself
    warnings: tuple[str, ...] = ()

    @property
    def spent_usd(self) -> float | None:
        """USD so far, at most: all lines whose price is known, all nodes, since the stack began."""
        hourly = self.record.hourly_usd if self.record is not None else None
        return None if hourly is None else hourly * self.up_h

    @property
    def cap_usd(self) -> float | None:
        """USD at the end."""
        return self.record.cap_usd if self.record is not None else None


def statuses(
    records: Sequence[Record], unread: Sequence[str], reach: Callable[[str], Ports]
) -> dict[str, Status | FmctlError]:
    """Of each cluster what is found, or why it could not be looked at; several at a time, and none stops another.

    Args:
        records: of those whose record can be read.
        unread: names of those whose record cannot.
        reach: the world of each. May raise FmctlError.
    """

    def one(name: str, record: Record | None) -> Status | FmctlError:
        try:
            return _status(name, reach(name), record, [])
        except FmctlError as error:
            return error

    wanted: dict[str, Record | None] = {record.name: record for record in records}
    wanted |= dict.fromkeys(unread)
    if len(wanted) < 2:
        return {name: one(name, record) for name, record in wanted.items()}
    with ThreadPoolExecutor(_AT_A_TIME) as lookers:
        return dict(zip(wanted, lookers.map(one, wanted, wanted.values()), strict=True))


def status(name: str, ports: Ports) -> Status:
    """A cluster as it is now. Raises UnknownName where neither the store nor AWS knows it."""
    check_name(name)
    warnings: list[str] = []
    record: Record | None = None
    try:
        record = read_record(ports.store, name)
    except FmctlError as error:
        warnings.append(f"{error.what} ({error.why}): what AWS says counts")
    return _status(name, ports, record, warnings)


def _status(name: str, ports: Ports, record: Record | None, warnings: list[str]) -> Status:
    who = identity_in(ports, record.region if record else None, record.account if record else None, name)
    run = Run(ports, name, who.region, whatever=True)
    actual = run.actual()
    unsettled = tuple(sorted(run.progress.open))
    if record is None and actual == Actual() and not unsettled and not warnings:
        raise UnknownName("cluster", name, cluster_names(ports.store), next="fmctl status")
    now, clock = actions.condition(actual.state), ports.clock.now()
    other = record is not None and actual.state is not None and not record.is_of(actual.state)
    mine = None if other else record
    over = actual.state is None and mine is not None and mine.state not in ("gone", "deleting") and bool(mine.created)
    trouble, do_next = _foreign(name) if other else _promise(name, now, actual, clock, record)
    if not trouble and not do_next:
        trouble, do_next = _trouble(name, mine, actual, ports)
    if run.journal.damaged:
        warnings.append(run.journal.repaired)
    if actual.end is not None and actual.end.unseen:
        warnings.append(f"of the end of {name} it is not known {actual.end.unseen}")
    return Status(
        name=name,
        condition=now,
        record=mine,
        state=actual.state,
        end=actual.end,
        nodes=actual.nodes,
        up_h=_up_h(actual.state, mine, over, who, ports),
        locked_by=locks.holder_of(ports.store, name),
        unsettled=unsettled,
        next=do_next or _next(name, now, actual, unsettled, over=over),
        trouble=trouble,
        over=over,
        leftovers=_left(name, ports, warnings) if over else (),
        warnings=tuple(warnings),
    )


def _up_h(state: State | None, record: Record | None, over: bool, who: Identity, ports: Ports) -> float:
    now = ports.clock.now()
    began = state.created if state is not None else record.created if over and record is not None else None
    if began is None:
        return 0.0
    if over and record is not None:
        now = went(record, who, ports) or min(record.end, now)
    return max((now - began).total_seconds(), 0.0) / 3600


def _left(name: str, ports: Ports, warnings: list[str]) -> tuple[Leftover, ...]:
    try:
        return ports.target.leftovers(name)
    except FmctlError as error:
        warnings.append(f"what is left of {name} could not be listed: {error.what}: {error.why or ''}".rstrip(": "))
        return ()


def _foreign(name: str) -> tuple[str, str]:
    said = "the cluster of that name is not the one that was launched from this store: its tags or its id are others"
    return said, f"nothing here: fmctl teardown {name} in the store of whoever launched it"


def _promise(name: str, now: Condition, actual: Actual, clock: datetime, record: Record | None) -> tuple[str, str]:
    """(why a cluster's end would not come, how to mend it); nothing where it would."""
    if now not in (Condition.READY, Condition.GROWING, Condition.BROKEN):
        return "", ""
    mend = f"fmctl teardown {name}"
    if record is not None and now != Condition.BROKEN:
        mend = f"fmctl extend {name} HOURS arranges it again, or {mend}"
    if actual.end is None:
        return ("nothing will delete it by itself", mend) if now != Condition.GROWING or record is None else ("", "")
    if not actual.end.holds:
        return f"its end would not come: {actual.end.said}", mend
    if actual.end.at is not None and clock - actual.end.at > _LATE:
        return f"its end, {at(actual.end.at)}, has passed and it still is there", f"fmctl teardown {name}"
    return "", ""


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


def _next(name: str, now: Condition, actual: Actual, unsettled: tuple[str, ...], *, over: bool) -> str:
    if over:
        return f"fmctl teardown {name} removes what its end left"
    if now in (Condition.BROKEN, Condition.STUCK) or (
        now == Condition.MISSING and (actual.end or actual.nodes or unsettled)
    ):
        return f"fmctl teardown {name}"
    if now == Condition.GROWING:
        return "the same fmctl launch goes on waiting"
    known = {Condition.READY: f"fmctl watch {name}", Condition.GOING: f"fmctl teardown {name}"}
    return known.get(now, "nothing to do")
