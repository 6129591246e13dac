"""A teardown by hand: whose cluster it takes, what it waits for, what it spent and what is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cluster_fakes import NAME, FakeClock, FakeCloud, Gate, World, holder, ports, rendering, spec

from fmctl.base.errors import FmctlError, OperationFailed, PermissionDenied
from fmctl.domain.cluster import Capacity
from fmctl.domain.ports import Leftover, Reservation, StackEvent
from fmctl.operate.extension import extend
from fmctl.operate.launch import launch
from fmctl.operate.records import read_record
from fmctl.operate.state.locks import take
from fmctl.operate.steps import Ports
from fmctl.operate.teardown import plan_teardown, teardown
from fmctl.targets.parallelcluster.target import ParallelCluster


def there(world: World, **changes: Any) -> Ports:
    return ports(world, Gate(), changes.pop("texts", {}), **changes)


def launched(world: World, wanted: Any = None) -> Ports:
    """The cluster, launched and complete."""
    made = there(world)
    launch(wanted or spec(), rendering(), made, confirm=lambda steps, money: True)
    return made


def test_what_it_spent_is_its_hours_at_all_that_it_cost_an_hour() -> None:
    world = World()
    made = launched(world)
    record = read_record(made.store, NAME)
    assert record is not None and record.hourly_usd is not None
    created = world.stacks[NAME]["created"]
    world.advance(6 * 3600.0)
    torn = teardown(NAME, made, confirm=lambda steps, actual: True)
    assert (torn.done, torn.was, torn.retained) == (True, True, ())
    after = read_record(made.store, NAME)
    assert after is not None and after.spent_usd is not None and after.state == "gone"
    hours = after.spent_usd / record.hourly_usd
    assert 6.0 < hours <= (world.now - created) / timedelta(hours=1)
    again = teardown(NAME, made, confirm=lambda steps, actual: pytest.fail("nothing is left to ask for"))
    assert (again.done, again.was) == (True, False)
    kept = read_record(made.store, NAME)
    assert kept is not None and kept.spent_usd == after.spent_usd, "what it spent is not counted again"


def test_without_a_price_nothing_is_said_to_be_spent() -> None:
    world = World()
    made = launched(world, replace(spec(), usd_per_h=None))
    teardown(NAME, made, confirm=lambda steps, actual: True)
    record = read_record(made.store, NAME)
    assert record is not None and record.spent_usd is None


def test_a_lock_that_somebody_elsewhere_holds_is_taken_where_it_is_asked_for_alone() -> None:
    world = World()
    made = launched(world)
    take(made.store, NAME, holder(9, "desk"), made.clock, is_alive=lambda _: None)
    with pytest.raises(OperationFailed, match="locked"):
        teardown(NAME, made, confirm=lambda steps, actual: True)
    assert world.stacks[NAME]["status"] == "CREATE_COMPLETE"
    assert teardown(NAME, made, confirm=lambda steps, actual: True, break_lock=True).done


@pytest.mark.parametrize("command", [launch, extend])
def test_no_command_takes_such_a_lock_by_itself(command: Any) -> None:
    made = launched(World())
    take(made.store, NAME, holder(9, "desk"), made.clock, is_alive=lambda _: None)
    what = (spec(), rendering(), made) if command is launch else (NAME, 1, made)
    with pytest.raises(OperationFailed, match="locked"):
        command(*what, confirm=lambda *_: True)
    assert command(*what, confirm=lambda *_: True, break_lock=True).done


def test_a_no_changes_nothing() -> None:
    world = World()
    made = launched(world)
    before = dict(world.stacks[NAME])
    torn = teardown(NAME, made, confirm=lambda steps, actual: False)
    assert (torn.done, torn.was) == (False, True)
    assert (world.stacks[NAME], world.ends != {}) == (before, True)
    record = read_record(made.store, NAME)
    assert record is not None and record.state != "deleting"


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "tags",
    [
        {"fmctl:cluster": NAME, "fmctl:spec": "another", "parallelcluster:version": "3.16.1"},
        {"fmctl:cluster": "prod", "parallelcluster:version": "3.16.1"},
        {"fmctl:clusters": NAME, "fmctl-note": "x", "parallelcluster:version": "3.16.1"},
        {"fmctl:cluster": NAME},
        {"team": "research"},
        {},
    ],
)
def test_a_cluster_with_other_tags_is_somebody_else_s(known: bool, tags: dict[str, str]) -> None:
    world = World()
    made = launched(world)
    world.stacks[NAME]["tags"] = tags
    if not known:
        made = there(world)
        if tags.keys() >= {"fmctl:spec"}:
            assert teardown(NAME, made, confirm=lambda steps, actual: False).was, "fmctl made it, from another store"
            return
    with pytest.raises(OperationFailed) as refused:
        teardown(NAME, made, confirm=lambda steps, actual: pytest.fail("asked for a cluster of others"))
    assert world.stacks[NAME]["status"] == "CREATE_COMPLETE"
    if not known:
        assert refused.value.what == f"{NAME} was not made by fmctl"
        missing = "parallelcluster:version" if len(tags) < 2 else f"fmctl:cluster = {NAME}"
        assert (refused.value.why or "").startswith(f"its stack has no tag {missing}")
        assert refused.value.next == f"pcluster delete-cluster -n {NAME} -r us-east-1"


def test_another_region_than_the_record_s_is_refused_before_anything() -> None:
    made = launched(World())
    with pytest.raises(PermissionDenied) as refused:
        teardown(NAME, made, confirm=lambda steps, actual: True, region="eu-west-1")
    assert (refused.value.what, refused.value.next) == (f"{NAME} belongs to another region", "--region eu-west-1")
    assert plan_teardown(NAME, made, region="us-east-1")[0]


def test_what_could_not_be_deleted_is_left_out_once_and_said() -> None:
    world = World(stuck=1)
    made = launched(world)
    torn = teardown(NAME, made, confirm=lambda steps, actual: True)
    assert (torn.retained, world.retained) == (("ComputeSG",), ["ComputeSG"])
    assert "left out of the deletion: ComputeSG (sg-1 has a dependent object)" in torn.warnings
    record = read_record(made.store, NAME)
    assert record is not None and record.retained == ("ComputeSG",)


def test_a_deletion_that_fails_even_so_is_an_error_that_names_it() -> None:
    world = World(stuck=2)
    made = launched(world)
    with pytest.raises(OperationFailed) as failed:
        teardown(NAME, made, confirm=lambda steps, actual: True)
    assert "ComputeSG" in f"{failed.value.what} {failed.value.why} {failed.value.next}"
    assert world.stacks[NAME]["status"] == "DELETE_FAILED"


def test_a_deletion_that_gives_up_and_names_nothing_is_an_error() -> None:
    class Silent(FakeCloud):
        def stack_events(self, name: str, after: str | None = None) -> tuple[StackEvent, ...]:
            return ()

    world = World(stuck=1)
    made = there(world, texts=launched(world).store.texts, cloud=Silent(world, Gate()))  # type: ignore[attr-defined]
    with pytest.raises(OperationFailed) as failed:
        teardown(NAME, made, confirm=lambda steps, actual: True)
    assert failed.value.what.endswith("cannot be deleted, because AWS named no resource to leave out")
    assert world.stacks[NAME]["status"] == "DELETE_FAILED"
    assert world.retained == []


def test_what_cannot_be_listed_afterwards_is_said_and_stops_nothing() -> None:
    class Blind(FakeCloud):
        def leftovers(self, cluster: str) -> tuple[Leftover, ...]:
            if self.world.stacks:
                return super().leftovers(cluster)
            raise PermissionDenied("no right to list log groups", why="AccessDenied", next="another profile")

    world = World()
    made = there(world, texts=launched(world).store.texts, cloud=Blind(world, Gate()))  # type: ignore[attr-defined]
    torn = teardown(NAME, made, confirm=lambda steps, actual: True)
    assert torn.done and world.nothing()
    assert "what is left could not be listed: no right to list log groups: AccessDenied" in torn.warnings


def test_a_clock_before_the_creation_spends_nothing() -> None:
    world = World()
    made = launched(world)
    early = replace(made, clock=FakeClock(world, skew=-timedelta(days=1)))
    teardown(NAME, early, confirm=lambda steps, actual: True)
    record = read_record(made.store, NAME)
    assert record is not None and record.spent_usd == 0.0


class Slow(FakeCloud):
    """Instances that stay for some seconds after their stack; `asked`: how often somebody looked."""

    def __init__(self, world: World, seconds: float) -> None:
        super().__init__(world, Gate())
        self.seconds, self.gone_at = seconds, None

    def nodes(self, cluster: str) -> Any:
        there = super().nodes(cluster)
        if cluster in self.world.stacks:
            self.left = there or getattr(self, "left", ())
            self.gone_at = None
            return there
        self.gone_at = self.gone_at or self.world.now + timedelta(seconds=self.seconds)
        return self.left if self.world.now < self.gone_at else ()


@pytest.mark.parametrize(("stays_s", "waits_s"), [(0.0, 0.0), (120.0, 120.0), (3600.0, 300.0)])
def test_instances_have_five_minutes_to_go_after_their_stack(stays_s: float, waits_s: float) -> None:
    world = World()
    launched_ports = launched(world)
    slow = Slow(world, stays_s)
    target = ParallelCluster(lambda: launched_ports.target.pcluster, slow)  # type: ignore[attr-defined]
    made = replace(launched_ports, target=target)
    torn = teardown(NAME, made, confirm=lambda steps, actual: True)
    assert torn.done
    assert slow.gone_at is not None
    waited = (world.now - (slow.gone_at - timedelta(seconds=stays_s))).total_seconds()
    assert waits_s <= waited <= waits_s + 29.0


@pytest.mark.parametrize("state", ["active", "pending", "scheduled", "cancelled"])
def test_a_reservation_that_goes_on_is_named_with_its_price_a_day(state: str) -> None:
    world = World()
    wanted = replace(spec(), capacity=Capacity("odcr", "cr-1"))
    made = launched(world, wanted)
    world.reservations["cr-1"] = Reservation("cr-1", "p5.48xlarge", "us-east-1a", state, 12, 2, "default", None, None)
    torn = teardown(NAME, made, confirm=lambda steps, actual: True)
    found = [one for one in torn.leftovers if one.kind == "reservation"]
    if state == "cancelled":
        assert found == []
        return
    [left] = found
    # $983.2 an hour for 10 nodes: 12 reserved instances cost 12 x 98.32 x 24 a day.
    assert left.usd_per_day == pytest.approx(12 * 98.32 * 24)
    assert left.command == "aws ec2 cancel-capacity-reservation --capacity-reservation-id cr-1 --region us-east-1"
    assert left.why.startswith("12 x p5.48xlarge, billed until it is cancelled, used or not")


def test_a_full_disk_stops_it_and_says_how_to_delete_without_fmctl() -> None:
    world = World()
    made = launched(world)
    made.store.read_only = True  # type: ignore[attr-defined]
    with pytest.raises(FmctlError) as refused:
        teardown(NAME, made, confirm=lambda steps, actual: True)
    assert world.stacks[NAME]["status"] == "CREATE_COMPLETE"
    by_hand = made.target.by_hand(NAME, "us-east-1", ours=True)
    assert refused.value.next == f"free some space; without fmctl: {by_hand}"
    assert NAME in by_hand
