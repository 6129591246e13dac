"""The lab's server: who may ask, what a rule may hold, and stacks that are looked at while they come and go."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from fmctl.adapters.lab import process
from fmctl.adapters.lab.client import Lab
from fmctl.adapters.lab.settings import Running
from fmctl.base.errors import OperationFailed
from tests.loopback import loopback_open

REASON = "Resource handler returned message: no capacity"


@pytest.fixture(autouse=True, scope="module")
def open_loopback(closed_sockets: None) -> Iterator[None]:
    with loopback_open():
        yield


@pytest.fixture(scope="module")
def running(open_loopback: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One lab for all of these."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / f"{process.REHEARSAL}killed" / "clusters").mkdir(parents=True)
    yield process.start(folder=folder)
    assert not list(folder.glob(f"{process.REHEARSAL}*"))
    process.stop(folder)


@pytest.fixture
def lab(running: Running) -> Iterator[Lab]:
    found = Lab(running.endpoint)
    yield found
    found.clear()


def client(running: Running, service: str, host: str = "127.0.0.1", **given: Any) -> Any:
    return boto3.client(
        service, endpoint_url=f"http://{host}:{running.port}", region_name="us-east-1", aws_access_key_id="lab",
        aws_secret_access_key="lab", config=Config(retries={"total_max_attempts": 1}, **given),
    )  # fmt: skip


def raw(port: int, text: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(text.encode())
        return connection.recv(100).decode().partition("\r\n")[0]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("localhost", 200), ("127.0.0.1:1", 200), ("[::1]:1", 200), ("a.localhost", 200),
        ("attacker.example", 403), ("127.0.0.1.attacker.example", 403), ("localhost.attacker.example", 403),
        ("10.0.0.1", 403), ("s3.us-east-1.amazonaws.com", 403), ("", 403),
    ],
)  # fmt: skip
def test_only_loopback_names_are_answered(running: Running, host: str, status: int) -> None:
    assert f" {status} " in raw(running.port, f"GET /fm/state HTTP/1.1\r\nHost: {host}\r\n\r\n")


def test_no_page_is_answered(running: Running) -> None:
    page = "Host: 127.0.0.1\r\nOrigin: http://attacker.example\r\n"
    assert " 403 " in raw(running.port, f"GET /fm/state HTTP/1.1\r\n{page}\r\n")
    assert " 403 " in raw(running.port, f"POST / HTTP/1.1\r\n{page}Content-Length: 0\r\n\r\n")
    assert " 403 " in raw(running.port, "GET http://attacker.example/fm/state HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")


@pytest.mark.parametrize(("host", "style"), [("127.0.0.1", "auto"), ("localhost", "path"), ("localhost", "virtual")])
def test_boto3_reaches_buckets_by_path_and_by_name(
    running: Running, host: str, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, *rest, **more: real(
        "127.0.0.1" if str(name).endswith("localhost") else name, *rest, **more))  # fmt: skip
    s3 = client(running, "s3", host, s3={"addressing_style": style})
    s3.put_object(Bucket=running.seed["bucket"], Key=f"{host}/{style}", Body=b"x" * 100_000)
    assert s3.get_object(Bucket=running.seed["bucket"], Key=f"{host}/{style}")["Body"].read() == b"x" * 100_000


def test_half_sent_requests_lock_nobody_out(running: Running, lab: Lab) -> None:
    half = [socket.create_connection(("127.0.0.1", running.port), timeout=20) for _ in range(300)]
    for number, one in enumerate(half):
        body = "Content-Length: 100\r\n\r\n{" if number % 2 else "Ho"
        try:
            one.sendall(f"POST /fm/speed HTTP/1.1\r\nHost: 127.0.0.1\r\n{body}".encode())
        except OSError:  # cut off already
            continue
    assert lab.state(timeout_s=10.0)
    for one in half:
        one.close()


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    "body",
    [
        '{"service": ' + _nested(900) + "}", '{"seconds": ' + _nested(5) + "}", _nested(100_000), "[]", "7", "{",
        '{"seconds": NaN}', '{"call": 1e300}', '{"call": -1}', '{"times": true}', '{"call": 1.5}', '{"kind": {}}',
        '{"service": "("}', '{"service": "' + "x" * 1000 + '"}', '{"\\u001b[2J": "x"}', '{"service": null}',
    ],
)  # fmt: skip
def test_a_rule_of_another_shape_is_refused_and_the_state_stays_whole(running: Running, lab: Lab, body: str) -> None:
    head = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
    said = raw(running.port, f"POST /fm/fault HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}")
    assert " 400 " in said
    assert lab.state()["faults"] == {"resources": [], "ice": [], "api": []}


@pytest.mark.parametrize("reason", ["a\x00b", "a\x1b[2Jb", "a\nb", "a\u202eb", "x" * 501])
def test_a_reason_that_nobody_could_read_is_refused(lab: Lab, reason: str) -> None:
    with pytest.raises(OperationFailed, match="refused"):
        lab.fail("T1", reason)


@pytest.mark.parametrize("length", ["-1", "x", "1e3", str(10**12), "\u0661"])
def test_a_length_that_is_none_is_refused(running: Running, length: str) -> None:
    head = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
    assert " 400 " in raw(running.port, f"POST /fm/speed HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n")


def template(count: int, **more: object) -> str:
    def one(number: int) -> dict[str, object]:
        data = {"LaunchTemplateName": f"mine-{number}", "LaunchTemplateData": {"InstanceType": "c5.large"}}
        return {"Type": "AWS::EC2::LaunchTemplate", "Properties": data}

    outputs = {"Last": {"Value": {"Ref": f"T{count - 1}"}}}
    return json.dumps({"Resources": {f"T{i}": one(i) for i in range(count)} | more, "Outputs": outputs})


def test_looking_at_a_stack_makes_nothing(running: Running, lab: Lab) -> None:
    cloud, ec2, over, wrong = client(running, "cloudformation"), client(running, "ec2"), threading.Event(), []

    def look() -> None:
        mine = client(running, "cloudformation")
        while not over.is_set():
            for ask in (mine.describe_stacks, mine.describe_stack_resources, mine.describe_stack_events):
                try:
                    ask(StackName="looked-at")
                except mine.exceptions.ClientError as error:
                    if "does not exist" not in str(error):
                        wrong.append(str(error))

    def templates() -> int:
        found = ec2.describe_launch_templates(MaxResults=200)["LaunchTemplates"]
        return sum(one["LaunchTemplateName"].startswith("mine-") for one in found)

    watchers = [threading.Thread(target=look) for _ in range(3)]
    for one in watchers:
        one.start()
    try:
        for _ in range(2):  # the same launch again, after the first was taken away
            made = cloud.create_stack(StackName="looked-at", TemplateBody=template(20))["StackId"]
            lab.advance(600)
            assert cloud.describe_stacks(StackName="looked-at")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
            outputs = cloud.describe_stacks(StackName=made)["Stacks"][0]["Outputs"]
            assert templates() == 20
            cloud.delete_stack(StackName="looked-at")
            assert cloud.describe_stacks(StackName=made)["Stacks"][0]["Outputs"] == outputs  # as they were
            lab.advance(3600)
            assert cloud.describe_stacks(StackName=made)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"
            assert templates() == 0
    finally:
        over.set()
        for one in watchers:
            one.join()
    assert wrong == []


def test_a_creation_that_is_refused_half_way_leaves_nothing_in_the_way(running: Running, lab: Lab) -> None:
    cloud = client(running, "cloudformation")
    twice = json.loads(template(5))["Resources"]["T1"]
    with pytest.raises(cloud.exceptions.ClientError, match="already in use"):
        cloud.create_stack(StackName="half", TemplateBody=template(5, Z=twice))
    cloud.create_stack(StackName="half", TemplateBody=template(5))
    lab.advance(600)
    assert cloud.describe_stacks(StackName="half")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    cloud.delete_stack(StackName="half")
    lab.advance(3600)


def test_a_failure_keeps_its_reason(running: Running, lab: Lab) -> None:
    cloud = client(running, "cloudformation")
    lab.fail("^T1$", REASON, stack="failing")
    cloud.create_stack(StackName="failing", TemplateBody=template(3), OnFailure="DO_NOTHING")
    lab.advance(600)
    events = cloud.describe_stack_events(StackName="failing")["StackEvents"]
    assert REASON in [event.get("ResourceStatusReason") for event in events]
