"""Tear a cluster down: whatever of it exists, whoever was interrupted at making it, until nothing is billed unnamed.

Nothing that is only remembered stands in the way: a record or journal that cannot be read is named and gone on without,
by what AWS itself says; and what else is to be done at that moment is done beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Thread

from fmctl.base.errors import FmctlError, OperationFailed, OperationTimeout, UnwritableFile
from fmctl.domain.end import end_name, role_name
from fmctl.domain.ports import Identity, Leftover
from fmctl.domain.purchase import ODCR
from fmctl.operate import actions
from fmctl.operate.actions import Action, Actual, token
from fmctl.operate.journal import ENDED, unmasked
from fmctl.operate.records import Record, check_name, read_record, write_record
from fmctl.operate.retry import passing
from fmctl.operate.steps import (
    Ports,
    Run,
    changed_meanwhile,
    identity_in,
    locked,
    not_ours,
    refuse_read_only,
    remember,
    said,
)
from fmctl.targets.target import Condition, State

# How long instances may take to go after their stack.
_NODES_S = 300.0
# How long what is done beside it may keep the deletion waiting, s: nodes have been asked to stop by then.
_BESIDE_S = 20.0
_RESERVATION = "reservation "

ConfirmTeardown = Callable[[tuple[Action, ...], Actual], bool]


@dataclass(frozen=True, slots=True)
class Torn:
    """What a teardown came to."""

    name: str
    done: bool  # False where it was not confirmed
    was: bool  # whether there was anything to tear down
    retained: tuple[str, ...] = ()  # resources that the stack's deletion left out
    leftovers: tuple[Leftover, ...] = ()  # what still is there, with its cost and the command that removes it
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What there is of a cluster, what the store tells of it, and what is to be done."""

    run: Run
    record: Record | None
    actual: Actual
    steps: dict[str, Action]
    who: Identity
    kept: str  # the name under which the store keeps it

    @property
    def id(self) -> str:
        return self.actual.state.id if self.actual.state is not None else ""


def plan_teardown(name: str, ports: Ports, *, region: str | None = None) -> tuple[tuple[Action, ...], Actual]:
    """What `teardown` would do, and what there is; nothing is locked or changed (`--dry-run`)."""
    seen = _look(name, ports, region, None)
    return tuple(seen.steps.values()), seen.actual


def teardown(
    name: str,
    ports: Ports,
    *,
    confirm: ConfirmTeardown,
    region: str | None = None,
    timeout_s: float | None = None,
    break_lock: bool = False,
    beside: Callable[[], None] | None = None,
) -> Torn:
    """Remove a cluster and its end, and name what still costs money.

    Args:
        name: the cluster; the store need not know it.
        ports: the world.
        confirm: sees the actions and what there is; False stops.
        region: where it is, where the store does not know, or knows one of the name elsewhere.
        timeout_s: how long to wait for the deletion.
        break_lock: take the lock from another host.
        beside: done in a thread of its own once it is confirmed, while its head node still answers; what goes wrong
            there, or takes long, stops nothing.

    Raises:
        PermissionDenied: another account or region, before anything; a missing right at any point.
        OperationFailed: it is no cluster of fmctl, or it cannot be deleted even with the failing resources left out.
        OperationTimeout: the deletion goes on; the same command waits again.
        StalePlan: another cluster has the name by the time that it was confirmed.
        UnwritableFile: what was to be done next could not be recorded, and was not done.
    """
    shown = _look(name, ports, region, timeout_s)
    try:
        refuse_read_only(ports, name)
        if shown.steps and not confirm(tuple(shown.steps.values()), shown.actual):
            return Torn(name, done=False, was=True, leftovers=shown.actual.leftovers)
        with locked(ports, shown.kept, break_lock, shown.who):
            seen = _look(name, ports, region, timeout_s, shown.run)
            if seen.id != shown.id and seen.id:
                raise changed_meanwhile(name, "another cluster has the name now")
            if not shown.steps and seen.steps:
                raise changed_meanwhile(name, "there is something to tear down now")
            return _teardown(seen, beside)
    except UnwritableFile as error:
        error.next = f"free some space; without fmctl: {ports.target.by_hand(name, shown.run.region, ours=True)}"
        raise
    except FmctlError as error:
        error.next = error.next or f"fmctl teardown {name} again goes on where it stopped"
        raise


def _look(name: str, ports: Ports, region: str | None, timeout_s: float | None, before: Run | None = None) -> _Seen:
    """What there is. Raises where we may not look, and where it is not ours to take away."""
    warnings: list[str] = []
    record, kept = _remembered(name, ports, region, warnings)
    who = identity_in(
        ports, record.region if record is not None else region, record.account if record is not None else None, name
    )
    run = Run(ports, name, who.region, timeout_s, whatever=True, kept=kept)
    actual = (run if before is None else run.after(before)).seen()
    if actions.condition(actual.state) == Condition.MISSING and "create" in run.progress.open:
        actual = Actual(run.late_state(), actual.end, actual.nodes, actual.leftovers)
    run.warnings[:0] = warnings
    _refuse_foreign(actual.state, record, run)
    return _Seen(run, record, actual, {step.name: step for step in _actions(run, record, actual)}, who, kept)


