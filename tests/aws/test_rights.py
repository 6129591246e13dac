"""What the real ParallelCluster makes against what fmctl says that the end, the head and the nodes may do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml

from fmctl.adapters.parallelcluster.leftovers import bucket
from fmctl.domain.cluster import Capacity, ClusterSpec
from fmctl.domain.policy import Place, Statement, document
from fmctl.domain.ports import Resource
from fmctl.targets.parallelcluster.creation import CREATES, Wants
from fmctl.targets.parallelcluster.nodes import compute_statements, head_statements
from fmctl.targets.parallelcluster.policy import Named, operator
from fmctl.targets.parallelcluster.rights import path, rights
from tests.aws.conftest import REGION, World
from tests.iam import actions
from tests.unit.targets.helpers import SITE, spec
from tests.unit.targets.test_rights import PLACE

pytestmark = pytest.mark.real("pcluster")

BUCKET = bucket(PLACE.account, REGION)

# What CloudFormation calls to delete a resource; nothing where no right is needed. Read off the handlers that AWS
# publishes for each type, and for functions behind custom resources off ParallelCluster's templates.
DELETES: Mapping[str, tuple[str, ...]] = {
    "AWS::AutoScaling::AutoScalingGroup": ("autoscaling:DeleteAutoScalingGroup", "autoscaling:UpdateAutoScalingGroup"),
    "AWS::CloudFormation::CustomResource": ("lambda:InvokeFunction",),
    "AWS::CloudFormation::Stack": ("cloudformation:DeleteStack",),
    "AWS::CloudFormation::WaitCondition": (),
    "AWS::CloudFormation::WaitConditionHandle": (),
    "AWS::CloudWatch::Alarm": ("cloudwatch:DeleteAlarms",),
    "AWS::CloudWatch::CompositeAlarm": ("cloudwatch:DeleteAlarms",),
    "AWS::CloudWatch::Dashboard": ("cloudwatch:DeleteDashboards",),
    "AWS::DynamoDB::Table": ("dynamodb:DeleteTable", "dynamodb:DescribeTable"),
    "AWS::EC2::EIP": ("ec2:ReleaseAddress",),
    "AWS::EC2::EIPAssociation": ("ec2:DisassociateAddress",),
    "AWS::EC2::Instance": ("ec2:TerminateInstances", "ec2:DescribeInstances"),
    "AWS::EC2::LaunchTemplate": ("ec2:DeleteLaunchTemplate",),
    "AWS::EC2::NetworkInterface": ("ec2:DeleteNetworkInterface",),
    "AWS::EC2::PlacementGroup": ("ec2:DeletePlacementGroup",),
    "AWS::EC2::SecurityGroup": ("ec2:DeleteSecurityGroup",),
    "AWS::EC2::SecurityGroupEgress": ("ec2:RevokeSecurityGroupEgress",),
    "AWS::EC2::SecurityGroupIngress": ("ec2:RevokeSecurityGroupIngress",),
    "AWS::ElasticLoadBalancingV2::Listener": ("elasticloadbalancing:DeleteListener",),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("elasticloadbalancing:DeleteLoadBalancer",),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("elasticloadbalancing:DeleteTargetGroup",),
    "AWS::FSx::DataRepositoryAssociation": ("fsx:DeleteDataRepositoryAssociation",),
    "AWS::FSx::FileSystem": ("fsx:DeleteFileSystem",),
    "AWS::IAM::InstanceProfile": ("iam:DeleteInstanceProfile", "iam:RemoveRoleFromInstanceProfile"),
    "AWS::IAM::Policy": ("iam:DeleteRolePolicy",),
    "AWS::IAM::Role": ("iam:DeleteRole", "iam:DetachRolePolicy"),
    "AWS::Lambda::Function": ("lambda:DeleteFunction", "lambda:GetFunction"),
    "AWS::Logs::LogGroup": (),  # kept
    "AWS::Logs::MetricFilter": ("logs:DeleteMetricFilter",),
    "AWS::Route53::HostedZone": ("route53:DeleteHostedZone",),
}


@pytest.fixture(scope="module")
def made(world: World) -> tuple[Resource, ...]:
    """Every resource of a cluster that has all that fmctl may ask for: login nodes, an address, a file system."""
    config = yaml.safe_load(world.config("p5-odcr"))
    subnet = config["HeadNode"]["Networking"]["SubnetId"]
    config["HeadNode"]["Networking"]["ElasticIp"] = True
    config["Scheduling"]["SlurmQueues"][0]["Networking"]["PlacementGroup"] = {"Enabled": True}
    config["Iam"] = {"ResourcePrefix": path("prod", REGION)}
    config["Monitoring"] = {"Logs": {"CloudWatch": {"DeletionPolicy": "Retain"}}}
    config["LoginNodes"] = {
        "Pools": [{
            "Name": "login", "Count": 1, "InstanceType": "m6i.xlarge", "Ssh": {"AllowedIps": "127.0.0.1/32"},
            "Networking": {"SubnetIds": [subnet]},
        }],
    }  # fmt: skip
    config["SharedStorage"] = [{
        "Name": "fsx", "MountDir": "/fsx", "StorageType": "FsxLustre", "FsxLustreSettings": {
            "StorageCapacity": 1200, "DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 125,
            "DeletionPolicy": "Delete", "DataRepositoryAssociations": [{
                "Name": "data", "BatchImportMetaDataOnCreate": True, "FileSystemPath": "/data",
                "DataRepositoryPath": f"s3://{world.running.seed['bucket']}",
            }],
        },
    }]  # fmt: skip
    return world.pcluster.synth("prod", yaml.safe_dump(config), REGION)


def test_every_resource_of_the_stack_can_be_deleted_by_its_end(made: tuple[Resource, ...]) -> None:
    kinds = {one.type for one in made}
    held = actions(rights("prod", PLACE))
    needed = {action for kind in kinds for action in DELETES[kind]}
    assert needed <= held
    assert {"AWS::FSx::FileSystem", "AWS::EC2::EIP", "AWS::EC2::PlacementGroup"} <= kinds


def test_no_right_of_the_end_is_without_a_resource_that_needs_it(made: tuple[Resource, ...]) -> None:
    needed = {action for one in made for action in DELETES[one.type]}
    read = ("Describe", "Get", "List")
    spare = {
        one for one in actions(rights("prod", PLACE)) - needed if not one.partition(":")[2].startswith(read)
    }  # fmt: skip
    assert spare == {"ec2:DetachNetworkInterface", "ssm:SendCommand"}  # of a head that is gone before; the warning


def test_names_and_paths_are_those_that_the_rights_name(made: tuple[Resource, ...]) -> None:
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for one in made:
        by_kind.setdefault(one.type, []).append(one.properties)
    own = path("prod", REGION)
    for kind in ("AWS::IAM::Role", "AWS::IAM::InstanceProfile"):
        assert {one["Path"] for one in by_kind[kind]} <= {own, f"{own}prod/"}
    tables = {one["TableName"] for one in by_kind["AWS::DynamoDB::Table"]}
    assert tables == {"parallelcluster-prod", "parallelcluster-slurm-prod"}
    alarms = {one["AlarmName"] for kind in ("Alarm", "CompositeAlarm") for one in by_kind[f"AWS::CloudWatch::{kind}"]}
    held = str(rights("prod", PLACE))
    assert all(f"alarm:{one}'" in held for one in alarms)
    names = [one["FunctionName"]["Fn::Join"][1] for one in by_kind["AWS::Lambda::Function"]]
    assert sorted(name[0] for name in names) == ["pcluster-CleanupResources-", "pcluster-CleanupRoute53-"]
    (group,) = {one["AutoScalingGroupName"] for one in by_kind["AWS::AutoScaling::AutoScalingGroup"]}
    assert f"autoScalingGroupName/{group}'" in held
    nested = {one.logical_id for one in made if one.type == "AWS::CloudFormation::Stack"}
    assert all(one.startswith(("ComputeFleetQueuesNestedStack", "LoginNodesNestedStack")) for one in nested)
    (zone,) = by_kind["AWS::Route53::HostedZone"]
    assert zone


def test_every_resource_of_the_stack_can_be_made_by_its_operator(made: tuple[Resource, ...]) -> None:
    wants = Wants(("subnet-1",), login=True, address=True, disk=True, source="fmctl-lab")
    held = actions(document(operator(Named("prod", PLACE, wants))))
    assert {action for one in made for action in CREATES[one.type]} <= held
    assert set(CREATES) == set(DELETES)


@pytest.mark.parametrize(("role", "policies"), [("RoleHeadNode", head_statements), ("Compute", compute_statements)])
def test_nodes_may_do_what_is_printed_of_them(
    made: tuple[Resource, ...], role: str, policies: Callable[[ClusterSpec, Place], tuple[Statement, ...]]
) -> None:
    """Action by action, and each real resource by one of the printed."""
    own = replace(SITE, account=PLACE.account, file_system=None)
    held = Capacity("odcr", "cr-0123456789abcdef0")
    printed = document(policies(replace(spec(site=own), name="prod", capacity=held), PLACE))
    real = [statement for one in made for statement in _policy_of(one, role)]
    assert {action for one in real for action in _listed(one["Action"])} == actions(printed)
    for one in real:
        for action in _listed(one["Action"]):
            covering = [each for each in printed["Statement"] if action in each["Action"]]
            assert any(_same(one, each) for each in covering), (action, one)


def _policy_of(one: Resource, role: str) -> list[dict[str, Any]]:
    """Statements of an inline policy of the head node, or of the roles of the nested stack of the queues."""
    if one.type != "AWS::IAM::Policy":
        return []
    named = str(one.properties["Roles"])
    mine = "RoleHeadNode" in named if role == "RoleHeadNode" else one.stack.startswith("ComputeFleet")
    return list(one.properties["PolicyDocument"]["Statement"]) if mine else []


def _same(real: Mapping[str, Any], printed: Mapping[str, Any]) -> bool:
    """As printed under the same condition; ids of the lab are any id."""
    if bool(real.get("Condition")) != bool(printed.get("Condition")):
        return False
    return all(any(_shape(mine) == _shape(text) for mine in printed["Resource"])
               for text in map(_text, _listed(real["Resource"])))  # fmt: skip


def _shape(text: str) -> str:
    """What a resource is, without which one of it, where the lab and the site of the test differ."""
    named = re.sub(r"(subnet|image|key-pair|capacity-reservation)/\S+", r"\1/*", text.replace(BUCKET, "BUCKET"))
    named = re.sub(r"BUCKET/parallelcluster/.*", "BUCKET/FOLDER", named)
    named = re.sub(r"stack/prod.*|STACK", "stack/prod", named)
    return re.sub(r"^.*:stack/prod", "stack/prod", named)


def _text(part: Any) -> str:
    """An ARN of a template, with what CloudFormation fills in."""
    if isinstance(part, str):
        return part
    if "Ref" in part:
        known = {
            "AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": PLACE.account, "AWS::StackId": "STACK",
            "Route53HostedZone": "*",
        }  # fmt: skip
        return known[part["Ref"]]
    return "".join(map(_text, part["Fn::Join"][1]))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
