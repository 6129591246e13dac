"""The end of a cluster, kept by AWS itself: a one-time EventBridge schedule, and the role that deletes it.

A second schedule says so on the head node half an hour before, to everybody who is logged in.

What deletes it, and the rights which that needs, are the target's (`marks`).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fmctl.adapters.aws.errors import NOT_ASSUMABLE, asked, code_of
from fmctl.adapters.aws.marks import Marks
from fmctl.adapters.aws.policies import allows, document_of, may_assume
from fmctl.adapters.aws.session import Session, pages
from fmctl.base.errors import OperationFailed, PermissionDenied, shorten
from fmctl.domain.cluster import CLUSTER_TAG
from fmctl.domain.end import ENDS, End, Whose, end_name, role_name, warning_name
from fmctl.domain.policy import VERSION, Place

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import CreateRoleRequestTypeDef, RoleTypeDef
    from types_boto3_scheduler.type_defs import CreateScheduleInputTypeDef, GetScheduleOutputTypeDef, TargetTypeDef

_T = TypeVar("_T")
GROUP = "default"
_AT = "at(%Y-%m-%dT%H:%M:%S)"
# A new role takes a while to be known everywhere: how often the schedule is tried, with seconds between.
_ROLE_TRIES, _ROLE_PAUSE_S = 10, 3.0
_GONE = {"NoSuchEntity", "ResourceNotFoundException", "NoSuchEntityException"}
WARNED = timedelta(minutes=30)
SERVICE, POLICY = "scheduler.amazonaws.com", "delete-cluster"
# What the descriptions of the schedules begin with; the launch follows, by which an end is known as one's own.
_DELETES, _WARNS = "deletes the cluster", "warns of the end of"
REGION_TAG, LAUNCH_TAG = "fmctl:region", "fmctl:launch"


def trust(place: Place, group: str) -> dict[str, object]:
    """Who may take the role: EventBridge Scheduler, for schedules of this group of this account.

    EventBridge Scheduler gives the group as the source and never the schedule, so a group is as narrow as it gets.
    """
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": SERVICE},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": _source(place, group)},
            }
        ],
    }


def _source(place: Place, group: str) -> dict[str, str]:
    """What EventBridge Scheduler says of itself when it takes a role."""
    return {"aws:SourceAccount": place.account, "aws:SourceArn": place.arn("scheduler", f"schedule-group/{group}")}


class Ends:
    """Ends of clusters in one account and region.

    Args:
        session: to AWS.
        marks: of the target whose clusters they are.
        sleep: waits so many seconds.
    """

    def __init__(self, session: Session, marks: Marks, sleep: Callable[[float], None] = time.sleep) -> None:
        self._session, self._marks, self._sleep = session, marks, sleep

    def role(self, cluster: str, boundary: str | None, place: Place, whose: Whose) -> str:
        """Make, or find as our own and bring up to date, the role; its ARN.

        Raises OperationFailed where a role of that name is another launch's, or somebody else's.
        """
        iam, name = self._session.client("iam"), role_name(cluster, place.region)
        trusted, tags = json.dumps(trust(place, GROUP)), _tags(cluster, place.region, whose.launch)
        with asked("a role for the end of the cluster"):
            given: CreateRoleRequestTypeDef = {
                "RoleName": name,
                "AssumeRolePolicyDocument": trusted,
                "Description": f"EventBridge Scheduler deletes the cluster {cluster} in {place.region} with it",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
            if boundary:
                given["PermissionsBoundary"] = boundary
            try:
                arn = iam.create_role(**given)["Role"]["Arn"]
            except iam.exceptions.EntityAlreadyExistsException:
                found = iam.get_role(RoleName=name)["Role"]
                _check_role(found, cluster, place.region, whose.launch)
                arn = found["Arn"]
                iam.update_assume_role_policy(RoleName=name, PolicyDocument=trusted)
                if boundary:
                    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
            rights = json.dumps(self._marks.rights(cluster, place, whose.stack or None), separators=(",", ":"))
            iam.put_role_policy(RoleName=name, PolicyName=POLICY, PolicyDocument=rights)
            return arn

    def put(self, cluster: str, at: datetime, role_arn: str, token: str, whose: Whose) -> None:
        """Schedule the deletion, in place of an earlier one of the same launch.

        Raises OperationFailed where another launch has scheduled one, or the schedule is somebody else's.
        """
        scheduler = self._session.client("scheduler")
        target = _target(role_arn, *self._marks.delete(whose.stack or cluster))
        given = _schedule(end_name(cluster), _words(_DELETES, cluster, whose.launch), at, token, target)
        for attempt in range(_ROLE_TRIES):
            try:
                with asked("the scheduled end"):
                    self._create_or_update(cluster, given, whose)
                break
            except OperationFailed as error:
                if error.cause != NOT_ASSUMABLE or attempt == _ROLE_TRIES - 1:
                    raise
                self._sleep(_ROLE_PAUSE_S)
        target = _target(role_arn, *self._marks.warn(cluster, at))
        said = _words(_WARNS, cluster, whose.launch)
        warning = _schedule(warning_name(cluster), said, at - WARNED, f"{token}w", target)
        # An end that cannot be warned of still is an end.
        with suppress(OperationFailed), asked("the warning before the end"):
            try:
                scheduler.create_schedule(**warning)
            except scheduler.exceptions.ConflictException:
                if self._warns(scheduler.get_schedule(Name=warning["Name"], GroupName=GROUP), cluster):
                    scheduler.update_schedule(**warning)

    def _create_or_update(self, cluster: str, given: CreateScheduleInputTypeDef, whose: Whose) -> None:
        """AWS makes one schedule of a name: who comes second finds it, and may change only its own."""
        scheduler = self._session.client("scheduler")
        try:
            scheduler.create_schedule(**given)
        except scheduler.exceptions.ConflictException:
            found = scheduler.get_schedule(Name=given["Name"], GroupName=GROUP)
            if not self._deletes(found, cluster) or _launch_of(found) not in {whose.launch, *whose.before}:
                raise OperationFailed(
                    f"an end of {cluster} was arranged by somebody else",
                    why=f"the schedule {given['Name']} says: {found.get('Description') or 'nothing'}",
                    next=f"another name, or fmctl status {cluster}",
                ) from None
            scheduler.update_schedule(**given)

    def get(self, cluster: str, place: Place, stack: str = "") -> End | None:
        """The scheduled end, and what of it would not work now; None where nothing is scheduled."""
        scheduler = self._session.client("scheduler")
        found = self._unless_gone(
            "the scheduled end", lambda: scheduler.get_schedule(Name=end_name(cluster), GroupName=GROUP)
        )
        if found is None:
            return None
        at, wrong = _time(found)
        if found.get("State") != "ENABLED":
            wrong.append("its schedule is switched off")
        named = _stack_named(found)
        if not self._deletes(found, cluster):
            wrong.append("its schedule does not delete this cluster")
        elif named.startswith("arn:") and stack and named != stack:
            wrong.append("its schedule deletes another stack of that name")
        unseen = ""
        try:
            wrong += self._role_wrong(cluster, place, found["Target"]["RoleArn"], stack)
        except PermissionDenied as error:
            unseen = f"whether its role can do it: {error.why or error.what}"
        return End(at, _launch_of(found), named if named.startswith("arn:") else "", tuple(wrong), unseen)

    def _deletes(self, found: GetScheduleOutputTypeDef, cluster: str) -> bool:
        """Whether a schedule calls for the deletion of a cluster of that name."""
        action, _ = self._marks.delete(cluster)
        named = _stack_named(found)
        ours = named == cluster or f":stack/{cluster}/" in named
        return ours and found["Target"]["Arn"].endswith(f":aws-sdk:{action}")

    def _role_wrong(self, cluster: str, place: Place, arn: str, stack: str) -> list[str]:
        iam, name = self._session.client("iam"), arn.rpartition("/")[2]
        found = self._unless_gone("the role of the end", lambda: iam.get_role(RoleName=name))
        if found is None:
            return [f"its role {name} does not exist"]
        wrong = []
        trusting = document_of(found["Role"].get("AssumeRolePolicyDocument"))
        if not may_assume(trusting, SERVICE, _source(place, GROUP)):
            wrong.append(f"its role {name} does not trust EventBridge Scheduler")
        policy = self._unless_gone(
            "the rights of the end", lambda: iam.get_role_policy(RoleName=name, PolicyName=POLICY)
        )
        rights = document_of(policy["PolicyDocument"]) if policy is not None else {}
        ours = [self._marks.rights(cluster, place, one) for one in (None, stack or None)]
        if rights not in [json.loads(json.dumps(one)) for one in ours]:
            where = stack or place.arn("cloudformation", f"stack/{cluster}/*")
            action, _ = self._marks.delete(cluster)
            if not allows(rights, action, where):
                wrong.append(f"its role {name} may not delete the cluster")
        return wrong

    def remove(self, cluster: str, place: Place, launch: str) -> tuple[str, ...]:
        """Remove schedule and role, as far as they are this cluster's and launch's; what was left, and why."""
        scheduler, left = self._session.client("scheduler"), []
        for one, found in self._found(cluster):
            if not (self._deletes(found, cluster) or self._warns(found, cluster)):
                left.append(f"the schedule {one} was left: it is not this cluster's")
                continue
            if launch and _launch_of(found) not in ("", launch):
                left.append(f"the schedule {one} was left: another launch arranged it")
                continue
            self._unless_gone("the scheduled end", partial(scheduler.delete_schedule, Name=one, GroupName=GROUP))
        for name in (role_name(cluster, place.region), end_name(cluster)):
            mine = self.is_role(name, cluster, place, launch)
            if mine:
                self._remove_role(name)
            elif mine is False and name == role_name(cluster, place.region):
                left.append(f"the role {name} was left: its tags are not this cluster's, or another launch's")
        return tuple(left)

    def of(self, clusters: Sequence[str]) -> frozenset[str]:
        """Which clusters have a schedule under the name of their end."""
        listed = self._session.client("scheduler").get_paginator("list_schedules")
        found = pages("scheduled ends", listed.paginate(GroupName=GROUP, NamePrefix=ENDS))
        names = {one["Name"] for page in found for one in page["Schedules"] if "Name" in one}
        return frozenset(cluster for cluster in clusters if end_name(cluster) in names)

    def schedules(self, cluster: str) -> list[str]:
        """Names of the cluster's schedules that there are."""
        return [
            name for name, found in self._found(cluster) if self._deletes(found, cluster) or self._warns(found, cluster)
        ]

    def _found(self, cluster: str) -> Iterator[tuple[str, GetScheduleOutputTypeDef]]:
        """What there is under the names of the cluster's schedules, whosever it is."""
        scheduler = self._session.client("scheduler")
        for one in (end_name(cluster), warning_name(cluster)):
            found = self._unless_gone("the scheduled end", partial(scheduler.get_schedule, Name=one, GroupName=GROUP))
            if found is not None:
                yield one, found

    def _warns(self, found: GetScheduleOutputTypeDef, cluster: str) -> bool:
        action, _ = self._marks.warn(cluster, datetime.now(UTC))
        ours = found["Target"]["Arn"].endswith(f":aws-sdk:{action}")
        said = (found.get("Description") or "").partition(" (launch ")[0]
        return ours and said == f"{_WARNS} {cluster}"

    def is_role(self, name: str, cluster: str, place: Place, launch: str = "") -> bool | None:
        """Whether a role is that of this cluster's end (and launch's), by its tags; None where there is none.

        One of an older fmctl has no region among its tags, and its rights tell it.
        """
        iam = self._session.client("iam")
        found = self._unless_gone("the role of the end", lambda: iam.get_role(RoleName=name))
        if found is None:
            return None
        tags = tags_of(found["Role"])
        if tags.get(CLUSTER_TAG) != cluster:
            return False
        if REGION_TAG in tags:
            return tags[REGION_TAG] == place.region and (not launch or tags.get(LAUNCH_TAG) == launch)
        policy = self._unless_gone(
            "the rights of the end", lambda: iam.get_role_policy(RoleName=name, PolicyName=POLICY)
        )
        return policy is None or f":{place.region}:{place.account}:stack/" in json.dumps(policy["PolicyDocument"])

    def _remove_role(self, name: str) -> None:
        iam = self._session.client("iam")
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