def _remembered(name: str, ports: Ports, region: str | None, warnings: list[str]) -> tuple[Record | None, str]:
    """(the record of the cluster that is meant, the name under which the store keeps what is done to it)."""
    check_name(name)
    try:
        record = read_record(ports.store, name)
    except FmctlError as error:
        warnings.append(f"{error.what} ({error.why}): what AWS says counts")
        return None, name
    if record is not None and region is not None and region != record.region:
        if record.state != "gone":
            warnings.append(f"the {name} that this store knows is in {record.region}, and is left as it is")
        return None, f"{name}@{region}"
    return record, name


def _teardown(seen: _Seen, beside: Callable[[], None] | None) -> Torn:
    run, record, steps, name = seen.run, seen.record, seen.steps, seen.run.name
    state = seen.actual.state
    if not steps:
        if record is None and seen.actual.end is not None:
            run.warnings.append("its end is that of a launch which this store knows nothing of, and was left")
        _close(run, record, (), _spent(seen))
        left = seen.actual.leftovers + _reserved(run, record)
        return Torn(name, done=True, was=False, leftovers=left, warnings=said(run))
    if record is not None:
        write_record(run.ports.store, replace(record, state="deleting"))
    helper = _begun(beside if "delete" in steps else None, run)
    if "stop-fleet" in steps:
        _stop_fleet(run, steps["stop-fleet"].token)
    if helper is not None:
        helper.join(_BESIDE_S)
    if "delete" in steps and state is not None:
        _delete(run, steps["delete"].token, state, known=record is not None)
    retained: tuple[str, ...] = ()
    if "wait" in steps and state is not None:
        retained = _wait_deleted(run, record, state)
    if "remove-end" in steps:
        _remove_end(run, steps["remove-end"].token, record)
    left = _sweep(run) + _reserved(run, record)
    _close(run, record, retained, _spent(seen))
    return Torn(name, done=True, was=True, retained=retained, leftovers=left, warnings=said(run))


def _begun(beside: Callable[[], None] | None, run: Run) -> Thread | None:
    """What is done beside, under way; it cannot stop anything."""
    if beside is None:
        return None

    def whole() -> None:
        try:
            beside()
        except Exception as error:
            run.warnings.append(f"its runs could not all be brought up to date: {error}")

    thread = Thread(target=whole, name="beside the teardown", daemon=True)
    thread.start()
    return thread


def _remove_end(run: Run, client_token: str, record: Record | None) -> None:
    what = {"role": role_name(run.name, run.region), "schedule": end_name(run.name), "region": run.region}
    launch = record.launch if record is not None else ""
    left = run.do("remove-end", client_token, what, lambda: run.ports.target.remove_end(run.name, launch))
    run.warnings += left or ()


def _actions(run: Run, record: Record | None, actual: Actual) -> tuple[Action, ...]:
    so_far = run.progress
    arranged = so_far.meant("end-role") or so_far.meant("end-schedule") or bool(so_far.open) or run.journal.damaged
    if record is None and actual.state is None and not arranged:
        return ()  # an end without a stack is that of a launch which this store knows nothing of, and may be under way
    digest = record.spec_digest if record else ""
    return actions.teardown_actions(run.name, digest, run.region, actual, arranged=arranged)


def _refuse_foreign(state: State | None, record: Record | None, run: Run) -> None:
    """What is not provably ours is left alone: proof is the record's tags and id, else exact tags of the launch."""
    if state is None:
        return
    if record is not None and record.state != "gone":
        if not record.is_of(state):
            raise not_ours(state, "neither its tags nor its id are those that this store remembers")
        return
    why = run.ports.target.foreign(state)
    if why:
        raise OperationFailed(
            f"{run.name} was not made by fmctl",
            why=why,
            next=run.ports.target.by_hand(run.name, run.region, ours=False),
        )


def _stop_fleet(run: Run, client_token: str) -> None:
    """Ask the fleet to stop; a head node that does not answer must not keep the GPUs alive."""
    try:
        run.do("stop-fleet", client_token, {}, lambda: run.ports.target.stop(run.name, run.region))
    except UnwritableFile:
        raise
    except OperationFailed as error:
        run.warnings.append(f"the fleet could not be stopped first: {error.why or error.what}")


def _delete(run: Run, client_token: str, state: State, *, known: bool) -> None:
    """Ask the target's own program; where that refuses what the store knows as ours, ask what it stands on."""

    def going() -> bool:
        now = run.ports.target.state(run.name)
        return now is None or now.id != state.id or now.condition in (Condition.MISSING, Condition.GOING)

    data = {"stack": state.id or run.name, "region": run.region}
    try:
        run.do("delete", client_token, data, lambda: run.ports.target.delete(run.name, run.region), going)
    except UnwritableFile:
        raise
    except OperationFailed as error:
        words = run.ports.target.words
        if not known:
            error.why = f"{error.why or error.what}; this store has no record that says otherwise"
            error.next = run.ports.target.by_hand(run.name, run.region, ours=False)
            raise
        run.warnings.append(f"{words.title} would not delete it ({error.why or error.what}); {words.below} was asked")
        run.do("delete-stack", client_token, data, lambda: run.ports.target.delete_parts(state), going)


