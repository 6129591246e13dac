"""Clusters that there are or were: status, events, log lines, end, removal, history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from fmctl.base.errors import FmctlError, OperationFailed, UsageError
from fmctl.base.units import parse_number
from fmctl.usecases.options import Consent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fmctl.domain.ports import Clock
    from fmctl.operate.actions import Action, Actual
    from fmctl.operate.state import StateStore
    from fmctl.operate.steps import Ports
    from fmctl.operate.teardown import Torn
    from fmctl.operate.watch import Event
    from fmctl.report.view import Answer
    from fmctl.usecases.places import Places

T = TypeVar("T")
_AT_A_TIME = 8  # clusters that are torn down, or looked at, together

Confirm = Callable[[str, str], bool]
"""Asked once, before anything is moved or destroyed: the cluster's name, and what a person has to read."""


def status(name: str | None, places: Places) -> Answer:
    """What AWS has of a cluster; of all that are not gone where no name is given.

    Among many, what cannot be looked at is named and stops nothing; where nothing can be, that is the error.
    """
    from fmctl.report.clusters import status_answer

    if name is not None:
        from fmctl.operate.status import status as status_of

        ports = places.of(name)
        return status_answer([status_of(name, ports)], {}, ports.clock.now(), f"AWS and {ports.store.where}")
    from fmctl.operate.records import known_clusters
    from fmctl.operate.status import Status, statuses

    known = known_clusters(places.store)
    wanted = [one for one in known.records if one.state != "gone"]
    regions: dict[str, str | None] = {one.name: places.aws.region or one.region for one in wanted}
    regions |= dict.fromkeys(known.unread, places.aws.region)
    reach = _listed(places, regions)
    looked = statuses(wanted, tuple(known.unread), reach)
    failed = {one: found for one, found in looked.items() if not isinstance(found, Status)}
    found = [one for one in looked.values() if isinstance(one, Status)]
    if failed and not found and len(failed) == len(regions):
        raise next(iter(failed.values()))
    for one in known.unread:
        failed.pop(one, None)  # that nothing of it is there either is no news
    now = places.at(next(iter(regions.values()), None)).clock.now() if regions else places.services.now()
    return status_answer(found, failed, now, f"AWS and {places.store.where}", known.warnings)


def _listed(places: Places, regions: Mapping[str, str | None]) -> Callable[[str], Ports]:
    """The world of each cluster, in which what there is of all of its region was listed; raises what that raised."""
    from dataclasses import replace

    from fmctl.operate.overview import listing

    worlds: dict[str | None, Ports | FmctlError] = {}
    for region in dict.fromkeys(regions.values()):
        names = [name for name, its in regions.items() if its == region]
        try:
            ports = places.at(region)
            worlds[region] = replace(ports, target=listing(ports.target, names))
        except FmctlError as error:
            worlds[region] = error

    def reach(name: str) -> Ports:
        found = worlds[regions[name]]
        if isinstance(found, FmctlError):
            raise found
        return found

    return reach


def living(store: StateStore) -> tuple[list[str], tuple[str, ...]]:
    """(clusters of the store that are not gone, and those whose record cannot be read; what was passed over)."""
    from fmctl.operate.records import known_clusters

    known = known_clusters(store)
    names = sorted([*(one.name for one in known.records if one.state != "gone"), *known.unread])
    return names, known.warnings


def check_there(name: str, ports: Ports) -> bool:
    """Whether AWS has its stack. Raises UnknownName, and OperationFailed where it is gone and not on its way."""
    from fmctl.operate.status import status as status_of

    found = status_of(name, ports)  # an unknown name is said at once
    there = found.state is not None
    if not there and (found.record is None or found.record.state != "launching"):
        raise OperationFailed(f"there is nothing to watch: {name} is gone", next="fmctl history")
    return there


