"""Launch a cluster, through ports, with every step on record.

Whatever kills the process, the same command again goes on: it asks AWS what there is, and the journal what was meant.
The end is arranged in AWS before the first GPU is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from secrets import token_hex

from fmctl.base.errors import FmctlError, OperationFailed, PermissionDenied, StalePlan
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.end import End, Whose
from fmctl.domain.ports import Identity, Node
from fmctl.operate import actions
from fmctl.operate.actions import Action, Actual, Money, spec_digest
from fmctl.operate.costs import cost_lines
from fmctl.operate.extension import arrange_end
from fmctl.operate.journal import BEGIN, ENDED, masked
from fmctl.operate.launchable import check_launchable
from fmctl.operate.records import Record, read_record, record_of, write_record
from fmctl.operate.steps import (
    Ports,
    Run,
    at,
    changed_meanwhile,
    identity_in,
    locked,
    not_ours,
    refuse_read_only,
    remember,
    said,
)
from fmctl.targets.target import Condition, Rendering, State

# A launch that goes on keeps its end while nearly all of its hours are left; else it gets a new one.
_STILL_WHOLE = 0.9
_SLACK = timedelta(minutes=10)

ConfirmLaunch = Callable[[tuple[Action, ...], Money], bool]


@dataclass(frozen=True, slots=True)
class Launched:
    """What a launch came to."""

    record: Record
    done: bool  # False where it was not confirmed
    created: bool  # whether this call made the cluster
    nodes: tuple[Node, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Price:
    """What all nodes cost an hour, looked up when it was asked for; None where nobody knows."""

    usd_per_h: float | None
    date: str = ""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What there is, what a launch would do from there, and how far an earlier one of the same came."""

    run: Run
    known: Record | None  # what the store tells of the same cluster
    steps: Mapping[str, Action]
    end: datetime
    launch: str  # id of the launch that this one is, or goes on; "" where it is new

    @property
    def makes(self) -> bool:
        return any(step.creates for step in self.steps.values())


def plan_launch(
    spec: ClusterSpec,
    rendering: Rendering,
    ports: Ports,
    check: Callable[[], None] = lambda: None,
    price: Price | None = None,
) -> tuple[tuple[Action, ...], Money]:
    """What `launch` would do, without lock and without doing any of it (`--dry-run`). Raises as `launch` does."""
    who = _permitted(spec, rendering, ports)
    check()
    seen = _look(spec, rendering, ports, who)
    return tuple(seen.steps.values()), _money(_priced(spec, price), who, seen.end, ports)


def launch(
    spec: ClusterSpec,
    rendering: Rendering,
    ports: Ports,
    *,
    confirm: ConfirmLaunch,
    check: Callable[[], None] = lambda: None,
    price: Price | None = None,
    timeout_s: float | None = None,
    break_lock: bool = False,
) -> Launched:
    """Make a cluster, or go on making it, or find that it runs.

    Nobody is kept out while a person reads: what there is is looked at before the question, and again under the lock.

    Args:
        spec: what is wanted.
        rendering: its YAML, digest and tags.
        ports: the world.
        confirm: sees the actions and the money before anything is made; False stops.
        check: raises StalePlan where the plan no longer holds.
        price: what the nodes cost now; None for the plan's own price.
        timeout_s: how long to wait for the creation.
        break_lock: take the lock from another host.

    Raises:
        PermissionDenied: wrong account or region before anything; a missing right at any point.
        StalePlan: the plan, the world or the journal changed.
        CapacityUnavailable, OperationFailed: the cause in one sentence, and the next step.
        OperationTimeout: it goes on; the same command waits again.
        UnwritableFile: what was to be done next could not be recorded, and was not done.
    """
    who = _permitted(spec, rendering, ports)
    check()
    refuse_read_only(ports, spec.name)
    shown = _look(spec, rendering, ports, who)
    if shown.makes:
        if "create" in shown.steps:
            _validate(shown.run, rendering)
        if not confirm(tuple(shown.steps.values()), _money(_priced(spec, price), who, shown.end, ports)):
            return Launched(_record(spec, rendering, ports, who, shown, price), done=False, created=False)
    with locked(ports, spec.name, break_lock, who):
        check()
        seen = _look(spec, rendering, ports, _permitted(spec, rendering, ports), timeout_s, shown.run)
        seen.run.warnings[:0] = shown.run.warnings
        new = [name for name, step in seen.steps.items() if step.creates and name not in shown.steps]
        if new:
            raise changed_meanwhile(spec.name, f"now there is also to be done: {', '.join(new)}")
        return _launch(spec, rendering, ports, who, seen, price)


