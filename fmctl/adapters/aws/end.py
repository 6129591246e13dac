"""The end of a cluster, kept by AWS itself: a one-time EventBridge schedule, and the role that deletes it.

A second schedule says so on the head node half an hour before, to everybody who is logged in.

What deletes it, and the rights which that needs, are the target's (`marks`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fmctl.adapters.aws.errors import NOT_ASSUMABLE, asked, code_of
from fmctl.adapters.aws.marks import Marks
from fmctl.adapters.aws.session import Session
from fmctl.base.errors import OperationFailed, shorten
from fmctl.domain.end import end_name, warning_name
from fmctl.domain.policy import VERSION, Place

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import CreateRoleRequestTypeDef
    from types_boto3_scheduler import EventBridgeSchedulerClient
    from types_boto3_scheduler.type_defs import CreateScheduleInputTypeDef, TargetTypeDef

_T = TypeVar("_T")
GROUP = "default"
_AT = "at(%Y-%m-%dT%H:%M:%S)"
# A new role takes a while to be known everywhere: how often the schedule is tried, with seconds between.
_ROLE_TRIES, _ROLE_PAUSE_S = 10, 3.0
_GONE = {"NoSuchEntity", "ResourceNotFoundException", "NoSuchEntityException"}
WARNED = timedelta(minutes=30)


def trust(place: Place, group: str) -> dict[str, object]:
    """Who may take the role: EventBridge Scheduler, for schedules of this group of this account.

    EventBridge Scheduler gives the group as the source and never the schedule, so a group is as narrow as it gets.
    """
    source = place.arn("scheduler", f"schedule-group/{group}")
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "scheduler.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": place.account, "aws:SourceArn": source}},
            }
        ],
    }


class Ends:
    """Ends of clusters in one account and region.

    Args:
        session: to AWS.
        marks: of the target whose clusters they are.
        sleep: waits so many seconds.
    """

    def __init__(self, session: Session, marks: Marks, sleep: Callable[[float], None] = time.sleep) -> None:
        self._session, self._marks, self._sleep = session, marks, sleep

    def role(self, cluster: str, boundary: str | None, account: str, partition: str) -> str:
        """Make, or find and bring up to date, the role; its ARN."""
        iam, name = self._session.client("iam"), end_name(cluster)
        place = Place(account, self._session.region, partition)
        trusted = json.dumps(trust(place, GROUP))
        with asked("a role for the end of the cluster"):
            given: CreateRoleRequestTypeDef = {
                "RoleName": name,
                "AssumeRolePolicyDocument": trusted,
                "Description": f"EventBridge Scheduler deletes the cluster {cluster} with it",
                "Tags": [{"Key": "fmctl:cluster", "Value": cluster}],
            }
            if boundary:
                given["PermissionsBoundary"] = boundary
            try:
                arn = iam.create_role(**given)["Role"]["Arn"]
            except iam.exceptions.EntityAlreadyExistsException:
                arn = iam.get_role(RoleName=name)["Role"]["Arn"]
                iam.update_assume_role_policy(RoleName=name, PolicyDocument=trusted)
                if boundary:
                    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
            rights = self._marks.rights(cluster, place, None)
            document = json.dumps(rights, separators=(",", ":"))
            iam.put_role_policy(RoleName=name, PolicyName="delete-cluster", PolicyDocument=document)
            return arn

    def put(self, cluster: str, at: datetime, role_arn: str, token: str) -> None:
        """Schedule the deletion, in place of an earlier one."""
        scheduler = self._session.client("scheduler")
        target = _target(role_arn, *self._marks.delete(cluster))
        given = _schedule(end_name(cluster), f"deletes the cluster {cluster}", at, token, target)
        for attempt in range(_ROLE_TRIES):
            try:
                with asked("the scheduled end"):
                    _create_or_update(scheduler, given)
                break
            except OperationFailed as error:
                if error.cause != NOT_ASSUMABLE or attempt == _ROLE_TRIES - 1:
                    raise
                self._sleep(_ROLE_PAUSE_S)
        target = _target(role_arn, *self._marks.warn(cluster, at))
        warning = _schedule(warning_name(cluster), f"warns of the end of {cluster}", at - WARNED, f"{token}w", target)
        # An end that cannot be warned of still is an end.
        with suppress(OperationFailed), asked("the warning before the end"):
            _create_or_update(scheduler, warning)

    def get(self, cluster: str) -> datetime | None:
        """When the stack will be deleted."""
        scheduler = self._session.client("scheduler")
        found = self._unless_gone(
            "the scheduled end", lambda: scheduler.get_schedule(Name=end_name(cluster), GroupName=GROUP)
        )
        if found is None or found.get("State") != "ENABLED":
            return None
        return _moment(found.get("ScheduleExpression"), found.get("ScheduleExpressionTimezone"))

    def remove(self, cluster: str) -> None:
        """Remove schedule and role."""
        name, iam = end_name(cluster), self._session.client("iam")
        scheduler = self._session.client("scheduler")
        for one in (name, warning_name(cluster)):
            self._unless_gone("the scheduled end", partial(scheduler.delete_schedule, Name=one, GroupName=GROUP))
        listed = self._unless_gone("the role of the end", lambda: iam.list_role_policies(RoleName=name))
        for policy in listed.get("PolicyNames", ()) if listed else ():
            self._unless_gone("the role of the end", partial(iam.delete_role_policy, RoleName=name, PolicyName=policy))
        self._unless_gone("the role of the end", lambda: iam.delete_role(RoleName=name))

    @staticmethod
    def _unless_gone(what: str, call: Callable[[], _T]) -> _T | None:
        from botocore.exceptions import ClientError

        with asked(what):
            try:
                return call()
            except ClientError as error:
                if code_of(error) in _GONE:
                    return None
                raise


def _moment(said: object, zone: object) -> datetime:
    """The moment of a one-time schedule. Raises OperationFailed where it is another's, or none."""
    try:
        told = datetime.strptime(str(said), _AT).replace(tzinfo=ZoneInfo(str(zone or "UTC")))
        return told.astimezone(UTC)
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError):
        why = shorten(f"{said} in {zone or 'UTC'}")
        raise OperationFailed(
            "the scheduled end cannot be read", why=why, next="fmctl extend NAME --hours 24"
        ) from None


def _schedule(name: str, what: str, at: datetime, token: str, target: TargetTypeDef) -> CreateScheduleInputTypeDef:
    """A one-time schedule that removes itself."""
    return {
        "Name": name,
        "GroupName": GROUP,
        "Description": what,
        "ScheduleExpression": at.astimezone(UTC).strftime(_AT),
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "ActionAfterCompletion": "DELETE",
        "ClientToken": token,
        "Target": target,
    }


def _target(role_arn: str, action: str, given: Mapping[str, object]) -> TargetTypeDef:
    """A call of the AWS API as a schedule's target, repeated for a day where it fails."""
    return {
        "Arn": f"arn:{role_arn.split(':', 2)[1]}:scheduler:::aws-sdk:{action}",
        "RoleArn": role_arn,
        "Input": json.dumps(given),
        "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185},
    }


def _create_or_update(scheduler: EventBridgeSchedulerClient, given: CreateScheduleInputTypeDef) -> None:
    try:
        scheduler.create_schedule(**given)
    except scheduler.exceptions.ConflictException:
        scheduler.update_schedule(**given)