def events(
    name: str, ports: Ports, there: bool = False, clock: Clock | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:  # fmt: skip
    """What happens to a cluster until it is gone, or nobody watches. there: whether its stack was seen already."""
    from fmctl.operate.records import read_record
    from fmctl.operate.watch import Watch

    try:
        record = read_record(ports.store, name)
    except FmctlError:  # its price and cap are not known then; what happens to it still is
        record = None
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

    def names(self, store: StateStore) -> tuple[list[str], tuple[str, ...]]:
        """(the clusters that are meant, what of the store was passed over). Raises UsageError where they are not N."""
        names, passed = ([self.name], ()) if self.name is not None else living(store)
        if self.expect is not None and len(names) != int(parse_number(self.expect, what="--expect")):
            raise UsageError(f"there are {len(names)} clusters, not {self.expect}", next="fmctl status")
        return names, passed


def teardown(
    removal: Removal,
    places: Places,
    consent: Consent,
    confirm: Confirm,
    beside: Callable[[str], None] = lambda name: None,
) -> tuple[Answer, FmctlError | None]:
    """Remove clusters and name what still costs money; under --dry-run what would go.

    Of several, each is asked about in turn and then all go at the same time; one that cannot be removed stops no other.

    Args:
        removal: which.
        places: where they are.
        consent: what is agreed to beforehand.
        confirm: asked for each.
        beside: done for each while its head node still answers.

    Returns the answer, and the error that weighs most where one of several could not be removed.
    """
    from fmctl.operate.teardown import plan_teardown
    from fmctl.report.clusters import actions_answer
    from fmctl.report.removals import removals_answer, teardown_answer

    names, passed = removal.names(places.store)
    if consent.dry_run:
        if removal.name is not None:
            return actions_answer("teardown", removal.name, plan_teardown(
                removal.name, places.of(removal.name), region=removal.region)[0]), None  # fmt: skip
        regions = {name: places.region_of(name) for name in names}
        reach = _listed(places, regions)
        planned = _each(names, lambda one: plan_teardown(one, reach(one), region=regions[one])[0])
        return removals_answer(planned, passed), None
    asking = Lock()

    def one_of(name: str) -> Torn:
        def asked(steps: Sequence[Action], actual: Actual) -> bool:
            with asking:
                region = ports.target.identity().region
                return confirm(name, teardown_text(name, steps, actual, region, ports.clock.now()))

        from fmctl.operate.teardown import teardown as torn_down
        from fmctl.report.removals import teardown_text

        ports = places.of(name)
        return torn_down(
            name, ports, confirm=asked, region=removal.region, timeout_s=consent.timeout_s(),
            break_lock=consent.break_lock, beside=lambda: beside(name),
        )  # fmt: skip

    if removal.name is not None:
        return teardown_answer({removal.name: one_of(removal.name)}), None
    found = _each(names, one_of)
    errors = [one for one in found.values() if isinstance(one, FmctlError)]
    return teardown_answer(found, passed), max(errors, key=lambda error: error.exit_code, default=None)


def _each(names: Sequence[str], call: Callable[[str], T]) -> dict[str, T | FmctlError]:
    """What comes of each, or its error, several at a time; nobody waits for what is left where this is interrupted."""
    from queue import Empty, SimpleQueue
    from threading import Thread

    waiting: SimpleQueue[str] = SimpleQueue()
    found: dict[str, T | FmctlError] = {}
    for name in names:
        waiting.put(name)

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except Empty:
                return
            try:
                found[name] = call(name)
            except FmctlError as error:
                found[name] = error
            except Exception as error:  # a fault of ours in one keeps no other from going
                why = f"{type(error).__name__}: {error}"
                found[name] = OperationFailed(f"an internal error at {name}", why=why, next=f"fmctl teardown {name}")

    threads = [Thread(target=work, daemon=True) for _ in range(min(len(names), _AT_A_TIME))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {name: found[name] for name in names if name in found}


def history(store: StateStore, now: datetime) -> Answer:
    """What was launched and submitted from a store; what of it cannot be read is named."""
    from fmctl.operate.records import known_clusters
    from fmctl.operate.runs import known_runs
    from fmctl.report.history import history_answer

    known, runs = known_clusters(store), known_runs(store)
    return history_answer(known.records, runs.runs, now, (*known.warnings, *runs.warnings))
