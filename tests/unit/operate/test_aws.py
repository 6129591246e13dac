"""The Cloud over boto3 against moto: calls, names and answers; not rights, capacity or anything that costs."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import moto
import pytest
from cluster_fakes import NAME

from fmctl.adapters.aws.cloud import AwsCloud
from fmctl.adapters.aws.errors import asked, of_code
from fmctl.adapters.aws.leftovers import leftovers
from fmctl.adapters.aws.session import Session
from fmctl.adapters.parallelcluster.leftovers import bucket
from fmctl.adapters.slurm.as_user import JobUser
from fmctl.adapters.slurm.heads import SsmHead
from fmctl.base.errors import (
    CapacityUnavailable,
    FmctlError,
    OperationFailed,
    OperationTimeout,
    PermissionDenied,
    ServiceUnavailable,
    UsageError,
)
from fmctl.catalog.pricing import find_price
from fmctl.domain.end import End, Whose, end_name, role_name, warning_name
from fmctl.domain.ports import Leftover
from fmctl.operate.retry import passing
from fmctl.targets.parallelcluster.marks import MARKS

MINE = Whose("l1")
AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TAGS = [{"Key": "parallelcluster:cluster-name", "Value": NAME}, {"Key": "fmctl:cluster", "Value": NAME}]
OURS = [{"Key": "fmctl:cluster", "Value": NAME}]
RESERVATIONS = [
    {"CapacityReservationId": "cr-1", "InstanceType": "p5.48xlarge", "TotalInstanceCount": 4, "Tags": OURS},
    {"CapacityReservationId": "cr-2", "InstanceType": "p5.48xlarge", "ReservationType": "capacity-block", "Tags": OURS},
    {"CapacityReservationId": "cr-3", "InstanceType": "p5.48xlarge", "TotalInstanceCount": 4},
]
TEMPLATE = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"T": {"Value": "x"}}}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsCloud]:
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(name, value)
    with moto.mock_aws():
        found = AwsCloud(Session(region="us-east-1"), MARKS, lambda _: None)
        ec2 = found.session.client("ec2")
        paginator = ec2.get_paginator

        def with_reservations(operation: Any) -> Any:
            """moto knows no reservations."""
            if operation == "describe_capacity_reservations":
                return SimpleNamespace(paginate=lambda **_: [{"CapacityReservations": RESERVATIONS}])
            return paginator(operation)

        monkeypatch.setattr(ec2, "get_paginator", with_reservations)
        yield found


def make_stack(cloud: AwsCloud, name: str = NAME) -> None:
    cloud.session.client("cloudformation").create_stack(
        StackName=name, TemplateBody=json.dumps(TEMPLATE), Tags=TAGS if name == NAME else []
    )


def test_who_and_where(cloud: AwsCloud) -> None:
    who = cloud.identity()
    assert (who.account, who.region) == ("123456789012", "us-east-1")
    assert who.arn.startswith("arn:aws:sts:")


def test_a_stack_is_found_listed_and_deleted(cloud: AwsCloud) -> None:
    assert cloud.stack(NAME) is None
    make_stack(cloud)
    make_stack(cloud, "other")
    found = cloud.stack(NAME)
    assert found is not None
    assert (found.name, found.status, found.outputs) == (NAME, "CREATE_COMPLETE", {"T": "x"})
    assert found.tags["fmctl:cluster"] == NAME
    assert found.created.tzinfo is not None
    assert [one.name for one in cloud.stacks("fmctl:cluster")] == [NAME]
    events = cloud.stack_events(NAME)
    assert events[-1].status == "CREATE_COMPLETE"
    assert {event.stack for event in events} == {""}
    assert cloud.stack_events(NAME, events[-1].id) == ()
    cloud.delete_stack(NAME)
    assert cloud.stack(NAME) is None
    cloud.delete_stack(NAME)


def test_the_end_is_made_moved_and_removed(cloud: AwsCloud) -> None:
    assert cloud.end(NAME) is None
    role = cloud.end_role(NAME, None, MINE)
    assert cloud.end_role(NAME, "arn:aws:iam::123456789012:policy/edge", MINE) == role
    cloud.put_end(NAME, AT, role, "token1", MINE)
    assert cloud.end(NAME) == End(AT, "l1")
    later = AT.replace(hour=21)
    cloud.put_end(NAME, later, role, "token2", MINE)
    assert cloud.end(NAME) == End(later, "l1")
    target = cloud.session.client("scheduler").get_schedule(Name=end_name(NAME))["Target"]
    assert json.loads(target["Input"]) == {"StackName": NAME}
    assert target["Arn"].endswith(":aws-sdk:cloudformation:deleteStack")
    assert {one.kind for one in cloud.leftovers(NAME)} >= {"schedule", "IAM role"}
    iam = cloud.session.client("iam")
    found = iam.get_role(RoleName=role_name(NAME, "us-east-1"))["Role"]
    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("policy/edge")
    (statement,) = found["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "scheduler.amazonaws.com"}
    group = "arn:aws:scheduler:us-east-1:123456789012:schedule-group/default"
    held = {"aws:SourceAccount": "123456789012", "aws:SourceArn": group}
    assert statement["Condition"] == {"StringEquals": held}
    cloud.remove_end(NAME)
    assert cloud.end(NAME) is None
    assert "fmctl-end" not in str([role["RoleName"] for role in iam.list_roles()["Roles"]])
    cloud.remove_end(NAME)


def test_a_new_role_that_is_not_known_yet_is_waited_for(cloud: AwsCloud) -> None:
    role = cloud.end_role(NAME, None, MINE)
    client = cloud.session.client("scheduler")
    make, refusals = client.create_schedule, [1, 2, 3]

    def slow(**given: Any) -> Any:
        if refusals:
            refusals.pop()
            why = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
            raise client.exceptions.ValidationException(
                {"Error": {"Code": "ValidationException", "Message": why}}, "CreateSchedule"
            )
        return make(**given)

    client.create_schedule = slow
    cloud.put_end(NAME, AT, role, "token", MINE)
    assert cloud.end(NAME) == End(AT, "l1")


def test_names_of_ends_are_never_too_long_and_never_the_same() -> None:
    long = [end_name("c" * 59 + tail) for tail in "ab"]
    assert max(len(one) for one in long) <= 64
    assert len(set(long)) == 2


def test_nodes_and_leftovers_carry_price_and_command(cloud: AwsCloud) -> None:
    ec2 = cloud.session.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    tags = [*TAGS, {"Key": "parallelcluster:node-type", "Value": "HeadNode"}]
    ec2.run_instances(
        ImageId=image,
        InstanceType="c5.large",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    (node,) = cloud.nodes(NAME)
    assert (node.role, node.type, node.state) == ("head", "c5.large", "running")
    ec2.create_volume(
        Size=300,
        AvailabilityZone="us-east-1a",
        VolumeType="gp3",
        TagSpecifications=[{"ResourceType": "volume", "Tags": TAGS}],
    )
    logs, s3 = cloud.session.client("logs"), cloud.session.client("s3")
    for group in (f"{NAME}-202611220900", f"{NAME}-b-202611220900"):
        logs.create_log_group(logGroupName=f"/aws/parallelcluster/{group}")
    s3.create_bucket(Bucket=bucket("123456789012", "us-east-1"))
    for folder in (f"{NAME}-abcdef", f"{NAME}-b-abcdef"):
        key = f"parallelcluster/3.16.1/clusters/{folder}/configs/c.yaml"
        s3.put_object(Bucket=bucket("123456789012", "us-east-1"), Key=key, Body=b"x")
    left = {one.kind: one for one in cloud.leftovers(NAME)}
    assert left["volume"].usd_per_day == pytest.approx(300 * 0.08 * 12 / 365)
    assert left["volume"].command.startswith("aws ec2 delete-volume --volume-id vol-")
    assert left["log group"].id == f"/aws/parallelcluster/{NAME}-202611220900"
    assert left["bucket folder"].id.endswith(f"/3.16.1/clusters/{NAME}-abcdef/")
    assert left["instance"].command.startswith("aws ec2 terminate-instances")
    price = find_price("p5.48xlarge", "us-east-1", "on-demand", datetime.now(UTC).date()).usd_per_h
    assert left["capacity reservation"].usd_per_day == pytest.approx((price or 0.0) * 24 * 4)
    assert left["Capacity Block"].usd_per_day == 0.0
    # Somebody else's reservation is not put up for cancelling.
    assert "cr-3" not in {one.id for one in cloud.leftovers(NAME)}


def test_what_could_not_be_listed_is_said(cloud: AwsCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise PermissionDenied("AWS refuses file systems", why="AccessDenied: no", next="ask")

    monkeypatch.setattr(cloud.session, "client", refused)
    left = cloud.leftovers(NAME)
    assert {"instances", "FSx file systems"} <= {one.id for one in left if one.kind == "not listed"}
    assert all("AccessDenied" in one.why for one in left)


def test_log_lines_come_in_order(cloud: AwsCloud) -> None:
    logs, group = cloud.session.client("logs"), f"/aws/parallelcluster/{NAME}-202611220900"
    assert list(cloud.log_lines(NAME, "cfn-init")) == []
    logs.create_log_group(logGroupName=group)
    now = int(datetime.now(UTC).timestamp() * 1000)
    for stream, lines in {
        "ip-1.i-1.cfn-init": [(now, "a"), (now + 2, "c")],
        "ip-2.i-2.cfn-init": [(now + 1, "b")],
    }.items():
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        events = [{"timestamp": at, "message": text} for at, text in lines]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    found = list(cloud.log_lines(NAME, "cfn-init"))
    assert [text for _, text in found] == ["a", "b", "c"]
    assert [text for _, text in cloud.log_lines(NAME, "cfn-init", found[0][0])] == ["b", "c"]


def test_a_command_needs_a_head_node(cloud: AwsCloud) -> None:
    with pytest.raises(OperationFailed, match="no running head node"):
        cloud.run_on_head(NAME, ["squeue", "--json"])


@pytest.mark.parametrize(
    ("status", "kind"), [("Failed", OperationFailed), ("InProgress", OperationTimeout), ("Success", None)]
)
def test_the_end_of_a_command_is_awaited(cloud: AwsCloud, status: str, kind: type[FmctlError] | None) -> None:
    class Ssm:
        exceptions = SimpleNamespace(InvocationDoesNotExist=KeyError)

        def get_command_invocation(self, **_: str) -> dict[str, str]:
            return {"Status": status, "StandardOutputContent": "out", "StandardErrorContent": "bad"}

    if kind is None:
        assert cloud._output(Ssm(), "c", "i", 1.0) == "out"
        return
    with pytest.raises(kind):
        cloud._output(Ssm(), "c", "i", 1.0)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ExpiredToken", 400, PermissionDenied),
        ("UnrecognizedClientException", 400, PermissionDenied),
        ("AccessDenied", 403, PermissionDenied),
        ("UnauthorizedOperation", 403, PermissionDenied),
        ("Throttling", 400, ServiceUnavailable),
        ("RequestLimitExceeded", 503, ServiceUnavailable),
        ("Whatever", 500, ServiceUnavailable),
        ("InsufficientInstanceCapacity", 500, CapacityUnavailable),
        ("VcpuLimitExceeded", 400, CapacityUnavailable),
        ("ValidationError", 400, OperationFailed),
    ],
)
def test_every_answer_of_aws_is_one_of_our_errors(code: str, status: int, kind: type[FmctlError]) -> None:
    answer = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    found = of_code(answer, "its stacks")
    assert type(found) is kind
    assert found.why == f"{code}: m"


@pytest.mark.parametrize(
    ("code", "message", "again"),
    [
        ("ValidationError", "Rate exceeded", True),
        ("OperationNotPermittedException", "Rate exceeded", True),
        ("InvalidRequest", "Throttling by the service", True),
        ("ConflictException", "the request timed out", True),
        ("InvalidParameter", "500 is too many", False),
        ("ValidationError", "No updates are to be performed.", False),
    ],
)
def test_what_says_in_words_alone_that_aws_is_busy_is_tried_again(code: str, message: str, again: bool) -> None:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    assert passing(of_code(answer, "its stacks")) is again  # type: ignore[arg-type]


def test_a_look_that_only_a_target_has_comes_last(cloud: AwsCloud) -> None:
    looked: list[str] = []

    def look(session: object, cluster: str) -> tuple[Leftover, ...]:
        looked.append(cluster)
        return (Leftover("node group", "x", None, "by hand", ""),)

    found = leftovers(cloud.session, NAME, replace(MARKS, leftovers={"node groups": look}))
    assert looked == [NAME]
    assert found[-1].kind == "node group"


def test_what_the_library_raises_is_one_of_our_errors() -> None:
    from botocore import exceptions as raised

    cases = {
        PermissionDenied: [
            raised.NoCredentialsError(),
            raised.ProfileNotFound(profile="x"),
            raised.UnauthorizedSSOTokenError(),
            raised.CredentialRetrievalError(provider="x", error_msg="y"),
        ],
        ServiceUnavailable: [
            raised.EndpointConnectionError(endpoint_url="http://x"),
            raised.ReadTimeoutError(endpoint_url="http://x"),
            raised.ConnectionClosedError(endpoint_url="http://x"),
        ],
        UsageError: [raised.NoRegionError()],
        OperationFailed: [raised.ParamValidationError(report="x")],
    }
    for kind, errors in cases.items():
        for error in errors:
            with pytest.raises(kind) as caught, asked("its stacks"):
                raise error
            assert type(caught.value) is kind
            assert type(error).__name__ in (caught.value.why or "")


def test_without_credentials_the_next_step_is_to_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(PermissionDenied) as caught:
        AwsCloud(Session(region="us-east-1"), MARKS).identity()
    assert "aws sso login" in (caught.value.next or "")


def test_without_a_region_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UsageError, match="region"):
        AwsCloud(Session(), MARKS).stack("x")


def test_the_end_is_warned_of_half_an_hour_before(cloud: AwsCloud) -> None:
    role = cloud.end_role(NAME, None, MINE)
    cloud.put_end(NAME, AT, role, "t" * 32, MINE)
    found = cloud.session.client("scheduler").get_schedule(Name=warning_name(NAME))
    before = AT - timedelta(minutes=30)
    assert found["ScheduleExpression"] == before.strftime("at(%Y-%m-%dT%H:%M:%S)")
    assert found["Target"]["Arn"].endswith("aws-sdk:ssm:sendCommand")
    asked = json.loads(found["Target"]["Input"])
    (command,) = asked["Parameters"]["commands"]
    assert shlex.split(command)[0] == "wall"
    assert len(shlex.split(command)) == 2
    assert f"{AT:%H:%M} UTC" in command
    assert {target["Key"] for target in asked["Targets"]} == {
        "tag:parallelcluster:cluster-name",
        "tag:parallelcluster:node-type",
    }
    # Moved with the end, and gone with it.
    cloud.put_end(NAME, AT + timedelta(hours=5), role, "u" * 32, MINE)
    moved = cloud.session.client("scheduler").get_schedule(Name=warning_name(NAME))
    assert moved["ScheduleExpression"] != found["ScheduleExpression"]
    cloud.remove_end(NAME)
    assert cloud.session.client("scheduler").list_schedules()["Schedules"] == []


def test_what_a_head_node_is_lent_is_encrypted_ends_by_itself_and_is_taken_back(cloud: AwsCloud) -> None:
    text = "a secret " * 2_000
    lent = cloud.lend(NAME, text)
    ssm = cloud.session.client("ssm")
    assert len(lent.names) == 3
    assert all(name.startswith(f"/fmctl/{NAME}/") for name in lent.names)
    for command in lent.commands:
        assert command[:3] == ("aws", "ssm", "get-parameter")
        assert "--with-decryption" in command
    kept = [ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"] for name in lent.names]
    assert "".join(one["Value"] for one in kept) == text
    assert {one["Type"] for one in kept} == {"SecureString"}
    described = ssm.describe_parameters()["Parameters"]
    assert {one["Tier"] for one in described} == {"Advanced"}
    assert all("Expiration" in str(one["Policies"]) for one in described)
    cloud.take_back(lent)
    assert ssm.describe_parameters()["Parameters"] == []
    cloud.take_back(lent)  # gone already is no error


def test_a_loan_that_breaks_off_leaves_nothing(cloud: AwsCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    ssm = cloud.session.client("ssm")
    put, calls = ssm.put_parameter, iter((1, 2))

    def twice(**given: Any) -> Any:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return put(**given)

    monkeypatch.setattr(ssm, "put_parameter", twice)
    with pytest.raises(KeyboardInterrupt):
        cloud.lend(NAME, "x" * 20_000)
    assert ssm.describe_parameters()["Parameters"] == []


def test_no_value_of_a_job_stands_in_what_aws_keeps_of_commands(cloud: AwsCloud) -> None:
    """Run Command keeps what it ran for 30 days, for everybody who may list it."""
    ec2, ssm = cloud.session.client("ec2"), cloud.session.client("ssm")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    tags = [*TAGS, {"Key": "parallelcluster:node-type", "Value": "HeadNode"}]
    wanted = [{"ResourceType": "instance", "Tags": tags}]
    ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="c5.large", TagSpecifications=wanted)
    with suppress(FmctlError):  # moto answers with nothing
        SsmHead(cloud, NAME, JobUser("ubuntu")).run(
            ["bash", "-c", 'cat > "$0"', "/fsx/job.env"], b"WANDB_API_KEY=hush-hush"
        )
    kept = str(ssm.list_commands()["Commands"])
    assert "get-parameter" in kept
    for told in (b"WANDB_API_KEY=hush-hush", b"hush-hush"):
        assert base64.b64encode(told).decode()[:10] not in kept
    assert "hush" not in kept
    assert ssm.describe_parameters()["Parameters"] == []