def _wait_deleted(run: Run, record: Record | None, was: State) -> tuple[str, ...]:
    """Wait until the stack is gone; once, with the resources left out that could not be deleted. Returns those."""
    if _gone(run, was):
        return ()
    stuck = run.ask(lambda: run.ports.target.failing(run.name))
    if not stuck:
        raise run.ports.target.undeletable(run.name, stuck, retained=False)
    names: Sequence[str] = sorted(stuck)
    run.warnings.append("left out of the deletion: " + "; ".join(f"{key} ({stuck[key]})" for key in names))
    client_token = token(run.name, record.spec_digest if record else "", "retain:" + ",".join(names))
    run.do(
        "delete-retaining",
        client_token,
        {"stack": was.id or run.name, "region": run.region, "retain": names},
        lambda: run.ports.target.delete_parts(was, names),
    )
    if not _gone(run, was):
        again = run.ask(lambda: run.ports.target.failing(run.name))
        raise run.ports.target.undeletable(run.name, again or stuck, retained=True)
    return tuple(names)


def _gone(run: Run, was: State) -> bool:
    """Wait for a deletion: True when that stack is gone, False when the target gave up."""
    ended = (Condition.MISSING, Condition.STUCK)

    def state() -> str | None:
        found = run.state()
        if found is not None and found.id != was.id:
            return Condition.MISSING  # somebody made another of the same name
        now = actions.condition(found)
        return now if now in ended else None

    return run.wait(state, "its deletion") == Condition.MISSING


def _sweep(run: Run) -> tuple[Leftover, ...]:
    """What still is there, once the instances had time to go."""

    def none_left() -> bool | None:
        return True if not run.ask(lambda: run.ports.target.nodes(run.name)) else None

    with suppress(OperationTimeout):
        run.wait(none_left, "its instances", most_s=_NODES_S)
    try:
        left = run.ask(lambda: run.ports.target.leftovers(run.name))
    except FmctlError as error:
        if passing(error):
            raise
        run.warnings.append(f"what is left could not be listed: {error.what}: {error.why}")
        return ()
    run.journal.note("left", {"leftovers": [f"{one.kind} {one.id}" for one in left]})
    return left


def _reserved(run: Run, record: Record | None) -> tuple[Leftover, ...]:
    """Reservations that the cluster used and that go on being billed, whether anything runs in them or not."""
    if record is None or record.purchase != ODCR.name:
        return ()
    left: list[Leftover] = []
    for one in (used.removeprefix(_RESERVATION) for used in record.reused if used.startswith(_RESERVATION)):
        command = f"aws ec2 cancel-capacity-reservation --capacity-reservation-id {one} --region {run.region}"
        why = "billed until it is cancelled, used or not; see first whether others use it"
        try:
            found = run.ask(lambda one=one: run.ports.target.reservation(one))  # type: ignore[misc]
        except FmctlError as error:
            left.append(Leftover("reservation", one, None, command, f"{why}; could not be looked at: {error.what}"))
            continue
        if found is not None and found.state in ("active", "pending", "scheduled"):
            each = None if record.usd_per_h is None else record.usd_per_h / max(record.nodes, 1) * 24.0
            usd = None if each is None else each * found.total
            left.append(Leftover("reservation", one, usd, command, f"{found.total} x {found.instance}, {why}"))
    return tuple(left)


def _spent(seen: _Seen) -> float | None:
    """What all of it would have cost from its creation until it went; None without a price or a cluster.

    A cluster whose end came by itself went when AWS says so, else at its end.
    """
    record, state, now = seen.record, seen.actual.state, seen.run.ports.clock.now()
    if record is None or record.state == "gone":
        return None
    if state is not None:
        return replace(record, created=state.created).spent(now)
    if record.created is None:
        return None
    return record.spent(went(record, seen.who, seen.run.ports) or min(record.end, now))


def went(record: Record, who: Identity, ports: Ports) -> datetime | None:
    """When the recorded cluster was deleted, as AWS says; None where it does not say."""
    with suppress(FmctlError):
        return ports.target.deleted(unmasked(record.stack, who.account)) if record.stack else None
    return None


def _close(run: Run, record: Record | None, retained: tuple[str, ...], spent_usd: float | None = None) -> None:
    if record is not None and record.state == "gone" and run.progress.begin is None and not run.progress.open:
        return
    if run.journal.records:
        run.journal.note(ENDED, {"retained": list(retained)})
    if record is not None:
        spent = record.spent_usd if spent_usd is None else spent_usd
        remember(run, replace(record, state="gone", retained=retained, spent_usd=spent))
