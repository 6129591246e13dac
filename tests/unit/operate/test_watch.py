"""The event stream: what is said, how often AWS is asked, and what it keeps. Cloud and clock are fakes."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fmctl.base.errors import OperationFailed, PermissionDenied
from fmctl.domain.end import End
from fmctl.domain.ports import Node, Stack, StackEvent
from fmctl.operate.watch import FAILED_LOOKS, Event, Watch
from fmctl.targets.parallelcluster.stacks import usual_s
from fmctl.targets.parallelcluster.target import ParallelCluster

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class FakeClock:
    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.time += timedelta(seconds=seconds)

    def minute(self) -> float:
        return (self.time - START).total_seconds() / 60.0


class FakeCloud:
    """A cluster of `size` nodes that is complete after four minutes; every call is counted."""

    def __init__(self, clock: FakeClock, size: int = 64) -> None:
        self.clock, self.size, self.calls = clock, size, 0
        self.fails: list[Exception] = []
        self.ends: datetime | None = START + timedelta(hours=2)

    def _called(self) -> None:
        self.calls += 1
        if self.fails:
            raise self.fails.pop(0)

    def stack(self, name: str) -> Stack | None:
        self._called()
        if self.clock.minute() > 110:
            return None
        status = "CREATE_IN_PROGRESS" if self.clock.minute() < 4 else "CREATE_COMPLETE"
        return Stack(name, "arn", status, "", START, {})

    def stack_events(self, name: str, after: str | None = None) -> tuple[StackEvent, ...]:
        self._called()
        made = [
            ("0", 0.0, "Role", "AWS::IAM::Role", "CREATE_IN_PROGRESS", ""),
            ("1", 0.3, "Role", "AWS::IAM::Role", "CREATE_COMPLETE", ""),
            ("2", 0.5, "Slow", "AWS::Lambda::Function", "CREATE_IN_PROGRESS", ""),
            ("3", 3.9, "Slow", "AWS::Lambda::Function", "CREATE_COMPLETE", ""),
        ]
        return tuple(
            StackEvent(START + timedelta(minutes=at), "", logical, kind, status, reason, key)
            for key, at, logical, kind, status, reason in made
            if at <= self.clock.minute() and (after is None or key > after)
        )

    def nodes(self, cluster: str) -> tuple[Node, ...]:
        self._called()
        running = self.size if self.clock.minute() >= 5 else 0
        head = Node("i-h", "m6i.4xlarge", "head", "running", "z", "10.0.0.1", START)
        return (head, *(Node(f"i-{n}", "p5", "compute", "running", "z", "", START) for n in range(running)))

    def log_lines(self, cluster: str, stream: str, after: datetime | None = None) -> list[tuple[datetime, str]]:
        self.calls += 3  # groups, streams, lines
        line = "2026-11-22 12:02:00,000 - 1 - [slurm_plugin.x:y] - ERROR - InsufficientInstanceCapacity - none"
        at = START + timedelta(minutes=2)
        told = stream == "clustermgtd" and self.clock.minute() >= 2 and (after is None or at > after)
        return [(at, line)] if told else []

    def end(self, cluster: str, stack: str = "") -> End | None:
        self._called()
        return None if self.ends is None else End(self.ends)


def _no_program() -> Any:
    raise AssertionError("a watch never asks for it")


def watch(hours: float = 1.0, **more: Any) -> tuple[list[Event], FakeCloud, Watch]:
    clock = FakeClock()
    cloud = FakeCloud(clock)
    for error in more.pop("fails", ()):
        cloud.fails.append(error)
    aws: Any = cloud
    seen = Watch("c", ParallelCluster(_no_program, aws), clock, spread=lambda: 0.5, **more)
    return list(seen.events(until=lambda status: clock.minute() > 60 * hours)), cloud, seen


def test_a_creation_is_told_in_order() -> None:
    found, _, _ = watch(usd_per_h=6400.0, cap_usd=10_000.0, node_count=64)
    said = [(event.kind, event.name, event.status) for event in found if event.kind not in ("cost", "end")]
    assert said == [
        ("resource", "Role", "CREATE_IN_PROGRESS"),
        ("stack", "c", "CREATE_IN_PROGRESS"),
        ("nodes", "c", ""),
        ("resource", "Role", "CREATE_COMPLETE"),
        ("resource", "Slow", "CREATE_IN_PROGRESS"),
        ("slow", "Slow", "CREATE_IN_PROGRESS"),
        ("trouble", "c", "capacity"),
        ("resource", "Slow", "CREATE_COMPLETE"),
        ("stack", "c", "CREATE_COMPLETE"),
        ("nodes", "c", ""),
    ]
    took = next(event for event in found if event.status == "CREATE_COMPLETE" and event.name == "Role")
    assert took.text == "AWS::IAM::Role: after 18 s"
    assert next(event for event in found if event.kind == "slow").text.endswith(f"usually {usual_s('x'):.0f} s")
    assert all(event.at.tzinfo and event.source for event in found)
    assert found[-1].as_dict()["at"].endswith("+00:00")


def test_64_nodes_for_an_hour_ask_less_than_once_a_second() -> None:
    tracemalloc.start()
    _, cloud, seen = watch(hours=1.0, usd_per_h=6400.0, node_count=64)
    before = tracemalloc.get_traced_memory()[0]
    assert cloud.calls < 3600 / 8
    assert len(seen.under_way) == len(seen.called_slow) == 0
    watch(hours=1.5)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 256 * 1024


def test_nodes_that_never_come_are_asked_after_in_the_logs_and_seldom() -> None:
    found, cloud, _ = watch(hours=1.0, node_count=65)
    (told,) = [event for event in found if event.kind == "trouble"]
    assert (told.source, told.at) == ("logs", START + timedelta(minutes=2))
    assert "AWS has no capacity" in told.text
    assert "fmctl teardown c" in told.text
    assert cloud.calls < 3600 / 3


def test_cost_is_that_of_nodes_that_ran() -> None:
    # 64 nodes for 100 $/h each from minute 5 to 60, seen every 30 s: 64 x 100 x 55 / 60 = 5,867 $.
    _, _, seen = watch(usd_per_h=6400.0, node_count=64)
    assert seen.spent_usd == pytest.approx(5867, rel=0.02)
    over, _, _ = watch(usd_per_h=6400.0, node_count=64, cap_usd=1000.0)
    assert [event.status for event in over if event.kind == "cost"][-1] == "over"


def test_the_end_is_said_and_repeated_when_near() -> None:
    found, _, _ = watch(hours=1.95)
    ends = [event for event in found if event.kind == "end"]
    assert ends[0].text == "the stack will be deleted at 2026-11-22 14:00 UTC"
    assert {event.status for event in ends[1:]} == {"soon"}
    gone = [event for event in found if event.status == "GONE"]
    assert len(gone) == 1


def test_trouble_is_said_and_outlived() -> None:
    found, _, _ = watch(fails=[OperationFailed("throttled")] * 3)
    assert [event.status for event in found if event.kind == "trouble"] == ["1", "2", "3"]
    assert any(event.status == "CREATE_COMPLETE" for event in found)
    with pytest.raises(OperationFailed):
        watch(fails=[OperationFailed("throttled")] * FAILED_LOOKS)
    with pytest.raises(PermissionDenied):
        watch(fails=[PermissionDenied("expired")])
