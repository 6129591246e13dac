from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cluster_chaos import Case, points, prepared
from cluster_fakes import (
    NAME,
    REGION,
    START,
    FakeClock,
    FakeCloud,
    FakePcluster,
    FakeRendering,
    Gate,
    World,
    holder,
    ports,
    rendering,
    spec,
    written,
)

from fmctl.base.errors import (
    BUSY,
    FmctlError,
    OperationFailed,
    OperationTimeout,
    PermissionDenied,
    ServiceUnavailable,
    StalePlan,
    UnknownName,
    UsageError,
)
from fmctl.domain.cluster import Capacity, FileSystem
from fmctl.domain.end import End, Whose, end_name, role_name, warning_name
from fmctl.domain.ports import Finding, Leftover, Reservation, Stack
from fmctl.operate import actions
from fmctl.operate.actions import Actual, launch_actions, spec_digest, teardown_actions, token
from fmctl.operate.extension import extend
from fmctl.operate.journal import progress
from fmctl.operate.launch import launch, plan_launch
from fmctl.operate.records import cluster_names, read_record, write_record
from fmctl.operate.retry import LONGEST_S, TRIES, passing, patiently, pause
from fmctl.operate.state.locks import Holder, alive, this_process
from fmctl.operate.status import status
from fmctl.operate.steps import Run
from fmctl.operate.teardown import plan_teardown, teardown
from fmctl.targets.parallelcluster.failures import CAUSES, explain
from fmctl.targets.parallelcluster.stacks import state_of
from fmctl.targets.parallelcluster.target import WORDS
from fmctl.targets.target import Beside, Condition, State

END = START + timedelta(hours=24)

# Ten nodes; by hand: m6i.4xlarge 0.768, gp3 at 0.08 a GB-month of 730 h: ten roots of 200 GiB and the head's.
HOURLY = 983.2 + 0.768 + 11 * 200 * 0.08 / 730


def names(found: tuple[actions.Action, ...]) -> list[str]:
    return [action.name for action in found]


def stack(status: str = "CREATE_COMPLETE", tags: dict[str, str] | None = None) -> State:
    return state_of(Stack(NAME, "arn", status, "", START, rendering().tags if tags is None else tags))


def test_the_end_comes_before_the_first_gpu() -> None:
    found = launch_actions(spec(), WORDS, Beside(), Actual(), END)
    assert names(found) == ["check", "lock", "end-role", "end-schedule", "create", "wait", "verify"]
    create = found[4]
    assert create.usd_per_h == 983.2
    assert "10 x p5.48xlarge" in create.creates
    assert any("FSx" in kept for kept in create.keeps)
    assert sum(bool(action.usd_per_h) for action in found) == 1


def test_what_is_there_is_not_made_again() -> None:
    assert names(launch_actions(spec(), WORDS, Beside(), Actual(stack("CREATE_IN_PROGRESS"), End(END)), END)) == [
        "check",
        "lock",
        "wait",
        "verify",
    ]
    assert names(launch_actions(spec(), WORDS, Beside(), Actual(stack(), End(END)), END)) == ["check", "lock", "verify"]
    assert "end-schedule" in names(launch_actions(spec(), WORDS, Beside(), Actual(stack()), END))


def test_a_teardown_does_what_is_left_to_do() -> None:
    everything = ["stop-fleet", "delete", "wait", "remove-end", "sweep"]
    assert names(teardown_actions(NAME, "d", REGION, Actual(stack(), End(END)))) == everything
    assert names(teardown_actions(NAME, "d", REGION, Actual(stack("CREATE_FAILED"), End(END)))) == everything[1:]
    assert names(teardown_actions(NAME, "d", REGION, Actual(stack("DELETE_IN_PROGRESS"), End(END)))) == everything[2:]
    assert names(teardown_actions(NAME, "d", REGION, Actual(end=End(END)))) == everything[3:]
    assert teardown_actions(NAME, "d", REGION, Actual()) == ()
    assert names(teardown_actions(NAME, "d", REGION, Actual(), arranged=True)) == everything[3:]
    role = Leftover("IAM role", role_name(NAME, REGION), 0.0, "")
    assert names(teardown_actions(NAME, "d", REGION, Actual(leftovers=(role,)))) == everything[3:]


