"""Tear a cluster down: whatever of it exists, whoever was interrupted at making it, until nothing is billed unnamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from fmctl.base.errors import FmctlError, OperationFailed, OperationTimeout, PermissionDenied, UnwritableFile
from fmctl.domain.end import end_name
from fmctl.domain.ports import Leftover
from fmctl.domain.purchase import ODCR
from fmctl.operate import actions
from fmctl.operate.actions import Action, Actual, token
from fmctl.operate.journal import ENDED
from fmctl.operate.records import Record, read_record, write_record
from fmctl.operate.retry import passing
from fmctl.operate.steps import Ports, Run, identity_in, locked, not_ours, remember, said
from fmctl.targets.target import Condition, State

# How long instances may take to go after their stack.
_NODES_S = 300.0
_MARK = "fmctl"
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


def plan_teardown(name: str, ports: Ports, *, region: str | None = None) -> tuple[tuple[Action, ...], Actual]:
    """What `teardown` would do, and what there is; nothing is locked or changed (`--dry-run`)."""
    record = read_record(ports.store, name)
    run = _run(name, ports, region, record, None)
    actual = run.actual(leftovers=True)
    return _actions(run, record, actual), actual


def teardown(
    name: str,
    ports: Ports,
    *,
    confirm: ConfirmTeardown,
    region: str | None = None,
    timeout_s: float | None = None,
    break_lock: bool = False,
) -> Torn:
    """Remove a cluster and its end, and name what still costs money.

    Args:
        name: the cluster; the store need not know it.
        ports: the world.
        confirm: sees the actions and what there is; False stops.
        region: where it is, where the store does not know.
        timeout_s: how long to wait for the deletion.
        break_lock: take the lock from another host.

    Raises:
        PermissionDenied: another account or region, before anything; a missing right at any point.
        OperationFailed: it is no cluster of fmctl, or it cannot be deleted even with the failing resources left out.
        OperationTimeout: the deletion goes on; the same command waits again.
        UnwritableFile: what was to be done next could not be recorded, and was not done.
    """
    record = read_record(ports.store, name)
    run = _run(name, ports, region, record, timeout_s)
    try:
        with locked(ports, name, break_lock):
            return _teardown(_run(name, ports, region, record, timeout_s), record, confirm)
    except UnwritableFile as error:
        error.next = f"free some space; without fmctl: {ports.target.by_hand(name, run.region, ours=True)}"
        raise
    except FmctlError as error:
        error.next = error.next or f"fmctl teardown {name} again goes on where it stopped"
        raise


def _teardown(run: Run, record: Record | None, confirm: ConfirmTeardown) -> Torn:
    name = run.name
    actual = run.actual(leftovers=True)
    if actions.condition(actual.state) == Condition.MISSING and "create" in run.progress.open:
        actual = Actual(run.late_state(), actual.end, actual.nodes, actual.leftovers)
    _refuse_foreign(actual.state, record, run)
    steps = {step.name: step for step in _actions(run, record, actual)}
    if not steps:
        _close(run, record, ())
        left = actual.leftovers + _reserved(run, record)
        return Torn(name, done=True, was=False, leftovers=left, warnings=said(run))
    if not confirm(tuple(steps.values()), actual):
        return Torn(name, done=False, was=True, leftovers=actual.leftovers)
    if record is not None:
        write_record(run.ports.store, replace(record, state="deleting"))
    if "stop-fleet" in steps:
        _stop_fleet(run, steps["stop-fleet"].token)
    if "delete" in steps:
        _delete(run, steps["delete"].token)
    retained: tuple[str, ...] = ()
    if "wait" in steps:
        retained = _wait_deleted(run, record)
    if "remove-end" in steps:
        what = {"role": end_name(name), "schedule": end_name(name)}
        run.do("remove-end", steps["remove-end"].token, what, lambda: run.ports.target.remove_end(name))
    left = _sweep(run) + _reserved(run, record)
    _close(run, record, retained, _spent(run, record, actual.state))
    return Torn(name, done=True, was=True, retained=retained, leftovers=left, warnings=said(run))


def _run(name: str, ports: Ports, region: str | None, record: Record | None, timeout_s: float | None) -> Run:
    wanted = record.region if record else region
    if record is not None and region is not None and region != record.region:
        raise PermissionDenied(
            f"{name} is not in {region}", why=f"it was launched in {record.region}", next=f"--region {record.region}"
        )
    who = identity_in(ports, wanted, record.account if record else None, name)
    return Run(ports, name, who.region, timeout_s)


def _actions(run: Run, record: Record | None, actual: Actual) -> tuple[Action, ...]:
    so_far = run.progress
    arranged = so_far.meant("end-role") or so_far.meant("end-schedule") or bool(so_far.open)
    return actions.teardown_actions(run.name, record.spec_digest if record else "", actual, arranged=arranged)


def _refuse_foreign(state: State | None, record: Record | None, run: Run) -> None:
    """A cluster that neither carries fmctl's tags nor those of the record is nobody's business here."""
    if state is None:
        return
    if record is not None and record.state != "gone" and not actions.ours(state, record.tags):
        raise not_ours(state)
    if not any(key.startswith(_MARK) for key in state.tags) and (
        record is None or not actions.ours(state, record.tags)
    ):
        raise OperationFailed(
            f"{run.name} was not made by fmctl",
            why="its stack has none of fmctl's tags",
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


def _delete(run: Run, client_token: str) -> None:
    def going() -> bool:
        return actions.condition(run.ports.target.state(run.name)) in (Condition.MISSING, Condition.GOING)

    data = {"stack": run.name, "region": run.region}
    try:
        run.do("delete", client_token, data, lambda: run.ports.target.delete(run.name, run.region), going)
    except UnwritableFile:
        raise
    except OperationFailed as error:
        words = run.ports.target.words
        run.warnings.append(f"{words.title} would not delete it ({error.why or error.what}); {words.below} was asked")
        run.do("delete-stack", client_token, data, lambda: run.ports.target.delete_parts(run.name), going)


def _wait_deleted(run: Run, record: Record | None) -> tuple[str, ...]:
    """Wait until the stack is gone; once, with the resources left out that could not be deleted. Returns those."""
    if _gone(run):
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
        {"stack": run.name, "retain": names},
        lambda: run.ports.target.delete_parts(run.name, names),
    )
    if not _gone(run):
        again = run.ask(lambda: run.ports.target.failing(run.name))
        raise run.ports.target.undeletable(run.name, again or stuck, retained=True)
    return tuple(names)


def _gone(run: Run) -> bool:
    """Wait for a deletion: True when the stack is gone, False when the target gave up."""
    ended = (Condition.MISSING, Condition.STUCK)

    def state() -> str | None:
        now = actions.condition(run.state())
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


def _spent(run: Run, record: Record | None, state: State | None) -> float | None:
    """What all of it would have cost from its creation until now; None without a price or a cluster."""
    if record is None or state is None or record.hourly_usd is None:
        return None
    return record.hourly_usd * max((run.ports.clock.now() - state.created).total_seconds(), 0.0) / 3600.0


def _close(run: Run, record: Record | None, retained: tuple[str, ...], spent_usd: float | None = None) -> None:
    if record is not None and record.state == "gone" and run.progress.begin is None and not run.progress.open:
        return
    if run.journal.records:
        run.journal.note(ENDED, {"retained": list(retained)})
    if record is not None:
        spent = record.spent_usd if spent_usd is None else spent_usd
        remember(run, replace(record, state="gone", retained=retained, spent_usd=spent))
