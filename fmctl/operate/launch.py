"""Launch a cluster, through ports, with every step on record.

Whatever kills the process, the same command again goes on: it asks AWS what there is, and the journal what was meant.
The end is arranged in AWS before the first GPU is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fmctl.base.errors import FmctlError, OperationFailed, PermissionDenied, StalePlan
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.ports import Identity, Node
from fmctl.operate import actions
from fmctl.operate.actions import Action, Actual, Money, spec_digest
from fmctl.operate.costs import cost_lines
from fmctl.operate.extension import arrange_end
from fmctl.operate.journal import BEGIN
from fmctl.operate.launchable import check_launchable
from fmctl.operate.records import Record, read_record, record_of, write_record
from fmctl.operate.steps import Ports, Run, at, identity_in, locked, not_ours, remember, said
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


def plan_launch(
    spec: ClusterSpec, rendering: Rendering, ports: Ports, check: Callable[[], None] = lambda: None
) -> tuple[tuple[Action, ...], Money]:
    """What `launch` would do, without lock and without doing any of it (`--dry-run`). Raises as `launch` does."""
    check_launchable(spec)
    ports.target.check_launchable(rendering)
    who = identity_in(ports, spec.site.region, spec.site.account, spec.name)
    check()
    run = Run(ports, spec.name, spec.site.region)
    actual, end = _start(run, spec, rendering, read_record(ports.store, spec.name))
    return _actions(spec, ports, actual, end), _money(spec, who, end, ports)


def launch(
    spec: ClusterSpec,
    rendering: Rendering,
    ports: Ports,
    *,
    confirm: ConfirmLaunch,
    check: Callable[[], None] = lambda: None,
    timeout_s: float | None = None,
    break_lock: bool = False,
) -> Launched:
    """Make a cluster, or go on making it, or find that it runs.

    Args:
        spec: what is wanted.
        rendering: its YAML, digest and tags.
        ports: the world.
        confirm: sees the actions and the money before anything is made; False stops.
        check: raises StalePlan where the plan no longer holds.
        timeout_s: how long to wait for the creation.
        break_lock: take the lock from another host.

    Raises:
        PermissionDenied: wrong account or region before anything; a missing right at any point.
        StalePlan: the plan, the world or the journal changed.
        CapacityUnavailable, OperationFailed: the cause in one sentence, and the next step.
        OperationTimeout: it goes on; the same command waits again.
        UnwritableFile: what was to be done next could not be recorded, and was not done.
    """
    name = spec.name
    check_launchable(spec)
    ports.target.check_launchable(rendering)
    who = identity_in(ports, spec.site.region, spec.site.account, name)
    check()
    with locked(ports, name, break_lock):
        run = Run(ports, name, spec.site.region, timeout_s)
        known = read_record(ports.store, name)
        actual, end = _start(run, spec, rendering, known)
        steps = {step.name: step for step in _actions(spec, ports, actual, end)}
        goes_on = _goes_on(run, spec, known, create="create" in steps)
        record = record_of(spec, rendering, who, ports.clock.now(), end, ports.target.beside(spec))
        if goes_on and known is not None:  # its extensions count
            record = replace(known, end=end, state="launching")
        if any(step.creates for step in steps.values()):
            if "create" in steps:
                _validate(run, rendering)
            if not confirm(tuple(steps.values()), _money(spec, who, end, ports)):
                return Launched(record, done=False, created=False)
            write_record(ports.store, record)
            if not goes_on:
                run.journal.note(BEGIN, {"spec": record.spec_digest, "config": rendering.digest, "end": end})
        with _reminding(run, end, f"fmctl launch {spec.plan} again goes on where it stopped"):
            if "end-schedule" in steps:
                arrange_end(run, end, spec_digest(spec), spec.site.permissions_boundary)
            if "create" in steps:
                _create(run, rendering, steps["create"].token)
            try:
                state = run.wait_created(rendering.tags)
            except (OperationFailed, StalePlan, PermissionDenied):
                remember(run, replace(record, state="failed"))
                raise
            record = _verify(run, spec, record, state)
            nodes = run.ask(lambda: ports.target.nodes(name))
        _count_nodes(run, spec, nodes)
        record = replace(record, state="running")
        remember(run, record)
        return Launched(record, done=True, created="create" in steps, nodes=nodes, warnings=said(run))


def _start(run: Run, spec: ClusterSpec, rendering: Rendering, known: Record | None) -> tuple[Actual, datetime]:
    """What there is, if a launch may go on from it, and the end it shall have."""
    actual = run.actual()
    now = actions.condition(actual.state)
    if now == Condition.MISSING and "create" in run.progress.open:
        state = run.late_state()
        actual = Actual(state, actual.end, actual.nodes)
        now = actions.condition(state)
    fresh = (run.ports.clock.now() + timedelta(hours=spec.max_hours)).replace(microsecond=0)
    mine = run.progress.begin is not None and known is not None
    unfinished = known is not None and known.state == "launching"
    if actual.state is None or now == Condition.MISSING:
        if actual.end is not None and not mine:
            raise OperationFailed(
                f"somebody is launching {spec.name}, or a launch of it broke off elsewhere",
                why=f"an end is scheduled for {at(actual.end)} that this store knows nothing of",
                next=f"another name, or fmctl teardown {spec.name} once nobody works on it",
            )
        whole = timedelta(hours=spec.max_hours * _STILL_WHOLE)
        kept = known.end if mine and unfinished and known is not None else None
        return (
            actual,
            kept if kept is not None and whole <= kept - run.ports.clock.now() <= whole / _STILL_WHOLE else fresh,
        )
    if now == Condition.GOING:
        raise OperationFailed(f"{spec.name} is being deleted", next=f"fmctl teardown {spec.name}, which waits for it")
    if not actions.ours(actual.state, rendering.tags):
        raise not_ours(actual.state)
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
    end = actual.end or (known.end if known is not None else None)
    end = end or (actual.state.created + timedelta(hours=spec.max_hours)).replace(microsecond=0)
    if actual.end is None and end <= run.ports.clock.now():  # where AWS still has it to come, our clock is wrong
        raise StalePlan(
            f"the time of {spec.name} is over and it still is there",
            why=f"it should have been deleted at {at(end)}",
            next=f"fmctl teardown {spec.name}",
        )
    return actual, end


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


def _verify(run: Run, spec: ClusterSpec, record: Record, state: State) -> Record:
    """The end once more: it must stand, and not be later than the hours allow by the clock of AWS."""
    end = run.ask(lambda: run.ports.target.end(run.name))
    latest = (state.created + timedelta(hours=record.max_hours)).replace(microsecond=0)
    if end is not None and end <= latest + _SLACK:
        return replace(record, end=end)
    if end is not None:
        run.warnings.append(f"this machine's clock is wrong: the end was {at(end)} and is now {at(latest)}")
    end = latest if end is not None else min(record.end, latest)
    arrange_end(run, end, spec_digest(spec), spec.site.permissions_boundary)
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
