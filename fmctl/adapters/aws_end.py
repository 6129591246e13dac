"""The end of a cluster, kept by AWS itself: a one-time EventBridge schedule, and the role that deletes the stack.

CloudFormation deletes with the rights of whoever asked, so the role has the rights to delete what ParallelCluster's
stack makes, as narrow as names and tags allow.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fmctl.adapters.aws_errors import asked, code_of
from fmctl.adapters.aws_session import Session
from fmctl.errors import OperationFailed

GROUP = "default"
_LONGEST = 64
_AT = "at(%Y-%m-%dT%H:%M:%S)"
# A new role takes a while to be known everywhere: how often the schedule is tried, with seconds between.
_ROLE_TRIES, _ROLE_PAUSE_S = 10, 3.0
_GONE = {"NoSuchEntity", "ResourceNotFoundException", "NoSuchEntityException"}
_CLUSTER_TAG = "parallelcluster:cluster-name"


def end_name(cluster: str) -> str:
    """Name of the schedule and of the role: at most 64 characters."""
    whole = f"fmctl-end-{cluster}"
    if len(whole) <= _LONGEST:
        return whole
    return f"{whole[: _LONGEST - 9]}-{hashlib.sha256(cluster.encode()).hexdigest()[:8]}"


def trust(account: str) -> dict[str, Any]:
    """Who may take the role: EventBridge Scheduler, for this account's schedules."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "scheduler.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            }
        ],
    }


def rights(cluster: str, partition: str, region: str, account: str) -> dict[str, Any]:
    """What deleting the stack needs, and no more than names and tags can say."""

    def arn(service: str, rest: str, where: str = region) -> str:
        return f"arn:{partition}:{service}:{where}:{account}:{rest}"

    def allow(actions: str, *resources: str, tagged: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = {"Effect": "Allow", "Action": actions.split(), "Resource": list(resources or ("*",))}
        if tagged:
            found["Condition"] = {"StringEquals": {f"aws:ResourceTag/{_CLUSTER_TAG}": cluster}}
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


class Ends:
    """Ends of clusters in one account and region.

    Args:
        session: to AWS.
        sleep: waits so many seconds.
    """

    def __init__(self, session: Session, sleep: Callable[[float], None] = time.sleep) -> None:
        self._session, self._sleep = session, sleep

    def role(self, cluster: str, boundary: str | None, account: str, partition: str) -> str:
        """Make, or find and bring up to date, the role; its ARN."""
        iam, name = self._session.client("iam"), end_name(cluster)
        with asked("a role for the end of the cluster"):
            given: dict[str, Any] = {"PermissionsBoundary": boundary} if boundary else {}
            try:
                made = iam.create_role(
                    RoleName=name,
                    AssumeRolePolicyDocument=json.dumps(trust(account)),
                    Description=f"EventBridge Scheduler deletes the cluster {cluster} with it",
                    Tags=[{"Key": "fmctl:cluster", "Value": cluster}],
                    **given,
                )
            except iam.exceptions.EntityAlreadyExistsException:
                made = iam.get_role(RoleName=name)
                iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust(account)))
                if boundary:
                    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
            document = json.dumps(rights(cluster, partition, self._session.region, account), separators=(",", ":"))
            iam.put_role_policy(RoleName=name, PolicyName="delete-cluster", PolicyDocument=document)
            return str(made["Role"]["Arn"])

    def put(self, cluster: str, at: datetime, role_arn: str, token: str) -> None:
        """Schedule the deletion, in place of an earlier one."""
        scheduler = self._session.client("scheduler")
        partition = role_arn.split(":", 2)[1]
        given = {
            "Name": end_name(cluster),
            "GroupName": GROUP,
            "Description": f"deletes the cluster {cluster}",
            "ScheduleExpression": at.astimezone(UTC).strftime(_AT),
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "ENABLED",
            "ActionAfterCompletion": "DELETE",
            "ClientToken": token,
            "Target": {
                "Arn": f"arn:{partition}:scheduler:::aws-sdk:cloudformation:deleteStack",
                "RoleArn": role_arn,
                "Input": json.dumps({"StackName": cluster}),
                "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185},
            },
        }
        for attempt in range(_ROLE_TRIES):
            try:
                with asked("the scheduled end"):
                    _create_or_update(scheduler, given)
                return
            except OperationFailed as error:
                if "assume the role" not in (error.why or "") or attempt == _ROLE_TRIES - 1:
                    raise
                self._sleep(_ROLE_PAUSE_S)

    def get(self, cluster: str) -> datetime | None:
        """When the stack will be deleted."""
        found = self._unless_gone("the scheduled end", lambda: self._schedule(cluster))
        if found is None or found.get("State") != "ENABLED":
            return None
        return datetime.strptime(found["ScheduleExpression"], _AT).replace(tzinfo=UTC)

    def remove(self, cluster: str) -> None:
        """Remove schedule and role."""
        name, iam = end_name(cluster), self._session.client("iam")
        scheduler = self._session.client("scheduler")
        self._unless_gone("the scheduled end", lambda: scheduler.delete_schedule(Name=name, GroupName=GROUP))
        listed = self._unless_gone("the role of the end", lambda: iam.list_role_policies(RoleName=name)) or {}
        for policy in listed.get("PolicyNames", ()):
            self._unless_gone("the role of the end", partial(iam.delete_role_policy, RoleName=name, PolicyName=policy))
        self._unless_gone("the role of the end", lambda: iam.delete_role(RoleName=name))

    def _schedule(self, cluster: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._session.client("scheduler").get_schedule(
            Name=end_name(cluster), GroupName=GROUP
        )
        return found

    @staticmethod
    def _unless_gone(what: str, call: Callable[[], Any]) -> Any:
        from botocore.exceptions import ClientError

        with asked(what):
            try:
                return call()
            except ClientError as error:
                if code_of(error) in _GONE:
                    return None
                raise


def _create_or_update(scheduler: Any, given: Mapping[str, Any]) -> None:
    try:
        scheduler.create_schedule(**given)
    except scheduler.exceptions.ConflictException:
        scheduler.update_schedule(**given)
