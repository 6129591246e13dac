"""Stop a cluster's compute fleet: its nodes go, the head node and what it keeps stay."""

from __future__ import annotations

from collections.abc import Callable

from fmctl.base.errors import OperationFailed, UnknownName
from fmctl.operate import actions
from fmctl.operate.actions import Action, token
from fmctl.operate.records import Record, cluster_names, read_record
from fmctl.operate.steps import Ports, Run, changed_meanwhile, identity_in, locked, not_ours, refuse_read_only
from fmctl.targets.target import Condition


def stop_fleet(
    name: str, ports: Ports, *, confirm: Callable[[tuple[Action, ...]], bool], break_lock: bool = False
) -> tuple[bool, tuple[Action, ...]]:
    """(whether it was asked to stop, what that does). Stopping what stands still is no error.

    Args:
        name: the cluster.
        ports: the world.
        confirm: sees what goes and what stays; False stops.
        break_lock: take the lock from another host.

    Raises:
        UnknownName: this store knows no such cluster.
        PermissionDenied: another account or region, or read-only.
        OperationFailed: it does not run, is somebody else's, or the target refuses.
    """
    record = read_record(ports.store, name)
    if record is None:
        raise UnknownName("cluster", name, cluster_names(ports.store), next="fmctl status")
    who = identity_in(ports, record.region, record.account, name)
    refuse_read_only(ports, name)
    step, shown = _step(Run(ports, name, record.region), record)
    if not confirm((step,)):
        return False, (step,)
    with locked(ports, name, break_lock, who):
        run = Run(ports, name, record.region)
        step, seen = _step(run, record)
        if seen != shown:
            raise changed_meanwhile(name, "another cluster has the name now")
        run.do("stop-fleet", step.token, {}, lambda: ports.target.stop(name, record.region))
        return True, (step,)


def _step(run: Run, record: Record) -> tuple[Action, str]:
    """(what a stop does, id of the cluster that it is done to). Raises where there is none that it can be done to."""
    actual, name = run.actual(), run.name
    if actual.state is None or actions.condition(actual.state) != Condition.READY:
        said = "it has no stack" if actual.state is None else f"its stack is {actual.state.status}"
        raise OperationFailed(f"the fleet of {name} cannot be stopped", why=said, next=f"fmctl status {name}")
    if not record.is_of(actual.state):
        raise not_ours(actual.state)
    nodes = sum(node.role == "compute" for node in actual.nodes)
    step = Action(
        "stop-fleet",
        "ask Slurm's compute fleet to stop; jobs that run are ended",
        destroys=(f"{nodes} compute nodes",),
        keeps=("the head node, its disk and file systems, which go on costing until teardown",),
        token=token(name, record.spec_digest, f"stop:{run.ports.clock.now().isoformat(timespec='seconds')}"),
    )
    return step, actual.state.id