def _permitted(spec: ClusterSpec, rendering: Rendering, ports: Ports) -> Identity:
    """Who we are, if such a cluster may be launched by us and there."""
    check_launchable(spec)
    ports.target.check_launchable(rendering)
    return identity_in(ports, spec.site.region, spec.site.account, spec.name)


def _look(
    spec: ClusterSpec,
    rendering: Rendering,
    ports: Ports,
    who: Identity,
    timeout_s: float | None = None,
    before: Run | None = None,
) -> _Seen:
    run = Run(ports, spec.name, spec.site.region, timeout_s)
    run = run if before is None else run.after(before)
    known = read_record(ports.store, spec.name)
    _check_place(spec.name, known, who)
    begun = str((run.progress.begin or {}).get("launch") or "")
    of_record = known.launch if known is not None and known.state != "gone" else ""
    actual, end = _start(run, spec, rendering, known, begun or of_record)
    steps = {step.name: step for step in _actions(spec, ports, actual, end)}
    return _Seen(run, known, steps, end, begun or of_record)


def _record(
    spec: ClusterSpec, rendering: Rendering, ports: Ports, who: Identity, seen: _Seen, price: Price | None
) -> Record:
    """What is remembered: of a launch that goes on what was, for its extensions count."""
    if seen.known is not None and _goes_on(seen.run, spec, seen.known, create="create" in seen.steps):
        return replace(seen.known, end=seen.end, state="launching", launch=seen.launch or new_launch())
    priced, now = _priced(spec, price), ports.clock.now()
    made = record_of(priced, rendering, who, now, seen.end, ports.target.beside(spec), seen.launch or new_launch())
    return replace(made, spec_digest=spec_digest(spec))  # by the plan's price: it is of what is wanted


def _launch(
    spec: ClusterSpec, rendering: Rendering, ports: Ports, who: Identity, seen: _Seen, price: Price | None
) -> Launched:
    """All of it, under the lock."""
    run, steps, end = seen.run, seen.steps, seen.end
    record = _record(spec, rendering, ports, who, seen, price)
    if seen.makes:
        write_record(ports.store, record)
        if not _goes_on(run, spec, seen.known, create="create" in steps):
            place = {"region": record.region, "account": record.account, "launch": record.launch}
            told = {"spec": record.spec_digest, "config": rendering.digest, "end": end, **place}
            run.journal.note(BEGIN, told)
    before = ("",) if seen.known is not None and not seen.known.launch else ()
    whose = Whose(record.launch, before=before)
    boundary = spec.site.permissions_boundary
    with _reminding(run, end, f"fmctl launch {spec.plan} again goes on where it stopped"):
        try:
            if "end-schedule" in steps:
                arrange_end(run, end, spec_digest(spec), boundary, whose)
            if "create" in steps:
                _create(run, rendering, steps["create"].token)
        except OperationFailed:
            _forget(run, seen, record)
            raise
        try:
            state = run.wait_created(rendering.tags)
        except (OperationFailed, StalePlan, PermissionDenied):
            remember(run, replace(record, state="failed"))
            raise
        record = replace(record, stack=masked(state.id), created=state.created)
        record = _verify(run, spec, record, state, whose)
        nodes = run.ask(lambda: ports.target.nodes(spec.name))
    _count_nodes(run, spec, nodes)
    record = replace(record, state="running")
    remember(run, record)
    return Launched(record, done=True, created="create" in steps, nodes=nodes, warnings=said(run))


def _forget(run: Run, seen: _Seen, record: Record) -> None:
    """A launch that was refused before it made anything leaves nothing to tear down, nor in the way of another."""
    if seen.known is None and not run.made:
        run.journal.note(ENDED, {"refused": True})
        remember(run, replace(record, state="gone"))