@pytest.mark.parametrize("length", [54, 55, 57, 60])
def test_the_end_of_a_long_name_is_planned_and_torn_down_by_the_name_that_aws_knows(length: int) -> None:
    name = "c" * length
    role = Leftover("IAM role", f"arn:aws:iam::123456789012:role/{role_name(name, REGION)}", 0.0, "")
    steps = teardown_actions(name, "d", REGION, Actual(leftovers=(role,)))
    assert names(steps) == ["remove-end", "sweep"]
    schedules, role_of = f"schedules {end_name(name)} and {warning_name(name)}", f"IAM role {role_name(name, REGION)}"
    assert steps[0].destroys == (schedules, role_of)
    assert max(len(end_name(name)), len(warning_name(name)), len(role_name(name, REGION))) <= 64
    named = launch_actions(replace(spec(), name=name), WORDS, Beside(), Actual(), END)
    assert {thing for step in named if step.name.startswith("end-") for thing in step.creates} == {
        f"IAM role {role_name(name, REGION)}", f"schedule {end_name(name)}",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("CREATE_IN_PROGRESS", Condition.GROWING),
        ("CREATE_COMPLETE", Condition.READY),
        ("UPDATE_IN_PROGRESS", Condition.READY),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Condition.READY),
        ("UPDATE_ROLLBACK_COMPLETE", Condition.READY),
        ("UPDATE_ROLLBACK_FAILED", Condition.BROKEN),
        ("CREATE_FAILED", Condition.BROKEN),
        ("ROLLBACK_IN_PROGRESS", Condition.BROKEN),
        ("ROLLBACK_COMPLETE", Condition.BROKEN),
        ("DELETE_IN_PROGRESS", Condition.GOING),
        ("DELETE_FAILED", Condition.STUCK),
        ("DELETE_COMPLETE", Condition.MISSING),
    ],
)
def test_every_status_of_a_stack_means_something(found: str, expected: str) -> None:
    assert actions.condition(stack(found)) == expected


def test_tokens_depend_on_name_spec_and_step_and_on_nothing_else() -> None:
    one = token(NAME, spec_digest(spec()), "create")
    assert one == token(NAME, spec_digest(spec()), "create")
    other = spec_digest(replace(spec(), max_hours=25.0))
    assert (
        len({one, token("b", spec_digest(spec()), "create"), token(NAME, other, "create"), token(NAME, "", "x")}) == 4
    )
    assert len(one) == 32
    assert one.isalnum()


def test_a_dry_run_changes_and_locks_nothing() -> None:
    case = Case()
    gate = Gate()
    seen = ports(case.world, gate, case.texts)
    steps, money = plan_launch(spec(), rendering(), seen)
    assert "create" in names(steps)
    assert money.cap_usd == pytest.approx(HOURLY * 24)
    assert money.account == "123456789012"
    assert case.world.nothing()
    assert case.texts == {}
    assert not [label for label in gate.points if label.startswith(("write", "journal", "Pcluster"))]
    case = prepared("teardown")
    steps, actual = plan_teardown(NAME, ports(case.world, Gate(), case.texts))
    assert names(steps)[0] == "stop-fleet"
    assert len(actual.nodes) == 10
    assert case.world.stacks


def test_without_a_yes_nothing_is_made_or_destroyed() -> None:
    case = Case()
    launched = launch(spec(), rendering(), ports(case.world, Gate(), case.texts), confirm=lambda *_: False)
    assert not launched.done
    assert case.world.nothing()
    assert not case.texts
    case = prepared("teardown")
    assert not teardown(NAME, ports(case.world, Gate(), case.texts), confirm=lambda *_: False).done
    assert case.world.stacks
    assert case.world.ends
    case.free()


def test_a_second_launch_finds_it_running_and_asks_nothing() -> None:
    case = prepared("teardown")

    def never(*_: Any) -> bool:
        raise AssertionError("nothing to confirm")

    launched = launch(spec(), rendering(), ports(case.world, Gate(), case.texts, 2), confirm=never)
    assert launched.done
    assert not launched.created
    assert launched.record.state == "running"


