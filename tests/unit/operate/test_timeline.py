"""Events of a stack as spans: what took how long, and what is stuck."""

from __future__ import annotations

from datetime import timedelta

from fmctl.domain.ports import StackEvent
from fmctl.operate.timeline import phase, spans
from fmctl.report.timeline import timeline_answer
from fmctl.targets.parallelcluster.stacks import part_of
from fmctl.targets.target import Part
from tests.unit.operate.cluster_fakes import START


def event(at_s: float, name: str, status: str, kind: str = "AWS::IAM::Role", stack: str = "run1") -> Part:
    return part_of(StackEvent(START + timedelta(seconds=at_s), stack, name, kind, status, "", f"{at_s}{name}"))


def test_a_resource_far_beyond_its_usual_time_is_stuck_and_stands_first() -> None:
    events = [
        event(0, "run1", "CREATE_IN_PROGRESS", "AWS::CloudFormation::Stack"), event(0, "Role", "CREATE_IN_PROGRESS"),
        event(20, "Role", "CREATE_COMPLETE"), event(21, "Slow", "CREATE_IN_PROGRESS"),
        event(300, "Young", "CREATE_IN_PROGRESS"),
    ]  # fmt: skip
    answer = timeline_answer("run1", spans(events, START + timedelta(seconds=310)))
    assert [(row["resource"], row["state"]) for row in answer.rows] == [
        ("Slow", "stuck"), ("Young", "now"), ("Role", "done"),
    ]  # fmt: skip
    assert [row["took_s"] for row in answer.rows] == [289.0, 10.0, 20.0]
    report = answer.report()
    assert report.sections[0].lines == ("Slow (AWS::IAM::Role) is stuck: 289 s so far, usually 20 s",)


def test_only_the_phase_that_goes_on_is_shown() -> None:
    events = [event(0, "Role", "CREATE_IN_PROGRESS"), event(9, "Role", "CREATE_COMPLETE"),
              event(50, "Role", "DELETE_IN_PROGRESS")]  # fmt: skip
    (one,) = phase(spans(events, START + timedelta(seconds=60)))
    assert (one.status, one.took_s, one.slow) == ("DELETE_IN_PROGRESS", 10.0, False)


def test_a_failed_resource_says_why() -> None:
    failed = StackEvent(START, "run1", "Node", "AWS::EC2::Instance", "CREATE_FAILED", "no capacity", "1")
    report = timeline_answer("run1", spans([part_of(failed)], START)).report()
    assert report.sections[0].lines == ("Node (AWS::EC2::Instance) failed: no capacity",)


def test_no_events_are_no_stack() -> None:
    assert timeline_answer("run1", phase(spans([], START))).report().title == "no stack"
