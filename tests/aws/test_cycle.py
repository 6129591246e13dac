"""The real ParallelCluster against the lab: six configurations, whole lives, and what goes wrong in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from fmctl.base.errors import OperationFailed, PermissionDenied

pytestmark = pytest.mark.real("pcluster")

REGION = "us-east-1"
CONFIGS = ("p4d-on-demand", "p5-odcr", "p5en-block", "p6-b200-odcr", "p6-b300-block", "p6e-gb200-block")
DELETE_STACK = "arn:aws:scheduler:::aws-sdk:cloudformation:deleteStack"
Create = Callable[..., str]


@pytest.mark.parametrize("name", CONFIGS)
def test_the_validators_accept_it(world: Any, name: str) -> None:
    found = world.pcluster.validate("check", world.config(name), REGION)
    assert [one for one in found if one.level == "ERROR"] == []


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("MaxCount", "MaxCuont", "ConfigSchemaValidator"),
        ("MinCount: 4", "MinCount: 5", "ComputeResourceSizeValidator"),
        ("p5.48xlarge", "p5.49xlarge", "Request"),
        ("Region: us-east-1", "Region: [", "Request"),
    ],
)
def test_the_validators_refuse_it(world: Any, old: str, new: str, kind: str) -> None:
    found = world.pcluster.validate("check", world.config("p5-odcr").replace(old, new), REGION)
    assert kind in [one.kind for one in found if one.level == "ERROR"]


@pytest.mark.parametrize(
    ("name", "efa", "cards"), [("p5-odcr", 32, 31), ("p6-b300-block", 16, 16), ("p6e-gb200-block", 16, 16)]
)
def test_the_templates_hold_every_interface_and_make_nothing(world: Any, name: str, efa: int, cards: int) -> None:
    buckets = world.client("s3").list_buckets()["Buckets"]
    found = world.pcluster.synth("drawn", world.config(name), REGION)
    assert world.client("s3").list_buckets()["Buckets"] == buckets
    assert {"AWS::EC2::Instance", "AWS::CloudFormation::Stack"} <= {one.type for one in found if one.stack == ""}
    data = [r.properties["LaunchTemplateData"] for r in found if r.type == "AWS::EC2::LaunchTemplate" and r.stack]
    interfaces = data[0]["NetworkInterfaces"]
    assert Counter(one.get("InterfaceType", "interface") for one in interfaces)["efa-only"] == efa
    assert max(one["NetworkCardIndex"] for one in interfaces) == cards


@pytest.mark.parametrize("config", ["p5-odcr", "p6-b300-block"])
def test_a_whole_life(world: Any, cluster: Create, config: str) -> None:
    name = cluster(f"life-{config[:7]}", config)
    assert world.status(name) == "CREATE_IN_PROGRESS"
    before = len(world.events(name))
    world.lab.advance(300)
    assert world.status(name) == "CREATE_IN_PROGRESS"
    assert len(world.events(name)) > before
    world.lab.advance(3600)
    described = world.pcluster.describe(name, REGION)
    assert (described["clusterStatus"], described["computeFleetStatus"]) == ("CREATE_COMPLETE", "RUNNING")
    assert len(world.nodes(name)) == 5
    world.pcluster.stop_fleet(name, REGION)
    world.lab.advance(120)
    assert world.pcluster.describe(name, REGION)["computeFleetStatus"] == "STOPPED"
    assert len(world.nodes(name)) == 1
    world.pcluster.delete(name, REGION)
    assert world.status(name) == "DELETE_IN_PROGRESS"
    world.lab.advance(3600)
    assert world.status(name) is None
    assert world.nodes(name) == []
    world.pcluster.delete(name, REGION)


def test_an_update_that_is_refused_and_one_that_is_not(world: Any, cluster: Create) -> None:
    name, config = cluster("changing"), world.config("p5-odcr")
    world.lab.advance(3600)
    with pytest.raises(OperationFailed, match="did not update") as raised:
        world.pcluster.update(name, config.replace("m6i.8xlarge", "m6i.4xlarge"), REGION)
    assert "HeadNode.InstanceType" in str(raised.value.why)
    world.pcluster.update(name, config.replace("MaxCount: 4", "MaxCount: 6"), REGION)
    assert world.status(name) == "UPDATE_IN_PROGRESS"
    world.lab.advance(1800)
    assert world.status(name) == "UPDATE_COMPLETE"


def test_a_taken_name_is_refused(world: Any, cluster: Create) -> None:
    name = cluster("taken")
    with pytest.raises(OperationFailed) as raised:
        world.pcluster.create(name, world.config("p5-odcr"), REGION)
    assert "already exists" in str(raised.value.why)


def schedule_the_end(world: Any, name: str, at: datetime, trusted: str = "scheduler.amazonaws.com") -> None:
    trust = (
        f'{{"Statement": [{{"Effect": "Allow", "Principal": {{"Service": "{trusted}"}}, "Action": "sts:AssumeRole"}}]}}'
    )
    role = world.client("iam").create_role(RoleName=f"end-{name}", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    world.client("scheduler").create_schedule(
        Name=f"end-{name}",
        ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={"Arn": DELETE_STACK, "RoleArn": role, "Input": f'{{"StackName": "{name}"}}'},
    )


def test_the_end_that_was_scheduled_comes_at_its_time(world: Any, cluster: Create) -> None:
    name = cluster("ends")
    at = (datetime.fromisoformat(world.lab.state()["now"]) + timedelta(hours=2)).replace(microsecond=0)
    schedule_the_end(world, name, at)
    world.lab.advance(7000)
    assert world.status(name) == "CREATE_COMPLETE"
    world.lab.advance(220)
    assert world.status(name) == "DELETE_IN_PROGRESS"
    begun = next(e["Timestamp"] for e in world.events(name) if e["ResourceStatus"] == "DELETE_IN_PROGRESS")
    assert abs((begun - at).total_seconds()) < 2
    world.lab.advance(3600)
    assert world.status(name) is None
    assert world.client("scheduler").list_schedules()["Schedules"] == []


def test_an_end_whose_role_cannot_be_taken_does_not_come(world: Any, cluster: Create) -> None:
    name = cluster("goes-on")
    at = datetime.fromisoformat(world.lab.state()["now"]) + timedelta(hours=1)
    schedule_the_end(world, name, at, trusted="ec2.amazonaws.com")
    world.lab.advance(7200)
    assert world.status(name) == "CREATE_COMPLETE"
    assert "cannot take its role" in world.lab.state()["notes"][-1]["what"]


def test_no_capacity_for_the_head_node_fails_the_creation(world: Any, cluster: Create) -> None:
    world.lab.ice("m6i.8xlarge", zone="us-east-1a")
    name = cluster("no-head")
    world.lab.advance(3600)
    described = world.pcluster.describe(name, REGION)
    assert described["clusterStatus"] == "CREATE_FAILED"
    assert described["failures"]
    failed = next(e for e in world.events(name) if e["ResourceStatus"] == "CREATE_FAILED")
    assert failed["LogicalResourceId"] == "HeadNode"
    assert "sufficient m6i.8xlarge capacity" in failed["ResourceStatusReason"]


def test_no_capacity_after_two_nodes_and_then_some(world: Any, cluster: Create) -> None:
    world.lab.ice(r"p5\.48xlarge", after=2)
    name = cluster("two-nodes")
    world.lab.advance(3600)
    assert world.status(name) == "CREATE_COMPLETE"
    assert len(world.nodes(name)) == 3
    world.lab.clear()
    world.lab.advance(600)
    assert len(world.nodes(name)) == 5


def test_a_resource_that_fails_leaves_the_evidence(world: Any, cluster: Create) -> None:
    reason = "WaitCondition timed out. Received 0 conditions when expecting 1"
    world.lab.fail("HeadNodeWaitCondition", reason, stack="stuck")
    name = cluster("stuck")
    world.lab.advance(3600)
    assert world.status(name) == "CREATE_FAILED"
    assert reason in [e.get("ResourceStatusReason") for e in world.events(name)]


def test_a_deletion_that_fails_and_goes_through_without_the_culprit(world: Any, cluster: Create) -> None:
    name = cluster("clings")
    world.lab.advance(3600)
    world.lab.fail("^HeadNode$", "has a dependent object", stack=name, phase="delete")
    world.pcluster.delete(name, REGION)
    world.lab.advance(3600)
    assert world.status(name) == "DELETE_FAILED"
    assert len(world.nodes(name)) == 1
    world.client("cloudformation").delete_stack(StackName=name, RetainResources=["HeadNode"])
    world.lab.advance(3600)
    assert world.status(name) is None


@pytest.mark.parametrize(
    ("service", "method", "kind", "code"),
    [
        ("ec2", "describe_vpcs", "throttling", "RequestLimitExceeded"),
        ("cloudformation", "list_stacks", "error", "InternalFailure"),
        ("dynamodb", "list_tables", "expired", "ExpiredTokenException"),
        ("s3", "list_buckets", "denied", "AccessDenied"),
        ("scheduler", "list_schedules", "throttling", "ThrottlingException"),
    ],
)
def test_the_second_call_is_refused(world: Any, service: str, method: str, kind: str, code: str) -> None:
    from botocore.exceptions import ClientError

    call = getattr(world.client(service), method)
    world.lab.fault(kind, service=service, call=2)
    try:
        call()
        with pytest.raises(ClientError) as raised:
            call()
        assert raised.value.response["Error"]["Code"] == code
        call()
    finally:
        world.lab.clear()


def test_credentials_that_ended_are_permission_and_not_an_answer(world: Any) -> None:
    world.lab.fault("expired", times=1000)
    try:
        for ask in (
            lambda: world.pcluster.validate("check", world.config("p5-odcr"), REGION),
            lambda: world.pcluster.describe("check", REGION),
        ):
            with pytest.raises(PermissionDenied):
                ask()
    finally:
        world.lab.clear()


def test_one_region_knows_nothing_of_the_other(world: Any, cluster: Create) -> None:
    name, config = cluster("here"), world.config("p5-odcr")
    assert world.status(name)
    assert world.pcluster.describe(name, "us-west-2") is None
    elsewhere = world.pcluster.validate("there", config.replace("Region: us-east-1", "Region: us-west-2"), "us-west-2")
    assert "does not exist" in " ".join(one.message for one in elsewhere if one.level == "ERROR")
    assert world.status(name)
    assert [f for f in world.pcluster.validate("there", config, REGION) if f.level == "ERROR"] == []