def test_tearing_down_what_is_gone_is_no_error_and_says_so() -> None:
    case = prepared("teardown")
    assert case.run("teardown") == "gone"
    again = teardown(NAME, ports(case.world, Gate(), case.texts, 9), confirm=lambda *_: True)
    assert (again.done, again.was) == (True, False)
    assert [one.kind for one in again.leftovers] == ["log group"]
    record = read_record(ports(case.world, Gate(), case.texts).store, NAME)
    assert record is not None
    assert record.state == "gone"


def test_the_same_name_can_be_launched_again_after_a_teardown() -> None:
    case = prepared("teardown")
    case.run("teardown")
    case.world.advance(3600)
    assert case.run("launch") == "running"
    assert case.world.ends[NAME] == case.world.stacks[NAME]["created"] + timedelta(hours=24)


def test_a_launch_stops_waiting_and_says_that_it_goes_on() -> None:
    case = Case()
    with pytest.raises(OperationTimeout, match="stopped waiting") as caught:
        launch(spec(), rendering(), ports(case.world, Gate(), case.texts), confirm=lambda *_: True, timeout_s=15.0)
    assert "deletes it at" in (caught.value.why or "")
    assert case.run("launch") == "running"
    assert case.world.made.count(f"stack {NAME}") == 1


def test_a_stale_plan_stops_before_anything() -> None:
    case = Case()

    def stale() -> None:
        raise StalePlan("the price changed", next="fmctl plan again")

    with pytest.raises(StalePlan):
        launch(spec(), rendering(), ports(case.world, Gate(), case.texts), confirm=lambda *_: True, check=stale)
    assert not case.texts


def test_a_rendering_without_its_tags_is_refused() -> None:
    case = Case()
    seen = ports(case.world, Gate(), case.texts)
    for wrong in (
        FakeRendering("Region: x", "d", rendering().tags),
        FakeRendering(rendering().config, "d", {}),
        FakeRendering("{", "d", rendering().tags),
    ):
        with pytest.raises(UsageError):
            launch(spec(), wrong, seen, confirm=lambda *_: True)
    assert case.world.nothing()


def test_read_only_spends_and_destroys_nothing() -> None:
    case = prepared("teardown")
    seen = ports(case.world, Gate(), case.texts, 5, read_only=True)
    for command in (
        lambda: launch(spec(), rendering(), seen, confirm=lambda *_: True),
        lambda: teardown(NAME, seen, confirm=lambda *_: True),
        lambda: extend(NAME, 1, seen, confirm=lambda *_: True),
    ):
        with pytest.raises(PermissionDenied, match="switched off"):
            command()
    assert status(NAME, seen).condition == "ready"


def test_somebody_elses_cluster_is_left_alone() -> None:
    case = Case()
    case.world.create(NAME, {"parallelcluster:version": "3.16.1"})
    case.world.advance(60)
    for command in ("teardown", "launch"):
        said = case.run(command)
        assert "not made by fmctl" in said or "is not this one" in said
    assert case.world.stacks[NAME]["status"] == "CREATE_COMPLETE"


def test_a_cluster_this_store_never_knew_is_torn_down_by_its_tags() -> None:
    case = prepared("teardown")
    case.texts.clear()
    assert case.run("teardown") == "gone"
    assert case.world.nothing()


def test_an_unknown_end_is_not_overwritten() -> None:
    case = prepared("teardown")
    del case.world.stacks[NAME]
    case.texts.clear()
    assert "somebody is launching" in case.run("launch")
    assert case.run("teardown") == "gone"


@pytest.mark.parametrize("lost", ["journals/", "clusters/"])
def test_an_end_is_our_own_only_where_record_and_journal_both_say_so(lost: str) -> None:
    case = prepared("teardown")
    del case.world.stacks[NAME]
    for key in [key for key in case.texts if key.startswith(lost)]:
        del case.texts[key]
    assert "somebody is launching" in case.run("launch")


