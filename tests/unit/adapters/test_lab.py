"""The parts of the lab that need no moto: its clock, its rules, its timeline, and how it is found."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fmctl.adapters.lab import process, requests, timeline
from fmctl.adapters.lab.faults import BadRule, Faults
from fmctl.adapters.lab.settings import STATE, Running, site_text
from fmctl.adapters.lab.timeline import Part, Row
from fmctl.adapters.lab.world import World
from fmctl.base.errors import OperationFailed
from fmctl.domain.cluster import Site, site_with

PART = Part(
    "c1",
    "arn:c1",
    {
        "Role": {"Type": "AWS::IAM::Role"},
        "Table": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain"},
        "HeadNode": {"Type": "AWS::EC2::Instance", "Properties": {"Role": {"Ref": "Role"}}},
        "Queues": {"Type": timeline.STACK, "DependsOn": "Role"},
        "Wait": {"Type": "AWS::CloudFormation::WaitCondition",
                 "Properties": {"X": {"Fn::Sub": "${HeadNode.Arn} ${AWS::Region}"},
                                "Y": {"Fn::GetAtt": ["Queues", "Z"]}}},
    },
    {"Role": "role-1"},
    {"Queues": Part("c1-Queues", "arn:c1-Queues", {"Template": {"Type": "AWS::EC2::LaunchTemplate"}})},
)  # fmt: skip


def statuses(rows: tuple[Row, ...], logical: str) -> list[str]:
    return [row.status for row in rows if row.logical == logical]


def at(rows: tuple[Row, ...], logical: str, status: str) -> float:
    return next(row.at for row in rows if (row.logical, row.status) == (logical, status))


def test_a_creation_waits_for_what_it_refers_to_and_repeats_itself() -> None:
    made = timeline.creation(PART)
    assert made == timeline.creation(PART)
    assert [row.at for row in made.rows] == sorted(row.at for row in made.rows)
    assert statuses(made.rows, "c1") == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    for later, earlier in (("HeadNode", "Role"), ("Queues", "Role"), ("Wait", "HeadNode"), ("Wait", "Queues")):
        assert at(made.rows, later, "CREATE_IN_PROGRESS") >= at(made.rows, earlier, "CREATE_COMPLETE")
    start, inner = made.children["Queues"]
    assert start == at(made.rows, "Queues", "CREATE_IN_PROGRESS")
    assert statuses(inner.rows, "Template")[-1] == "CREATE_COMPLETE"


@pytest.mark.parametrize(("rollback", "last"), [(False, "CREATE_FAILED"), (True, "ROLLBACK_COMPLETE")])
def test_a_failure_stops_what_depends_on_it(rollback: bool, last: str) -> None:
    made = timeline.creation(PART, [("^HeadNode$", "no capacity")], rollback=rollback)
    failed = next(row for row in made.rows if row.status == "CREATE_FAILED" and row.logical == "HeadNode")
    assert failed.reason == "no capacity"
    assert "CREATE_IN_PROGRESS" not in statuses(made.rows, "Wait")
    assert statuses(made.rows, "c1")[-1] == last
    assert made.failed == "HeadNode"


def test_a_failure_inside_fails_the_stack_around_it() -> None:
    made = timeline.creation(PART, [("Template", "limit")], rollback=False)
    failed = next(row for row in made.rows if row.status == "CREATE_FAILED" and row.logical == "Queues")
    assert "Embedded stack arn:c1-Queues was not successfully created" in str(failed.reason)


def test_a_deletion_takes_the_last_first_and_keeps_what_is_to_be_kept() -> None:
    gone = timeline.deletion(PART, ["Role", "Table", "HeadNode"])
    assert at(gone.rows, "HeadNode", "DELETE_COMPLETE") < at(gone.rows, "Role", "DELETE_COMPLETE")
    assert statuses(gone.rows, "Table") == ["DELETE_SKIPPED"]
    assert statuses(gone.rows, "c1")[-1] == "DELETE_COMPLETE"
    stuck = timeline.deletion(PART, ["Role", "HeadNode"], [("Role", "in use")])
    assert statuses(stuck.rows, "c1")[-1] == "DELETE_FAILED"
    freed = timeline.deletion(PART, ["Role"], [], ["Role"])
    assert statuses(freed.rows, "Role") == ["DELETE_SKIPPED"]
    assert statuses(freed.rows, "c1")[-1] == "DELETE_COMPLETE"


def test_time_stops_wherever_something_is_due() -> None:
    world, done = World(), []
    world.clock.speed = 0.0
    start = world.clock.now()
    waiting = [start + timedelta(hours=h) for h in (3, 1, 2, 30)]

    def fire() -> None:
        for moment in sorted(waiting):
            if moment <= world.clock.now():
                waiting.remove(moment)
                done.append((moment, world.clock.now()))

    world.steps.append(fire)
    world.dues.append(lambda: min(waiting, default=None))
    world.advance(4 * 3600)
    assert [moment for moment, _ in done] == [start + timedelta(hours=h) for h in (1, 2, 3)]
    assert all(due == fired for due, fired in done)
    assert world.clock.now() == start + timedelta(hours=4)


def test_a_step_that_fails_is_noted_and_the_others_go_on() -> None:
    world, done = World(), []
    world.steps += [lambda: {}["table"], lambda: done.append(1)]
    world.tick()
    assert done == [1]
    assert world.notes[0]["error"] == "KeyError: 'table'"


def test_rules_serve_as_often_as_they_say() -> None:
    faults = Faults()
    faults.add("fail", {"resource": "HeadNode", "reason": "no", "stack": "c1"})
    assert faults.take("c2", "create") == []
    assert len(faults.take("c1", "create")) == 1
    assert faults.take("c1", "create") == []
    faults.add("ice", {"instance_type": r"p5\..*", "zone": "us-east-1a", "after": 2})
    answers = [faults.refuses("p5.48xlarge", "us-east-1a") for _ in range(4)]
    assert answers == [False, False, True, True]
    assert not faults.refuses("p5.48xlarge", "us-east-1b")
    faults.add("fault", {"service": "ec2", "action": "Describe.*", "call": 2, "times": 2})
    hits = [faults.hit("ec2", "DescribeSubnets") is not None for _ in range(4)]
    assert hits == [False, True, True, False]
    assert faults.hit("s3", "GET /") is None
    faults.clear()
    assert faults.as_document() == {"resources": [], "ice": [], "api": []}


@pytest.mark.parametrize(
    ("kind", "body"),
    [("fail", {}), ("ice", {"instance_type": "p5", "colour": 1}), ("fault", {"kind": "plague"}),
     ("fail", {"resource": "(", "reason": "x"})],
)  # fmt: skip
def test_rules_that_say_nothing_are_refused(kind: str, body: dict[str, Any]) -> None:
    with pytest.raises(BadRule):
        Faults().add(kind, body)


def environ(service: str, body: bytes = b"", **more: str) -> dict[str, Any]:
    scope = f"AWS4-HMAC-SHA256 Credential=key/20261122/us-east-1/{service}/aws4_request, Signature=x"
    return {"HTTP_AUTHORIZATION": scope, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), **more}


@pytest.mark.parametrize(
    ("asked", "action", "expired"),
    [
        (environ("ec2", b"Action=DescribeSubnets&Version=1", CONTENT_TYPE="application/x-www-form-urlencoded"),
         "DescribeSubnets", "RequestExpired"),
        (environ("cloudformation", b"Action=CreateStack", CONTENT_TYPE="application/x-www-form-urlencoded"),
         "CreateStack", "ExpiredToken"),
        (environ("dynamodb", HTTP_X_AMZ_TARGET="DynamoDB_20120810.GetItem"), "GetItem", "ExpiredTokenException"),
        (environ("s3", REQUEST_METHOD="PUT", PATH_INFO="/bucket/key"), "PUT /bucket/key", "ExpiredToken"),
        (environ("scheduler", REQUEST_METHOD="POST", PATH_INFO="/schedules/x"), "POST /schedules/x",
         "ExpiredTokenException"),
    ],
)  # fmt: skip
def test_calls_are_recognised_and_refused_in_their_own_way(asked: dict[str, Any], action: str, expired: str) -> None:
    before = asked["wsgi.input"].getvalue()
    service, found = requests.called(asked)
    assert found == action
    assert asked["wsgi.input"].read() == before
    for kind in ("throttling", "error", "expired", "denied"):
        status, headers, body = requests.refusal(kind, service, found, asked)
        assert status[0] in "45"
        assert headers
        assert kind != "expired" or expired in body.decode()


SEED = {
    "region": "us-east-1", "key": "k", "bucket": "b",
    "private_subnets": {"us-east-1a": "subnet-a", "us-east-1b": "subnet-b"},
    "reservations": {"p5.48xlarge": {"id": "cr-1", "zone": "us-east-1b", "count": 8}}, "blocks": {},
}  # fmt: skip


def recorded(folder: Path, pid: int) -> Running:
    found = Running(pid, 5005, "token", str(folder / "site.yaml"), 60.0, SEED)
    (folder / STATE).write_text(found.as_text())
    return found


def a_dead_pid() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_a_dead_lab_does_not_count(tmp_path: Path) -> None:
    recorded(tmp_path, a_dead_pid())
    assert process.running(tmp_path) is None
    assert process.stop(tmp_path) is None
    assert not (tmp_path / STATE).exists()


def test_another_process_with_its_number_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path, os.getpid())
    monkeypatch.setattr(process.Lab, "state", lambda self, timeout_s: {"token": "of another lab"})
    assert process.running(tmp_path) is None
    assert process.stop(tmp_path) is None  # and this very process goes on


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1}', json.dumps({"pid": "x", "seed": {}})])
def test_a_damaged_state_is_no_lab(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE).write_text(text)
    assert process.running(tmp_path) is None


def test_a_missing_moto_is_said_with_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "find_spec", lambda name: None)
    with pytest.raises(OperationFailed, match="moto") as raised:
        process.start(folder=tmp_path)
    assert "fmctl[lab]" in str(raised.value.next)


def test_a_server_that_ends_at_once_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "find_spec", lambda name: object())
    monkeypatch.setattr(process, "MODULE", "fmctl.no_such_module")
    with pytest.raises(OperationFailed, match="did not start") as raised:
        process.start(folder=tmp_path)
    assert "no_such_module" in str(raised.value.why)


def test_the_site_file_is_a_site(tmp_path: Path) -> None:
    import yaml

    text = site_text(SEED, "123456789012")
    site = site_with(Site(""), **yaml.safe_load(text))
    assert (site.parallelcluster.compute_subnet, site.account, site.parallelcluster.key_name) == (
        "subnet-a",
        "123456789012",
        "k",
    )
    assert "cr-1, compute_subnet subnet-b" in text
    assert recorded(tmp_path, 1).environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:5005"
    assert datetime.now(UTC).tzinfo is UTC
