"""What the real ParallelCluster makes against what fmctl says that the end, the head and the nodes may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from fmctl.domain.ports import Resource
from fmctl.targets.parallelcluster.rights import path, rights
from tests.aws.conftest import REGION, World
from tests.iam import actions
from tests.unit.targets.test_rights import PLACE

pytestmark = pytest.mark.real("pcluster")

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