def test_a_wrong_place_is_refused_for_every_command() -> None:
    case = prepared("teardown")
    elsewhere = FakeCloud(case.world, Gate(), account="210987654321")
    seen = ports(case.world, Gate(), case.texts, 5, cloud=elsewhere)
    for command in (
        lambda: teardown(NAME, seen, confirm=lambda *_: True),
        lambda: extend(NAME, 1, seen, confirm=lambda *_: True),
        lambda: status(NAME, seen),
    ):
        with pytest.raises(PermissionDenied) as caught:
            command()
        assert "123456789012" not in str(caught.value.lines())
    with pytest.raises(PermissionDenied, match="belongs to another region"):
        teardown(NAME, ports(case.world, Gate(), case.texts), confirm=lambda *_: True, region="eu-west-1")


def test_extending_moves_the_end_and_the_cap() -> None:
    case = prepared("teardown")
    before = case.world.ends[NAME]
    asked: list[Any] = []
    seen = ports(case.world, Gate(), case.texts, 5)
    extend(NAME, 12, seen, confirm=lambda end, usd: not asked.append((end, usd)))
    assert case.world.ends[NAME] == before + timedelta(hours=12)
    assert asked == [(before + timedelta(hours=12), pytest.approx(HOURLY * 12))]
    found = status(NAME, seen)
    assert found.cap_usd == pytest.approx(HOURLY * 36, rel=1e-3)
    assert case.run("launch") == "running", "a launch keeps the later end"
    assert case.world.ends[NAME] == before + timedelta(hours=12)
    extend(NAME, 12, seen, confirm=lambda *_: False)
    assert case.world.ends[NAME] == before + timedelta(hours=12)
    with pytest.raises(UsageError):
        extend(NAME, -1, seen, confirm=lambda *_: True)
    with pytest.raises(UnknownName):
        extend("other", 1, seen, confirm=lambda *_: True)
    case.world.stacks[NAME]["status"] = "ROLLBACK_COMPLETE"
    with pytest.raises(OperationFailed, match="does not run"):
        extend(NAME, 1, seen, confirm=lambda *_: True)
    case.run("teardown")
    with pytest.raises(OperationFailed, match="does not run"):
        extend(NAME, 1, seen, confirm=lambda *_: True)


def test_an_extension_counts_from_the_end_that_aws_has_else_from_the_record_s() -> None:
    case = prepared("teardown")
    seen = ports(case.world, Gate(), case.texts, 5)
    case.world.ends[NAME] += timedelta(hours=5)
    known = case.world.ends[NAME]
    assert extend(NAME, 12, seen, confirm=lambda *_: True).record.end == known + timedelta(hours=12)
    del case.world.ends[NAME]
    assert extend(NAME, 12, seen, confirm=lambda *_: True).record.end == known + timedelta(hours=24)
    assert case.world.ends[NAME] == known + timedelta(hours=24)


@pytest.mark.parametrize(("seconds", "stands"), [(-60, True), (60, True), (-61, False), (61, False)])
def test_an_end_stands_where_it_is_at_most_a_minute_from_what_was_wanted(seconds: int, stands: bool) -> None:
    class Rounding(FakeCloud):
        def put_end(self, cluster: str, at: datetime, role_arn: str, token: str, whose: Whose) -> None:
            super().put_end(cluster, at + timedelta(seconds=seconds), role_arn, token, whose)

    case = Case()
    case.changes["cloud"] = Rounding(case.world, Gate())
    said = case.run("launch")
    assert (said == "running") is stands
    assert ("is not scheduled" in said) is not stands
    assert bool(case.world.stacks) is stands


@pytest.mark.parametrize(("hours", "kept"), [(2.3, True), (2.5, False)])
def test_a_launch_that_goes_on_keeps_its_end_while_nine_tenths_of_the_time_are_left(hours: float, kept: bool) -> None:
    case = Case()
    case.run("launch", Gate("before", points("launch").index("Pcluster.create")))
    end = case.world.ends[NAME]
    case.world.advance(hours * 3600)
    again = case.world.now
    assert case.run("launch") == "running"
    grace = timedelta(minutes=2)  # whether the creation went through after all
    assert case.world.ends[NAME] == (end if kept else again + grace + timedelta(hours=24))