def _tags(cluster: str, region: str, launch: str) -> dict[str, str]:
    return {CLUSTER_TAG: cluster, REGION_TAG: region, LAUNCH_TAG: launch}


def tags_of(role: RoleTypeDef) -> dict[str, str]:
    """Tags of a role."""
    return {tag["Key"]: tag["Value"] for tag in role.get("Tags", ())}


def _check_role(found: RoleTypeDef, cluster: str, region: str, launch: str) -> None:
    tags, name = tags_of(found), found["RoleName"]
    if tags == tags | _tags(cluster, region, launch):
        return
    if (tags.get(CLUSTER_TAG), tags.get(REGION_TAG)) == (cluster, region):
        raise OperationFailed(
            f"{cluster} was launched in {region} by somebody else, or from another store",
            why=f"the role {name} is that of another launch",
            next=f"another name, or fmctl teardown {cluster} once nobody uses it",
        )
    raise OperationFailed(
        f"the role {name} is not fmctl's, and is left as it is",
        why=f"its tags do not say {CLUSTER_TAG} = {cluster}",
        next="another name for the cluster",
    )


def _words(does: str, cluster: str, launch: str) -> str:
    return f"{does} {cluster} (launch {launch})"


def _launch_of(found: GetScheduleOutputTypeDef) -> str:
    said = re.search(r"\(launch ([0-9A-Za-z]{1,64})\)$", found.get("Description") or "")
    return said.group(1) if said else ""


def _stack_named(found: GetScheduleOutputTypeDef) -> str:
    """Name or id of the stack in a schedule's input; "" where it is none."""
    return str(document_of(found["Target"].get("Input")).get("StackName", ""))


def _time(found: GetScheduleOutputTypeDef) -> tuple[datetime | None, list[str]]:
    """(when a schedule comes, in UTC, what is wrong about it)."""
    try:
        return _moment(found.get("ScheduleExpression"), found.get("ScheduleExpressionTimezone")), []
    except OperationFailed as error:
        return None, [f"its schedule is {error.why}, and no single time"]


def _moment(said: object, zone: object) -> datetime:
    """The moment of a one-time schedule. Raises OperationFailed where it is another's, or none."""
    try:
        told = datetime.strptime(str(said), _AT).replace(tzinfo=ZoneInfo(str(zone or "UTC")))
        return told.astimezone(UTC)
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError):
        why = shorten(f"{said} in {zone or 'UTC'}")
        raise OperationFailed("the scheduled end cannot be read", why=why, next="fmctl status NAME") from None


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