def _check_place(name: str, known: Record | None, who: Identity) -> None:
    """A name that the store has elsewhere is another cluster's."""
    if known is None or known.state == "gone":
        return
    if known.region == who.region and known.account in (masked(who.account), who.account):
        return
    raise OperationFailed(
        f"this store has a cluster {name} in {known.region} already",
        why=f"it is of account {known.account}; this one would be in {who.region}, account {masked(who.account)}",
        next=f"--cluster-name another; or fmctl teardown {name} --region {known.region} first",
    )


def _start(
    run: Run, spec: ClusterSpec, rendering: Rendering, known: Record | None, mine: str
) -> tuple[Actual, datetime]:
    """What there is, if a launch may go on from it, and the end it shall have. mine: the launch that it would go on."""
    actual = run.actual()
    now = actions.condition(actual.state)
    if now == Condition.MISSING and "create" in run.progress.open:
        state = run.late_state()
        actual = Actual(state, actual.end, actual.nodes)
        now = actions.condition(state)
    other = actual.end is not None and actual.end.launch not in ("", mine)
    if actual.state is None or now == Condition.MISSING:
        return actual, _end_before(run, spec, known, actual.end, other)
    if now == Condition.GOING:
        raise OperationFailed(f"{spec.name} is being deleted", next=f"fmctl teardown {spec.name}, which waits for it")
    if not actions.ours(actual.state, rendering.tags):
        raise not_ours(actual.state)
    if other:
        raise not_ours(actual.state, "its end was arranged by another launch, from another store")
    if known is not None and known.state == "deleting" and now != Condition.STUCK:
        raise OperationFailed(
            f"a teardown of {spec.name} was begun and not finished",
            why="its fleet may be stopped already",
            next=f"fmctl teardown {spec.name}, then launch again",
        )
    if now == Condition.STUCK:
        raise OperationFailed(f"{spec.name} could not be deleted", next=f"fmctl teardown {spec.name}")
    if now == Condition.BROKEN:
        raise run.failure(actual.state)
    return actual, _end_of(run, spec, known, actual, actual.state)


def _end_before(run: Run, spec: ClusterSpec, known: Record | None, end: End | None, other: bool) -> datetime:
    """The end of a cluster that is still to be made: that of the launch that goes on, else a new one.

    other: whether the end that is arranged is another launch's. Raises OperationFailed where it is not ours.
    """
    begun = run.progress.begin is not None and known is not None
    if end is not None and (other or not begun):
        until = f" at {at(end.at)}" if end.at is not None else ""
        raise OperationFailed(
            f"somebody is launching {spec.name}, or a launch of it broke off elsewhere",
            why=f"an end is scheduled{until} that this store knows nothing of",
            next=f"another name, or remove what fmctl teardown {spec.name} names, once nobody works on it",
        )
    now, whole = run.ports.clock.now(), timedelta(hours=spec.max_hours * _STILL_WHOLE)
    if begun and known is not None and known.state == "launching" and whole <= known.end - now <= whole / _STILL_WHOLE:
        return known.end
    return (now + timedelta(hours=spec.max_hours)).replace(microsecond=0)


def _end_of(run: Run, spec: ClusterSpec, known: Record | None, actual: Actual, state: State) -> datetime:
    """The end of a cluster that is there. Raises StalePlan where its time is over."""
    end = (actual.end.at if actual.end is not None else None) or (known.end if known is not None else None)
    end = end or (state.created + timedelta(hours=spec.max_hours)).replace(microsecond=0)
    if actual.ends is None and end <= run.ports.clock.now():  # where AWS still has it to come, our clock is wrong
        raise StalePlan(
            f"the time of {spec.name} is over and it still is there",
            why=f"it should have been deleted at {at(end)}",
            next=f"fmctl teardown {spec.name}",
        )
    return end


def _actions(spec: ClusterSpec, ports: Ports, actual: Actual, end: datetime) -> tuple[Action, ...]:
    return actions.launch_actions(spec, ports.target.words, ports.target.beside(spec), actual, end)


