"""Clusters that there are or were: status, events, log lines, end, removal, history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from fmctl.base.errors import OperationFailed, UsageError
from fmctl.base.units import parse_number
from fmctl.usecases.options import Consent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmctl.domain.ports import Clock
    from fmctl.operate.actions import Action, Actual
    from fmctl.operate.records import Record
    from fmctl.operate.state import StateStore
    from fmctl.operate.steps import Ports
    from fmctl.operate.watch import Event
    from fmctl.report.view import Answer

Confirm = Callable[[str, str], bool]
"""Asked once, before anything is moved or destroyed: the cluster's name, and what a person has to read."""


def status(name: str | None, ports: Ports) -> Answer:
    """What AWS has of a cluster; of all that are not gone where no name is given."""
    from fmctl.operate.status import status as status_of

    found = [status_of(one, ports) for one in ([name] if name is not None else living(ports.store))]
    from fmctl.report.clusters import status_answer

    return status_answer(found, ports.clock.now(), f"AWS and {ports.store.where}")


def living(store: StateStore) -> list[str]:
    """Clusters of the store that are not gone."""
    from fmctl.operate.records import cluster_names, read_record

    return [name for name in cluster_names(store) if _lives(read_record(store, name))]


def _lives(record: Record | None) -> bool:
    return record is not None and record.state != "gone"


def check_there(name: str, ports: Ports) -> bool:
    """Whether AWS has its stack. Raises UnknownName, and OperationFailed where it is gone and not on its way."""
    from fmctl.operate.records import read_record
    from fmctl.operate.status import status as status_of

    record = read_record(ports.store, name)
    there = status_of(name, ports).state is not None  # an unknown name is said at once
    if not there and (record is None or record.state != "launching"):
        raise OperationFailed(f"there is nothing to watch: {name} is gone", next="fmctl history")
    return there


def events(
    name: str, ports: Ports, there: bool = False, clock: Clock | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:  # fmt: skip
    """What happens to a cluster until it is gone, or nobody watches. there: whether its stack was seen already."""
    from fmctl.operate.records import read_record
    from fmctl.operate.watch import Watch

    record = read_record(ports.store, name)
    seen = Watch(
        name, ports.target, clock or ports.clock, usd_per_h=record.usd_per_h if record else None,
        cap_usd=record.cap_usd if record else None, node_count=record.nodes if record else 0,
    )  # fmt: skip

    def over(state: str) -> bool:
        nonlocal there
        there, was = state != "", there
        return stopped() or (was and not there)

    yield from seen.events(until=over)


def log_lines(name: str, stream: str, ports: Ports, after: datetime | None = None) -> Iterator[tuple[datetime, str]]:
    """(when, line) of the streams whose name holds `stream`. Raises UnknownName."""
    from fmctl.operate.status import status as status_of

    if after is None:
        status_of(name, ports)  # an unknown name is said at once
    yield from ports.target.lines(name, stream, after)


def extend(
    name: str, hours: str, ports: Ports, consent: Consent, confirm: Callable[[datetime, float | None, float], bool]
) -> Answer:
    """Move a cluster's end by so many hours; under --dry-run where it would be.

    Args:
        name: of the cluster.
        hours: as typed, such as 6 or 6h.
        ports: the world.
        consent: whether this is a dry run, and whose lock may be taken.
        confirm: sees the new end, what the hours cost at most in USD (None: no price known), and the hours.

    Raises:
        UsageError, UnknownName, OperationFailed: nothing was moved.
    """
    from fmctl.operate import extension
    from fmctl.report.clusters import extend_answer, would_extend_answer

    more = parse_number(hours.strip().removesuffix("h"), what="HOURS")
    if consent.dry_run:
        return would_extend_answer(name, extension.plan_extend(name, more, ports)[0])
    asked = lambda end, usd: confirm(end, usd, more)  # noqa: E731
    return extend_answer(extension.extend(name, more, ports, confirm=asked, break_lock=consent.break_lock))


@dataclass(frozen=True, slots=True)
class Removal:
    """Which clusters go: one by name, or all of the store."""

    name: str | None = None
    expect: str | None = None  # how many that has to be
    region: str | None = None  # as --region

    def names(self, store: StateStore) -> list[str]:
        """The clusters that are meant. Raises UsageError where there are not as many as expected."""
        names = [self.name] if self.name is not None else living(store)
        if self.expect is not None and len(names) != int(parse_number(self.expect, what="--expect")):
            raise UsageError(f"there are {len(names)} clusters, not {self.expect}", next="fmctl status")
        return names


def teardown(
    removal: Removal,
    ports: Ports,
    consent: Consent,
    confirm: Confirm,
    before: Callable[[str], None] = lambda name: None,
) -> Answer:
    """Remove clusters and name what still costs money; under --dry-run what would go. before: called for each first."""
    from fmctl.operate.teardown import plan_teardown
    from fmctl.operate.teardown import teardown as torn_down
    from fmctl.report.clusters import actions_answer, teardown_answer, teardown_text

    names = removal.names(ports.store)
    if consent.dry_run:
        steps = [step for one in names for step in plan_teardown(one, ports, region=removal.region)[0]]
        return actions_answer("teardown", ", ".join(names) or "no cluster", steps)
    found = []
    for one in names:
        before(one)

        def asked(steps: Sequence[Action], actual: Actual, name: str = one) -> bool:
            return confirm(name, teardown_text(name, steps, actual))

        found.append(torn_down(
            one, ports, confirm=asked, region=removal.region, timeout_s=consent.timeout_s(),
            break_lock=consent.break_lock,
        ))  # fmt: skip
    return teardown_answer(found)


def history(store: StateStore) -> Answer:
    """What was launched and submitted from a store."""
    from fmctl.operate.records import read_records
    from fmctl.operate.runs import read_runs
    from fmctl.report.history import history_answer

    return history_answer(read_records(store), read_runs(store))
