"""The role of the end deletes its own stack, whatever else is in the account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fmctl.adapters.aws.end import trust
from fmctl.domain.policy import Place
from fmctl.targets.parallelcluster.rights import CLUSTER_TAG, path, rights
from tests.iam import actions, allowed, lint

PLACE = Place("123456789012", "us-east-1")
WEST = Place("123456789012", "us-west-2")
OTHER = Place("210987654321", "us-east-1")
ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/prod/0a1b2c3d-0000-1111-2222-333344445555"
VIA = ["cloudformation.amazonaws.com"]


def things(name: str, place: Place, uuid: str = "0a1b2c3d-0000-1111-2222-333344445555") -> Iterator[tuple[str, str]]:
    """What deletes each thing of a cluster, and its ARN, as ParallelCluster 3.16 and CloudFormation name them."""
    own = path(name, place.region)
    yield "cloudformation:DeleteStack", place.arn("cloudformation", f"stack/{name}/{uuid}")
    for nested in ("ComputeFleetQueuesNestedStackQueuesNestedStackResource4C142E85", "LoginNodesNestedStackLogin9D5"):
        yield "cloudformation:DeleteStack", place.arn("cloudformation", f"stack/{name}-{nested}-1ABCDEFGHIJKL/{uuid}")
    yield "ec2:TerminateInstances", place.arn("ec2", "instance/i-1")
    yield "ec2:DeleteNetworkInterface", place.arn("ec2", "network-interface/eni-1")
    yield "ec2:DeleteSecurityGroup", place.arn("ec2", "security-group/sg-1")
    yield "ec2:ReleaseAddress", place.arn("ec2", "elastic-ip/eipalloc-1")
    yield "fsx:DeleteFileSystem", place.arn("fsx", "file-system/fs-1")
    yield "elasticloadbalancing:DeleteLoadBalancer", place.arn("elasticloadbalancing", f"loadbalancer/net/{name}-l/1")
    yield "elasticloadbalancing:DeleteTargetGroup", place.arn("elasticloadbalancing", f"targetgroup/{name}-login-1/1")
    group = f"autoScalingGroup:1:autoScalingGroupName/{name}-login-AutoScalingGroup"
    yield "autoscaling:DeleteAutoScalingGroup", place.arn("autoscaling", group)
    yield "iam:DeleteRole", place.iam(f"role{own}{name}-CleanupResourcesFunctionE-1ABC")
    yield "iam:DeleteRole", place.iam(f"role{own}{name}/{name}-RoleHeadNode-1ABC")
    yield "iam:DeleteInstanceProfile", place.iam(f"instance-profile{own}{name}/{name}-InstanceProfileHeadNode-1ABC")
    yield "lambda:InvokeFunction", place.arn("lambda", f"function:pcluster-CleanupResources-{uuid}")
    yield "lambda:DeleteFunction", place.arn("lambda", f"function:pcluster-CleanupRoute53-{uuid}")
    yield "dynamodb:DeleteTable", place.arn("dynamodb", f"table/parallelcluster-slurm-{name}")
    yield "dynamodb:DeleteTable", place.arn("dynamodb", f"table/parallelcluster-{name}")
    yield "cloudwatch:DeleteAlarms", place.arn("cloudwatch", f"alarm:{name}-HeadNode-Cpu")
    yield "cloudwatch:DeleteAlarms", place.arn("cloudwatch", f"alarm:{name}-HeadNode")
    yield "cloudwatch:DeleteDashboards", f"arn:aws:cloudwatch::{place.account}:dashboard/{name}-{place.region}"
    log = f"log-group:/aws/parallelcluster/{name}-202612011511:*"
    yield "logs:DeleteMetricFilter", place.arn("logs", log)


@pytest.mark.parametrize("stack_id", [None, ID])
def test_it_deletes_all_of_its_own_cluster(stack_id: str | None) -> None:
    policy = rights("prod", PLACE, stack_id)
    for action, arn in things("prod", PLACE):
        assert allowed(policy, action, arn, {CLUSTER_TAG: "prod"}, aws_CalledVia=VIA), (action, arn)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("prod-api", PLACE), ("prod-HeadNode", PLACE), ("prod-login", PLACE), ("prod-us-east-1", PLACE),
        ("slurm-prod", PLACE), ("pro", PLACE), ("Prod", PLACE), ("prod", WEST), ("prod", OTHER),
        ("prod-ComputeFleetQueuesNestedStackX", PLACE),
    ],
)  # fmt: skip
def test_it_deletes_nothing_of_another_cluster(name: str, place: Place) -> None:
    """By name, place or tag; what CloudFormation does for the role is for this stack, which is the only one it may."""
    policy = rights("prod", PLACE)
    for action, arn in things(name, place, "ffffffff-0000-1111-2222-333344445555"):
        if (name, action) == ("slurm-prod", "dynamodb:DeleteTable"):
            continue  # parallelcluster-slurm-prod is what ParallelCluster calls a table of either
        assert not allowed(policy, action, arn, {CLUSTER_TAG: name if place is PLACE else "prod"}), (action, arn)


def test_a_later_stack_of_the_same_name_is_not_its_own_once_the_id_is_known() -> None:
    policy = rights("prod", PLACE, ID)
    later = ID[:-4] + "9999"
    assert not allowed(policy, "cloudformation:DeleteStack", later, {CLUSTER_TAG: "prod"}, aws_CalledVia=VIA)
    function = PLACE.arn("lambda", f"function:pcluster-CleanupResources-{later.rpartition('/')[2]}")
    assert not allowed(policy, "lambda:InvokeFunction", function, {CLUSTER_TAG: "prod"}, aws_CalledVia=VIA)


def test_zones_templates_and_listeners_go_by_the_hand_of_cloudformation_alone() -> None:
    policy = rights("prod", PLACE)
    for action, arn in (
        ("route53:DeleteHostedZone", "arn:aws:route53:::hostedzone/Z1"),
        ("ec2:DeleteLaunchTemplate", PLACE.arn("ec2", "launch-template/lt-1")),
        ("ec2:DeletePlacementGroup", PLACE.arn("ec2", "placement-group/pg-1")),
        ("elasticloadbalancing:DeleteListener", PLACE.arn("elasticloadbalancing", "listener/net/p/1/2")),
    ):
        assert not allowed(policy, action, arn)
        assert not allowed(policy, action, arn, aws_CalledVia=["athena.amazonaws.com"])
        assert allowed(policy, action, arn, aws_CalledVia=VIA)


def test_it_writes_no_record_of_any_zone_passes_no_role_and_makes_nothing() -> None:
    held = actions(rights("prod", PLACE))
    verbs = {one.partition(":")[2] for one in held}
    allowed_verbs = (
        "Delete", "Describe", "Detach", "Disassociate", "Get", "InvokeFunction", "List", "Release", "Remove",
        "Revoke", "SendCommand", "Terminate", "UpdateAutoScalingGroup",
    )  # fmt: skip
    assert [one for one in verbs if not one.startswith(allowed_verbs)] == []
    assert not [one for one in held if "*" in one]
    assert "route53:ChangeResourceRecordSets" not in held


def test_it_warns_on_its_own_head_node_alone() -> None:
    policy, instance = rights("prod", PLACE), PLACE.arn("ec2", "instance/i-1")
    assert allowed(policy, "ssm:SendCommand", "arn:aws:ssm:us-east-1::document/AWS-RunShellScript")
    assert allowed(policy, "ssm:SendCommand", instance, {CLUSTER_TAG: "prod"})
    assert not allowed(policy, "ssm:SendCommand", instance, {CLUSTER_TAG: "prod-api"})
    assert not allowed(policy, "ssm:SendCommand", "arn:aws:ssm:us-east-1::document/AWS-RunPowerShellScript")


def test_only_schedules_of_this_group_of_this_account_take_the_role() -> None:
    """EventBridge Scheduler gives the group's ARN as the source; one of a schedule would let nobody in."""
    (one,) = _statements(trust(PLACE, "default"))
    assert one["Condition"]["StringEquals"] == {
        "aws:SourceAccount": "123456789012",
        "aws:SourceArn": "arn:aws:scheduler:us-east-1:123456789012:schedule-group/default",
    }


@pytest.mark.parametrize("name", ["prod", "c" * 60])
@pytest.mark.parametrize("stack_id", [None, ID])
def test_it_fits_in_an_inline_policy_and_the_linter_finds_nothing(name: str, stack_id: str | None) -> None:
    policy = rights(name, PLACE, stack_id)
    assert len(json.dumps(policy, separators=(",", ":"))) < 10_240
    assert lint(policy) == []


@pytest.mark.parametrize(("region", "partition"), [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")])
def test_other_partitions_are_named(region: str, partition: str) -> None:
    text = json.dumps(rights("prod", Place("123456789012", region, partition)))
    assert "arn:aws:" not in text
    assert f"arn:{partition}:iam::123456789012:role/parallelcluster/{region}/prod/*" in text


def _statements(policy: dict[str, Any] | dict[str, object]) -> list[dict[str, Any]]:
    found = policy["Statement"]
    assert isinstance(found, list)
    return found
