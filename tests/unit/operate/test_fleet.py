"""Stopping a fleet: asked of ParallelCluster once it was confirmed, on record, and of nobody else's cluster."""

from __future__ import annotations

import pytest

from fmctl.base.errors import FmctlError, OperationFailed, PermissionDenied, UnknownName
from fmctl.operate.fleet import stop_fleet
from fmctl.operate.launch import launch
from tests.unit.operate.cluster_fakes import NAME, Gate, World, ports, rendering, spec


def launched() -> tuple[World, dict[str, str]]:
    world, texts = World(), dict[str, str]()
    launch(spec(), rendering(), ports(world, Gate(), texts), confirm=lambda steps, money: True)
    return world, texts


@pytest.mark.parametrize("yes", [True, False])
def test_it_is_asked_only_where_it_was_confirmed(yes: bool) -> None:
    world, texts = launched()
    gate = Gate()
    done, (step,) = stop_fleet(NAME, ports(world, gate, texts, pid=2), confirm=lambda steps: yes)
    assert (done, "Pcluster.stop_fleet" in gate.points) == (yes, yes)
    assert step.destroys == ("10 compute nodes",) and "go on costing" in step.keeps[0]
    assert world.stacks[NAME]["status"] == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("change", "kind"),
    [("unknown", UnknownName), ("read-only", PermissionDenied), ("gone", OperationFailed), ("foreign", FmctlError)],
)
def test_what_may_not_be_stopped_is_refused_before_anything(change: str, kind: type[FmctlError]) -> None:
    world, texts = launched()
    if change == "gone":
        del world.stacks[NAME]
    if change == "foreign":
        world.stacks[NAME]["tags"] = {"fmctl:digest": "another"}
    gate = Gate()
    with pytest.raises(kind):
        stop_fleet("other" if change == "unknown" else NAME,
                   ports(world, gate, texts, pid=2, read_only=change == "read-only"),
                   confirm=lambda steps: True)  # fmt: skip
    assert "Pcluster.stop_fleet" not in gate.points