def test_an_end_that_nobody_knows_is_counted_from_the_creation_in_whole_seconds() -> None:
    case = Case(World(now=START + timedelta(microseconds=7)))
    case.run("launch")
    case.world.ends.clear()
    case.world.roles.clear()
    case.texts.clear()
    assert case.run("launch") == "running"
    created = case.world.stacks[NAME]["created"]
    assert case.world.ends[NAME] == created.replace(microsecond=0) + timedelta(hours=24)


def test_an_end_that_goes_missing_while_the_cluster_is_made_comes_back_where_it_was() -> None:
    class Forgets(FakePcluster):
        def create(self, name: str, config: str, region: str) -> None:
            self.world.advance(300)
            super().create(name, config, region)
            self.world.ends.clear()

    case = Case()
    case.changes["pcluster"] = Forgets(case.world, Gate())
    assert case.run("launch") == "running"
    assert case.world.ends[NAME] == START + timedelta(hours=24), "not five minutes later"


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ("aws sso login", "aws sso login; fmctl launch llama again goes on where it stopped"),
        ("fmctl teardown run1", "fmctl teardown run1"),
    ],
)
def test_whoever_has_no_right_any_more_hears_how_the_launch_goes_on(known: str, said: str) -> None:
    class Expired(FakePcluster):
        def create(self, name: str, config: str, region: str) -> None:
            raise PermissionDenied("no right", why="it expired", next=known)

    case = Case()
    seen = ports(case.world, Gate(), case.texts, pcluster=Expired(case.world, Gate()))
    with pytest.raises(PermissionDenied) as refused:
        launch(spec(), rendering(), seen, confirm=lambda *_: True)
    assert refused.value.next == said
    assert refused.value.why == "it expired; if anything was made, AWS deletes it at 2026-11-23 09:00 UTC"


def test_a_name_that_somebody_took_in_the_meantime_is_not_ours() -> None:
    class Raced(FakePcluster):
        def create(self, name: str, config: str, region: str) -> None:
            self.world.create(name, {"fmctl:cluster": NAME, "fmctl:digest": "another"})
            super().create(name, config, region)

    case = Case()
    case.changes["pcluster"] = Raced(case.world, Gate())
    assert "is not this one" in case.run("launch")


@pytest.mark.parametrize(("error", "result"), [(ServiceUnavailable, "unknown"), (OperationFailed, "failed")])
def test_what_may_have_been_done_is_on_record_as_unknown(error: type[FmctlError], result: str) -> None:
    class Failing(FakePcluster):
        def create(self, name: str, config: str, region: str) -> None:
            raise error("no answer", why="x", next="y")

    case = Case()
    case.changes["pcluster"] = Failing(case.world, Gate())
    case.run("launch")
    last = written(ports(case.world, Gate(), case.texts).store, NAME)[-1]
    assert (last.action, last.kind, last.data["result"]) == ("create", "outcome", result)


def test_a_creation_that_nobody_saw_is_looked_for_every_ten_seconds_for_two_minutes() -> None:
    case = Case()
    gate = Gate()
    seen = ports(case.world, gate, case.texts)
    assert Run(seen, NAME, "us-east-1").late_state() is None
    assert gate.points.count("Cloud.stack") == 13
    assert case.world.now == START + timedelta(minutes=2)


def test_a_teardown_of_what_only_has_an_end_left_does_not_wait() -> None:
    case = prepared("teardown")
    case.world.stacks.clear()
    began = case.world.now
    assert case.run("teardown") == "gone"
    assert case.world.nothing()
    assert case.world.now == began
    before = dict(case.texts)
    assert case.run("teardown") == "gone"
    assert case.texts == before, "what is gone and closed is not written again"


def test_waits_share_one_patience_of_two_hours() -> None:
    case = prepared("teardown")
    seen = ports(case.world, Gate(), case.texts, 5)
    run, began = Run(seen, NAME, "us-east-1"), case.world.now
    later = began + timedelta(hours=1.5)
    assert run.wait(lambda: case.world.now >= later or None, "the first")
    with pytest.raises(OperationTimeout):
        run.wait(lambda: None, "a moment", most_s=600.0)
    assert case.world.now == later + timedelta(minutes=10)
    with pytest.raises(OperationTimeout):
        run.wait(lambda: None, "the rest")
    assert case.world.now == began + timedelta(hours=2, minutes=10), "a wait of its own takes nothing from it"