def _goes_on(run: Run, spec: ClusterSpec, known: Record | None, *, create: bool) -> bool:
    """Whether this is the launch that the record tells of, and not a new one of the same name."""
    same = known is not None and run.progress.begin is not None and known.spec_digest == spec_digest(spec)
    return same and known is not None and (not create or known.state == "launching")


def _create(run: Run, rendering: Rendering, client_token: str) -> None:
    def exists() -> bool:
        state = run.ports.target.state(run.name)
        return state is not None and actions.ours(state, rendering.tags)

    try:
        run.do(
            "create",
            client_token,
            {"stack": run.name, "region": run.region, "config": rendering.digest},
            lambda: run.ports.target.create(run.name, rendering, run.region),
            exists,
        )
    except OperationFailed:
        state = run.state()
        if state is not None and not actions.ours(state, rendering.tags):
            raise not_ours(state) from None
        raise


def _verify(run: Run, spec: ClusterSpec, record: Record, state: State, whose: Whose) -> Record:
    """The end once more: it must stand, delete this very stack, and be no later than the hours allow by AWS's clock."""
    found = run.ask(lambda: run.ports.target.end(run.name, state))
    arranged = found.at if found is not None else None
    latest = (state.created + timedelta(hours=record.max_hours)).replace(microsecond=0)
    end = arranged if arranged is not None else min(record.end, latest)
    if end > latest + _SLACK:
        run.warnings.append(f"this machine's clock is wrong: the end was {at(end)} and is now {at(latest)}")
        end = latest
    if found is None or not found.holds or found.at != end or found.stack != state.id:
        if found is not None and found.wrong:
            run.warnings.append(f"its end would not have come ({found.said}) and was arranged again")
        bound = replace(whose, stack=state.id)
        arrange_end(run, end, spec_digest(spec), spec.site.permissions_boundary, bound, state)
    return replace(record, end=end)


def _count_nodes(run: Run, spec: ClusterSpec, nodes: tuple[Node, ...]) -> None:
    running = sum(node.role == "compute" and node.state in ("pending", "running") for node in nodes)
    if running < spec.nodes:
        run.warnings.append(f"{running} of {spec.nodes} nodes are there; Slurm starts the others with the first job")


def _validate(run: Run, rendering: Rendering) -> None:
    findings = run.ask(lambda: run.ports.target.findings(run.name, rendering.config, run.region))
    wrong = [finding for finding in findings if finding.level == "ERROR"]
    if wrong:
        raise OperationFailed(
            f"{run.ports.target.words.title} refuses {run.name}: {len(wrong)} error(s)",
            why="; ".join(f"{finding.kind}: {finding.message}" for finding in wrong[:3]),
            next="change the site or the plan; nothing was created",
        )
    run.warnings += [f"{finding.kind}: {finding.message}" for finding in findings if finding.level == "WARNING"]


def _priced(spec: ClusterSpec, price: Price | None) -> ClusterSpec:
    """The cluster at the price of this moment."""
    return spec if price is None else replace(spec, usd_per_h=price.usd_per_h, price_date=price.date)


def new_launch() -> str:
    """An id that no other launch has."""
    return token_hex(8)


def _money(spec: ClusterSpec, who: Identity, end: datetime, ports: Ports) -> Money:
    return Money(
        account=who.account,
        region=who.region,
        nodes=spec.nodes,
        instance=spec.instance,
        usd_per_h=spec.usd_per_h,
        max_hours=spec.max_hours,
        end=end,
        stays=actions.stays(spec, ports.target.words),
        lines=cost_lines(spec, ports.clock.now().date(), ports.target.beside(spec)),
    )


@contextmanager
def _reminding(run: Run, end: datetime, again: str) -> Iterator[None]:
    """Whatever stops a launch once something may exist: say until when, and how it goes on."""
    try:
        yield
    except FmctlError as error:
        if run.progress.meant("end-schedule"):
            reminder = f"if anything was made, AWS deletes it at {at(end)}"
            error.why = f"{error.why}; {reminder}" if error.why else reminder
        if error.next is None or (isinstance(error, PermissionDenied) and "teardown" not in error.next):
            error.next = f"{error.next}; {again}" if error.next else again
        raise
