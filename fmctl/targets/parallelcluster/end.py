"""What deletes a cluster at its end: a call of CloudFormation, which deletes with the rights of whoever asked.

So the role has the rights to delete what ParallelCluster's stack makes, as narrow as names and tags allow.
"""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from fmctl.adapters.aws.marks import Call

CLUSTER_TAG, ROLE_TAG = "parallelcluster:cluster-name", "parallelcluster:node-type"


def delete(cluster: str) -> Call:
    """The deletion of the stack."""
    return "cloudformation:deleteStack", {"StackName": cluster}


def warn(cluster: str, at: datetime) -> Call:
    """A command on the head node that tells everybody who is logged in."""
    tags = {CLUSTER_TAG: cluster, ROLE_TAG: "HeadNode"}
    return "ssm:sendCommand", {
        "DocumentName": "AWS-RunShellScript",
        "Targets": [{"Key": f"tag:{key}", "Values": [value]} for key, value in tags.items()],
        "Parameters": {"commands": [warning_words(cluster, at)]},
    }


def warning_words(cluster: str, at: datetime) -> str:
    """What is said on the head node, as a shell command."""
    said = f"fmctl: this cluster is deleted at {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC; fmctl extend {cluster} HOURS"
    return f"wall {shlex.quote(said)}"


def rights(cluster: str, partition: str, region: str, account: str) -> dict[str, object]:
    """What deleting the stack needs, and no more than names and tags can say."""

    def arn(service: str, rest: str, where: str = region) -> str:
        return f"arn:{partition}:{service}:{where}:{account}:{rest}"

    def allow(actions: str, *resources: str, tagged: bool = False) -> dict[str, object]:
        found: dict[str, object] = {"Effect": "Allow", "Action": actions.split(), "Resource": list(resources or ("*",))}
        if tagged:
            found["Condition"] = {"StringEquals": {f"aws:ResourceTag/{CLUSTER_TAG}": cluster}}
        return found

    paths = [f"parallelcluster/{cluster}/*", f"{cluster}-*"]
    statements = [
        allow(
            "cloudformation:DeleteStack cloudformation:DescribeStacks cloudformation:DescribeStackEvents "
            "cloudformation:DescribeStackResource cloudformation:DescribeStackResources "
            "cloudformation:ListStackResources",
            arn("cloudformation", f"stack/{cluster}/*"),
            arn("cloudformation", f"stack/{cluster}-*/*"),
        ),
        allow(
            "ec2:Describe* autoscaling:Describe* elasticloadbalancing:Describe* elasticfilesystem:Describe* "
            "fsx:Describe* cloudwatch:DescribeAlarms logs:DescribeLogGroups route53:GetChange lambda:GetFunction "
            "dynamodb:DescribeTable"
        ),
        allow(
            "ec2:TerminateInstances ec2:DeleteLaunchTemplate ec2:DeleteSecurityGroup ec2:RevokeSecurityGroupIngress "
            "ec2:RevokeSecurityGroupEgress ec2:DeleteNetworkInterface ec2:DetachNetworkInterface ec2:DeleteVolume "
            "ec2:DetachVolume ec2:DeletePlacementGroup ec2:DeleteTags ec2:DisassociateAddress ec2:ReleaseAddress "
            "fsx:DeleteFileSystem fsx:DeleteDataRepositoryAssociation elasticfilesystem:DeleteFileSystem "
            "elasticfilesystem:DeleteMountTarget elasticloadbalancing:DeleteLoadBalancer "
            "elasticloadbalancing:DeleteListener elasticloadbalancing:DeleteTargetGroup "
            "autoscaling:DeleteAutoScalingGroup autoscaling:UpdateAutoScalingGroup autoscaling:DeleteLifecycleHook",
            tagged=True,
        ),
        allow(
            "iam:GetRole iam:DeleteRole iam:GetRolePolicy iam:DeleteRolePolicy iam:DetachRolePolicy "
            "iam:ListRolePolicies iam:ListAttachedRolePolicies iam:ListInstanceProfilesForRole",
            *(arn("iam", f"role/{path}", "") for path in paths),
        ),
        allow(
            "iam:GetInstanceProfile iam:RemoveRoleFromInstanceProfile iam:DeleteInstanceProfile",
            *(arn("iam", f"instance-profile/{path}", "") for path in paths),
        ),
        allow("iam:DeletePolicy iam:ListPolicyVersions", *(arn("iam", f"policy/{path}", "") for path in paths)),
        allow(
            "lambda:InvokeFunction lambda:DeleteFunction lambda:RemovePermission", arn("lambda", "function:pcluster-*")
        ),
        allow(
            "logs:DeleteLogGroup logs:DeleteRetentionPolicy",
            arn("logs", "log-group:/aws/lambda/pcluster-*"),
            arn("logs", f"log-group:/aws/parallelcluster/{cluster}-*"),
        ),
        # The warning: a command on the cluster's own head node.
        allow("ssm:SendCommand", f"arn:{partition}:ssm:{region}::document/AWS-RunShellScript"),
        allow("ssm:SendCommand", arn("ec2", "instance/*"), tagged=True),
        allow("dynamodb:DeleteTable", arn("dynamodb", "table/parallelcluster-*")),
        allow(
            "cloudwatch:DeleteAlarms cloudwatch:DeleteDashboards",
            arn("cloudwatch", f"alarm:{cluster}*"),
            arn("cloudwatch", f"dashboard/{cluster}*", ""),
        ),
        allow(
            "route53:DeleteHostedZone route53:GetHostedZone route53:ChangeResourceRecordSets "
            "route53:ListResourceRecordSets route53:ListQueryLoggingConfigs",
            f"arn:{partition}:route53:::hostedzone/*",
        ),
    ]
    return {"Version": "2012-10-17", "Statement": statements}