def test_the_journal_says_why_a_step_failed() -> None:
    case = Case()
    asked = points("launch").index("Pcluster.create")
    case.run("launch", Gate("expired", asked))
    (failed,) = [one for one in written(ports(case.world, Gate(), case.texts).store, NAME) if one.data.get("error")]
    assert (failed.action, failed.kind) == ("create", "outcome")
    assert failed.data == {
        "result": "failed", "error": "permission", "what": "the credentials have expired", "why": "ExpiredToken",
    }  # fmt: skip


def test_a_teardown_that_broke_off_after_the_cluster_was_gone_is_brought_to_its_end() -> None:
    case = prepared("teardown")
    assert case.run("teardown") == "gone"
    case.world.roles[NAME] = ""
    again = Gate("after", None)
    case.run("teardown", again)
    case.world.roles[NAME] = ""
    case.run("teardown", Gate("after", again.points.index("Cloud.remove_end")))
    store = ports(case.world, Gate(), case.texts).store
    assert progress(written(store, NAME)).open == {"remove-end"}
    assert case.run("teardown") == "gone"
    assert not progress(written(store, NAME)).open


def test_status_says_out_of_the_logs_why_nodes_are_missing() -> None:
    case = prepared("teardown")
    case.world.fleet = 4
    seen = ports(case.world, Gate(), case.texts, 5)
    assert status(NAME, seen).trouble == ""
    line = "2026-11-22 09:00:00,000 - 1 - [slurm_plugin.x:y] - ERROR - InsufficientInstanceCapacity - us-east-1d"
    case.world.logs = [(case.world.now, "ip-10-0-0-1.i-0.clustermgtd", line)]
    found = status(NAME, seen)
    assert "AWS has no capacity" in found.trouble
    assert "us-east-1d" in found.trouble
    assert found.next.startswith(f"fmctl teardown {NAME}")
    case.world.fleet = 10
    assert status(NAME, seen).trouble == "", "all nodes are there: an old line is no reason"
    case.world.fleet = 4
    case.world.advance(3600)
    assert status(NAME, seen).trouble == "", "an hour ago is no reason now"
    case.world.fleet = 10
    assert status(NAME, seen).trouble == ""


def test_a_reservation_goes_on_being_billed_and_is_named_after_teardown() -> None:
    case = prepared("teardown")
    held = "cr-0123456789abcdef0"
    record = read_record(ports(case.world, Gate(), case.texts, 5).store, NAME)
    assert record is not None
    seen = ports(case.world, Gate(), case.texts, 5)
    write_record(seen.store, replace(record, purchase="odcr", reused=(f"reservation {held}", "bucket b")))
    case.world.reservations[held] = Reservation(held, "p5.48xlarge", "a", "active", 12, 2, "default", None, None)
    torn = teardown(NAME, seen, confirm=lambda *_: True)
    (left,) = [one for one in torn.leftovers if one.kind == "reservation"]
    assert left.usd_per_day == pytest.approx(983.2 / 10 * 24 * 12)
    assert left.command.endswith(f"--capacity-reservation-id {held} --region us-east-1")
    again = teardown(NAME, ports(case.world, Gate(), case.texts, 5), confirm=lambda *_: True)
    assert [one.id for one in again.leftovers if one.kind == "reservation"] == [held]
    case.world.reservations.clear()
    again = teardown(NAME, ports(case.world, Gate(), case.texts, 5), confirm=lambda *_: True)
    assert not [one for one in again.leftovers if one.kind == "reservation"]


