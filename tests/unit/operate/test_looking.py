"""What looking costs, and what is made of what is seen: new events alone, the newest stack, no stack that is going."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cluster_fakes import NAME, FakePcluster, Gate, World, ports, rendering, spec

from fmctl.adapters.aws.cloud import AwsCloud
from fmctl.base.errors import OperationFailed, PermissionDenied
from fmctl.operate.launch import launch
from fmctl.operate.overview import listing
from fmctl.operate.records import read_record, region_of
from fmctl.targets.parallelcluster.marks import MARKS

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
ROOT, NESTED = "arn:aws:cloudformation:us-east-1:1:stack/run1/1", "arn:aws:cloudformation:us-east-1:1:stack/q/2"
A_PAGE = 3


class CloudFormation:
    """Events of stacks, newest first, in pages; which pages were asked for is counted."""

    def __init__(self) -> None:
        self.events: dict[str, list[dict[str, Any]]] = {NAME: [], NESTED: []}
        self.pages: list[str] = []

    def add(self, stack: str, number: int, **more: Any) -> None:
        event = {
            "EventId": f"{stack[-1]}-{number}", "StackId": ROOT if stack == NAME else stack,
            "LogicalResourceId": f"r{number}",
            "ResourceType": "AWS::IAM::Role", "ResourceStatus": "CREATE_COMPLETE",
            "Timestamp": AT + timedelta(seconds=number), "PhysicalResourceId": f"p{number}",
        }  # fmt: skip
        self.events[stack].insert(0, event | more)

    def get_paginator(self, operation: str) -> Any:
        def paginate(StackName: str) -> Iterator[Any]:
            found = self.events[StackName]
            for first in range(0, max(len(found), 1), A_PAGE):
                self.pages.append(StackName)
                yield {"StackEvents": found[first : first + A_PAGE]}

        return SimpleNamespace(paginate=paginate)


@pytest.fixture
def aws() -> tuple[CloudFormation, AwsCloud]:
    made = CloudFormation()
    return made, AwsCloud(SimpleNamespace(client=lambda name: made), MARKS)  # type: ignore[arg-type]


def test_a_watch_asks_for_new_events_alone(aws: tuple[CloudFormation, AwsCloud]) -> None:
    made, cloud = aws
    for number in range(30):
        made.add(NAME, number)
    first = cloud.stack_events(NAME)
    assert [one.logical_id for one in first] == [f"r{number}" for number in range(30)]
    assert len(made.pages) == 10
    made.pages.clear()
    assert cloud.stack_events(NAME, first[-1].id) == ()
    assert len(made.pages) == 1, "nothing new is one page"
    made.pages.clear()
    made.add(NAME, 30)
    made.add(NAME, 31)
    found = cloud.stack_events(NAME, first[-1].id)
    assert [one.logical_id for one in found] == ["r30", "r31"]
    assert len(made.pages) == 1
    assert cloud.stack_events(NAME, found[-1].id) == ()


def test_events_of_nested_stacks_are_read_once_and_go_on(aws: tuple[CloudFormation, AwsCloud]) -> None:
    made, cloud = aws
    nested = {"ResourceType": "AWS::CloudFormation::Stack", "PhysicalResourceId": NESTED, "LogicalResourceId": "Queue"}
    made.add(NAME, 1, **nested)
    for number in range(2, 12):
        made.add(NESTED, number)
    first = cloud.stack_events(NAME)
    assert [one.stack for one in first] == ["", *["Queue"] * 10]
    made.pages.clear()
    made.add(NESTED, 12)
    found = cloud.stack_events(NAME, first[-1].id)
    assert [(one.stack, one.logical_id) for one in found] == [("Queue", "r12")]
    assert sorted(made.pages) == sorted([NAME, NESTED])
    made.add(NAME, 13, **nested)
    assert [one.logical_id for one in cloud.stack_events(NAME, found[-1].id)] == ["Queue"]


def test_whoever_begins_in_the_middle_reads_all_once(aws: tuple[CloudFormation, AwsCloud]) -> None:
    made, cloud = aws
    for number in range(9):
        made.add(NAME, number)
    assert [one.logical_id for one in cloud.stack_events(NAME, f"{NAME[-1]}-5")] == ["r6", "r7", "r8"]
    assert len(cloud.stack_events(NAME, "an event that nobody knows")) == 9
    assert len(cloud.stack_events(NAME)) == 9


def test_a_cluster_made_anew_is_read_anew(aws: tuple[CloudFormation, AwsCloud]) -> None:
    made, cloud = aws
    for number in range(5):
        made.add(NAME, number)
    last = cloud.stack_events(NAME)[-1].id
    made.events[NAME] = []
    for number in range(100, 104):
        made.add(NAME, number)
    assert len(cloud.stack_events(NAME, last)) == 4


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_stacks_of_a_name_the_newest_counts(order: int) -> None:
    def stack(id: str, minutes: int, status: str) -> dict[str, Any]:
        created = AT + timedelta(minutes=minutes)
        return {"StackName": NAME, "StackId": id, "StackStatus": status, "CreationTime": created}

    found = [stack("old", 0, "CREATE_COMPLETE"), stack("new", 5, "CREATE_COMPLETE"), stack("x", 9, "DELETE_COMPLETE")]
    client = SimpleNamespace(describe_stacks=lambda StackName: {"Stacks": found[::order]})
    cloud = AwsCloud(SimpleNamespace(client=lambda name: client), MARKS)  # type: ignore[arg-type]
    seen = cloud.stack(NAME)
    assert seen is not None and seen.id == "new"


@pytest.mark.parametrize(("status", "said"), [("DELETE_IN_PROGRESS", "is being deleted"), (None, "is gone")])
def test_a_stack_that_goes_while_it_is_made_was_not_made(status: str | None, said: str) -> None:
    class Taken(FakePcluster):
        def create(self, name: str, config: str, region: str) -> None:
            super().create(name, config, region)
            if status is None:
                self.world.stacks.clear()
            else:
                self.world.delete(name)

    world, texts = World(), dict[str, str]()
    with pytest.raises(OperationFailed, match=said):
        launch(spec(), rendering(), ports(world, Gate(), texts, pcluster=Taken(world, Gate())), confirm=lambda *_: True)
    record = read_record(ports(world, Gate(), texts).store, NAME)
    assert record is not None and record.state == "failed"


def test_who_may_not_list_all_asks_about_each() -> None:
    class Few:
        def overview(self, clusters: Any) -> Any:
            raise PermissionDenied("AWS refuses the stacks", why="AccessDenied")

    target: Any = Few()
    assert listing(target, ["a", "b", "c", "d", "e"]) is target
    assert listing(target, ["a"]) is target


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ('{"region": "eu-north-1", "state": "running"}', "eu-north-1"),
        ('{"region": "eu-north-1", "state": "gone"}', None),
        ('{"region": ["eu-north-1"]}', None),
        ('{"region": "not a region; rm -rf /", "state": "running"}', None),
        ("{", None),
        ("[]", None),
    ],
)
def test_where_a_cluster_is_is_read_from_its_record_if_it_says_so(text: str, region: str | None) -> None:
    store = ports(World(), Gate(), {f"clusters/{NAME}.json": text}).store
    assert region_of(store, NAME) == region
    assert region_of(store, "other") is None