def test_status_counts_the_money_and_says_what_is_next() -> None:
    case = prepared("teardown")
    case.world.advance(3600 * 3)
    seen = ports(case.world, Gate(), case.texts, 5)
    found = status(NAME, seen)
    assert found.spent_usd == pytest.approx(HOURLY * 3, rel=0.02)
    assert found.cap_usd == pytest.approx(HOURLY * 24)
    assert found.next == f"fmctl watch {NAME}"
    assert cluster_names(seen.store) == [NAME]
    del case.world.ends[NAME]
    assert status(NAME, seen).trouble == "nothing will delete it by itself"
    assert status(NAME, seen).next == f"fmctl extend {NAME} HOURS arranges it again, or fmctl teardown {NAME}"
    case.world.stacks[NAME]["status"] = "ROLLBACK_COMPLETE"
    assert status(NAME, seen).next == f"fmctl teardown {NAME}"
    case.world.stacks.clear()
    case.world.roles.clear()
    assert status(NAME, seen).condition == "missing"
    assert status(NAME, seen).next == f"fmctl teardown {NAME} removes what its end left"
    with pytest.raises(UnknownName) as caught:
        status("run2", seen)
    assert caught.value.suggestions == [NAME]


def test_an_end_that_went_missing_is_arranged_again() -> None:
    case = prepared("teardown")
    del case.world.ends[NAME]
    assert case.run("launch") == "running"
    assert case.world.ends[NAME] == case.world.stacks[NAME]["created"] + timedelta(hours=24)


def test_a_cluster_past_its_end_is_not_taken_for_a_running_one() -> None:
    case = prepared("teardown")
    case.world.ends.clear()
    case.world.advance(3600 * 30)
    assert "time of run1 is over" in case.run("launch")


def test_fewer_nodes_than_wanted_is_a_warning() -> None:
    case = Case(World(fleet=3, findings=(Finding("WARNING", "PlacementGroup", "mind the gap"),)))
    launched = launch(spec(), rendering(), ports(case.world, Gate(), case.texts), confirm=lambda *_: True)
    assert "mind the gap" in launched.warnings[0]
    assert launched.warnings[1].startswith("3 of 10 nodes")


def test_a_fleet_that_cannot_be_stopped_does_not_keep_the_cluster_alive() -> None:
    case = prepared("teardown")
    seen = ports(case.world, Gate(), case.texts, 5)

    def no(*_: Any) -> None:
        raise OperationFailed("no head node", why="it does not answer")

    seen.target.pcluster.stop_fleet = no  # type: ignore[method-assign]
    seen.target.pcluster.delete = no  # type: ignore[method-assign]
    torn = teardown(NAME, seen, confirm=lambda *_: True)
    assert torn.done
    assert case.world.nothing()
    assert torn.warnings == (
        "the fleet could not be stopped first: it does not answer",
        "ParallelCluster would not delete it (it does not answer); CloudFormation was asked",
    )


def test_what_stays_is_said_before() -> None:
    kept = actions.stays(
        replace(spec(file_system=FileSystem(id="fs-1"), bucket="b"), capacity=Capacity("odcr", "cr-1")), WORDS
    )
    assert {"file system fs-1", "reservation cr-1", "bucket b"} <= set(kept)


@pytest.mark.parametrize("cause", [cause.name for cause in CAUSES])
def test_every_cause_says_what_and_what_next_in_one_line(cause: str) -> None:
    found = next(one for one in CAUSES if one.name == cause)
    for text in (found.what, found.next):
        assert "\n" not in text.format(name=NAME)
    assert "teardown" in found.next


def test_the_cause_wins_over_its_echoes_and_is_quoted() -> None:
    described = {
        "failures": [{"failureCode": "HeadNodeBootstrapFailure", "failureReason": "cluster creation timed out"}]
    }
    reasons = ["Resource creation cancelled", "VcpuLimitExceeded: 0 vCPUs"]
    found = explain(NAME, (), described, reasons)
    assert "quota" in found.what
    assert found.why == "VcpuLimitExceeded: 0 vCPUs"
    assert "gives no reason" in (explain(NAME).why or "")


def test_patience_is_bounded_and_grows() -> None:
    clock = FakeClock(World())
    calls: list[int] = []

    def busy() -> None:
        calls.append(1)
        raise ServiceUnavailable("busy")

    with pytest.raises(ServiceUnavailable):
        patiently(busy, clock, lambda: 1.0)
    assert len(calls) == TRIES
    assert clock.slept == sum(pause(n, lambda: 1.0) for n in range(TRIES - 1)) < 120
    assert max(pause(n, lambda: 1.0) for n in range(50)) == LONGEST_S
    assert pause(3, lambda: 0.0) == pause(3, lambda: 1.0) / 2


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ServiceUnavailable("x"), True),
        (OperationFailed("x", cause=BUSY), True),
        (OperationFailed("x", why="ThrottlingException: Rate exceeded"), False),  # words are not searched
        (OperationFailed("x", why="ValidationError", cause="ValidationError"), False),
        (PermissionDenied("x", why="ThrottlingException"), False),
    ],
)
def test_only_what_may_pass_is_tried_again(error: FmctlError, again: bool) -> None:
    assert passing(error) is again


def test_a_process_is_known_dead_only_on_its_own_host() -> None:
    me = this_process()
    assert alive(me) is True
    assert alive(replace(me, pid=2**22 - 3)) is False
    assert alive(replace(me, started="1")) is False, "another process has its number now"
    assert alive(replace(me, boot="before")) is False
    assert alive(replace(me, host="elsewhere")) is None
    assert alive(replace(me, machine="elsewhere")) is None
    assert me.pid == os.getpid()
    assert isinstance(holder(1), Holder)


def test_an_extension_keeps_the_permissions_boundary_that_is_stored_masked() -> None:
    case, edge = Case(), "arn:aws:iam::123456789012:policy/edge"
    seen = ports(case.world, Gate(), case.texts)
    launch(spec(permissions_boundary=edge), rendering(), seen, confirm=lambda *_: True)
    assert "123456789012" not in str(case.texts)
    case.world.boundary = None
    extend(NAME, 1, seen, confirm=lambda *_: True)
    assert case.world.boundary == edge


def test_a_clock_that_is_ahead_does_not_declare_a_cluster_over() -> None:
    case = prepared("teardown")
    case.changes["clock"] = FakeClock(case.world, timedelta(days=30))
    assert case.run("launch") == "running"


def test_a_launch_after_the_end_came_is_a_new_one() -> None:
    case = prepared("teardown")
    extend(NAME, 12, ports(case.world, Gate(), case.texts, 5), confirm=lambda *_: True)
    case.world.advance(3600 * 37)
    case.world.advance(60)
    assert not case.world.stacks
    assert case.run("launch") == "running"
    record = read_record(ports(case.world, Gate(), case.texts).store, NAME)
    assert record is not None
    assert record.max_hours == 24.0, "extensions of the last one do not count"


def test_the_controller_loads_no_heavy_library() -> None:
    probe = "import sys, fmctl.operate.launch, fmctl.operate.extension, fmctl.operate.status, fmctl.operate.teardown, "
    probe += "fmctl.adapters.aws.cloud, fmctl.adapters.aws.s3store; "
    probe += "print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) & {"boto3", "botocore", "pydantic", "numpy", "yaml", "typer"} == set()


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "1run", "a" * 61, "a/b", "a.b"])
def test_a_name_that_is_none_reaches_no_file_and_no_cloud(name: str) -> None:
    gate = Gate()
    seen = ports(World(), gate, {})
    for command in (
        lambda: status(name, seen),
        lambda: teardown(name, seen, confirm=lambda *_: True),
        lambda: launch(replace(spec(), name=name), rendering(), seen, confirm=lambda *_: True),
        lambda: extend(name, 1, seen, confirm=lambda *_: True),
    ):
        with pytest.raises(UsageError, match="cannot be the name of a cluster"):
            command()
    assert gate.points == []


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan"), float("inf")])
def test_a_launch_without_an_end_is_refused(hours: float) -> None:
    with pytest.raises(UsageError, match="needs an end"):
        launch(replace(spec(), max_hours=hours), rendering(), ports(World(), Gate(), {}), confirm=lambda *_: True)


def test_whoever_waits_hears_what_happens() -> None:
    case, heard = Case(), []
    launch(spec(), rendering(), ports(case.world, Gate(), case.texts, say=heard.append), confirm=lambda *_: True)
    assert [line.removeprefix(f"{NAME}: ") for line in heard] == [
        "no stack",
        "end-role",
        "end-schedule",
        "create",
        "CREATE_IN_PROGRESS",
        "CREATE_COMPLETE",
        "end-role",  # bound to the very stack, now that there is one
        "end-schedule",
    ]
