"""The end as AWS keeps it, against moto: whose it is, whether it would come, and what of others is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import moto
import pytest
from botocore.exceptions import ClientError
from cluster_fakes import NAME

from fmctl.adapters.aws.cloud import AwsCloud
from fmctl.adapters.aws.end import GROUP, POLICY, trust
from fmctl.adapters.aws.policies import allows, may_assume
from fmctl.adapters.aws.session import Session
from fmctl.base.errors import OperationFailed
from fmctl.domain.end import End, Whose, end_name, role_name, warning_name
from fmctl.domain.policy import Place
from fmctl.targets.parallelcluster.marks import MARKS
from fmctl.targets.parallelcluster.rights import rights

ACCOUNT, EAST, WEST = "123456789012", "us-east-1", "us-west-2"
AT = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
MINE, OTHERS = Whose("a1b2"), Whose("c3d4")
STACK = f"arn:aws:cloudformation:{EAST}:{ACCOUNT}:stack/{NAME}/1111"


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], AwsCloud]]:
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(name, value)
    with moto.mock_aws():
        yield reached


def reached(region: str) -> AwsCloud:
    """AWS in a region; moto knows no reservations."""
    found = AwsCloud(Session(region=region), MARKS, lambda _: None)
    ec2 = found.session.client("ec2")
    paginator, none = ec2.get_paginator, SimpleNamespace(paginate=lambda **_: [])
    ec2.get_paginator = lambda name: none if name == "describe_capacity_reservations" else paginator(name)
    return found


@pytest.fixture
def cloud(region: Callable[[str], AwsCloud]) -> AwsCloud:
    return region(EAST)


def arranged(cloud: AwsCloud, whose: Whose = MINE, at: datetime = AT) -> str:
    role = cloud.end_role(NAME, None, whose)
    cloud.put_end(NAME, at, role, "t" * 32, whose)
    return role


def schedule(cloud: AwsCloud) -> dict[str, Any]:
    found: Any = cloud.session.client("scheduler").get_schedule(Name=end_name(NAME), GroupName=GROUP)
    return dict(found)


def change(cloud: AwsCloud, **given: Any) -> None:
    """The schedule as somebody changed it by hand."""
    now = schedule(cloud)
    kept = {key: now[key] for key in ("Name", "GroupName", "Description", "ScheduleExpression",
            "ScheduleExpressionTimezone", "FlexibleTimeWindow", "State", "Target") if key in now}  # fmt: skip
    cloud.session.client("scheduler").update_schedule(**(kept | given))


def test_a_name_in_two_regions_has_two_roles_and_two_ends(region: Callable[[str], AwsCloud]) -> None:
    east, west = region(EAST), region(WEST)
    ours, theirs = arranged(east), arranged(west, OTHERS)
    assert ours != theirs
    assert east.end(NAME) == End(AT, MINE.launch)
    assert west.remove_end(NAME, OTHERS.launch) == ()
    found = east.end(NAME)
    assert found is not None and found.holds, "what was taken away over there disarms nothing here"
    iam = east.session.client("iam")
    policy: Any = iam.get_role_policy(RoleName=role_name(NAME, EAST), PolicyName=POLICY)["PolicyDocument"]
    assert WEST not in json.dumps(policy)


def test_an_end_says_whose_it_is_and_holds(cloud: AwsCloud) -> None:
    arranged(cloud)
    assert cloud.end(NAME) == End(AT, MINE.launch)
    bound = Whose(MINE.launch, STACK)
    arranged(cloud, bound)
    assert cloud.end(NAME, STACK) == End(AT, MINE.launch, STACK)
    assert json.loads(schedule(cloud)["Target"]["Input"]) == {"StackName": STACK}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"State": "DISABLED"}, "its schedule is switched off"),
        ({"ScheduleExpression": "rate(1 day)"}, "its schedule is rate(1 day) in UTC, and no single time"),
        ({"ScheduleExpression": "cron(0 9 * * ? *)"}, "its schedule is cron(0 9 * * ? *) in UTC, and no single time"),
        ({"ScheduleExpressionTimezone": "Mars/Olympus"}, "in Mars/Olympus, and no single time"),
    ],
)
def test_an_end_that_would_not_come_says_why(cloud: AwsCloud, given: dict[str, Any], said: str) -> None:
    arranged(cloud)
    change(cloud, **given)
    found = cloud.end(NAME)
    assert found is not None and not found.holds
    assert said in found.said


def test_the_time_zone_of_an_end_counts(cloud: AwsCloud) -> None:
    arranged(cloud)
    change(cloud, ScheduleExpressionTimezone="America/Los_Angeles")
    found = cloud.end(NAME)
    assert found is not None and found.at == AT + timedelta(hours=8)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"Input": json.dumps({"StackName": "prod"})}, "does not delete this cluster"),
        ({"Input": json.dumps({"StackName": STACK.replace("1111", "2222")})}, "deletes another stack of that name"),
        ({"Input": "{"}, "does not delete this cluster"),
        ({"Arn": "arn:aws:scheduler:::aws-sdk:cloudformation:updateStack"}, "does not delete this cluster"),
    ],
)
def test_an_end_that_deletes_something_else_is_none(cloud: AwsCloud, target: dict[str, Any], said: str) -> None:
    arranged(cloud)
    change(cloud, Target=schedule(cloud)["Target"] | target)
    found = cloud.end(NAME, STACK)
    assert found is not None and said in found.said


def test_an_end_without_its_role_its_trust_or_its_rights_is_none(cloud: AwsCloud) -> None:
    iam, name = cloud.session.client("iam"), role_name(NAME, EAST)
    arranged(cloud)
    iam.put_role_policy(
        RoleName=name, PolicyName=POLICY, PolicyDocument=json.dumps(rights("prod", Place(ACCOUNT, EAST)))
    )
    assert "may not delete the cluster" in said(cloud)
    iam.delete_role_policy(RoleName=name, PolicyName=POLICY)
    assert "may not delete the cluster" in said(cloud)
    arranged(cloud)
    assert said(cloud) == "", "arranged again it is whole again"
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust(Place("999999999999", EAST), GROUP)))
    assert "does not trust" in said(cloud)
    iam.delete_role_policy(RoleName=name, PolicyName=POLICY)
    iam.delete_role(RoleName=name)
    assert said(cloud) == f"its role {name} does not exist"


def test_what_may_not_be_looked_at_is_said_and_is_no_fault(cloud: AwsCloud) -> None:
    arranged(cloud)
    iam = cloud.session.client("iam")

    def refused(**given: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "iam:GetRole"}}, "GetRole")

    iam.get_role = refused  # type: ignore[method-assign]
    found = cloud.end(NAME)
    assert found is not None and found.holds
    assert found.unseen.startswith("whether its role can do it: ")


def said(cloud: AwsCloud) -> str:
    found = cloud.end(NAME)
    assert found is not None
    return found.said


def test_a_role_of_that_name_that_is_somebody_else_s_is_left_as_it_is(cloud: AwsCloud) -> None:
    iam, name = cloud.session.client("iam"), role_name(NAME, EAST)
    reads: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    theirs = json.dumps({"Version": "2012-10-17", "Statement": [reads]})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=theirs, Tags=[{"Key": "team", "Value": "db"}])
    iam.put_role_policy(RoleName=name, PolicyName="backup", PolicyDocument=theirs)
    with pytest.raises(OperationFailed, match="is not fmctl's"):
        cloud.end_role(NAME, None, MINE)
    assert cloud.remove_end(NAME) == (
        f"the role {name} was left: its tags are not this cluster's, or another launch's",
    )
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["backup"]
    assert not [one for one in cloud.leftovers(NAME) if one.id == name], "no command to remove it is handed out"


def test_a_launch_takes_neither_role_nor_schedule_of_another(cloud: AwsCloud) -> None:
    arranged(cloud)
    with pytest.raises(OperationFailed, match="launched in us-east-1 by somebody else"):
        cloud.end_role(NAME, None, OTHERS)
    with pytest.raises(OperationFailed, match="arranged by somebody else") as refused:
        cloud.put_end(NAME, AT + timedelta(hours=2000), "arn:aws:iam::1:role/x", "u" * 32, OTHERS)
    assert "launch a1b2" in (refused.value.why or "")
    assert cloud.end(NAME) == End(AT, MINE.launch)
    left = cloud.remove_end(NAME, OTHERS.launch)
    assert len(left) == 3 and cloud.end(NAME) == End(AT, MINE.launch), "nor takes them away"
    assert cloud.remove_end(NAME, MINE.launch) == ()
    assert cloud.end(NAME) is None


def test_a_schedule_of_that_name_that_deletes_nothing_of_ours_is_left(cloud: AwsCloud) -> None:
    scheduler = cloud.session.client("scheduler")
    for name in (end_name(NAME), warning_name(NAME)):
        scheduler.create_schedule(
            Name=name, GroupName=GROUP, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": f"arn:aws:lambda:{EAST}:{ACCOUNT}:function:backup", "RoleArn": "arn:aws:iam::1:role/x"},
        )  # fmt: skip
    role = cloud.end_role(NAME, None, MINE)
    with pytest.raises(OperationFailed, match="arranged by somebody else"):
        cloud.put_end(NAME, AT, role, "t" * 32, MINE)
    assert len(cloud.remove_end(NAME)) == 2
    assert schedule(cloud)["ScheduleExpression"] == "rate(1 day)"
    assert not [one for one in cloud.leftovers(NAME) if one.kind == "schedule"]


def older(cloud: AwsCloud, region: str = EAST) -> None:
    """What an fmctl before launches had ids left: one role for all regions, and a schedule that tells no launch."""
    iam, name = cloud.session.client("iam"), end_name(NAME)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}", Tags=[{"Key": "fmctl:cluster", "Value": NAME}])
    deletes = {"Effect": "Allow", "Action": "cloudformation:DeleteStack"}
    policy = {"Statement": [deletes | {"Resource": f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{NAME}/*"}]}
    iam.put_role_policy(RoleName=name, PolicyName=POLICY, PolicyDocument=json.dumps({"Version": "2012-10-17"} | policy))
    cloud.session.client("scheduler").create_schedule(
        Name=name, GroupName=GROUP, ScheduleExpression=AT.strftime("at(%Y-%m-%dT%H:%M:%S)"),
        FlexibleTimeWindow={"Mode": "OFF"}, Description=f"deletes the cluster {NAME}",
        Target={"Arn": "arn:aws:scheduler:::aws-sdk:cloudformation:deleteStack",
                "Input": json.dumps({"StackName": NAME}), "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{name}"},
    )  # fmt: skip


def test_what_an_older_fmctl_arranged_is_moved_and_removed(cloud: AwsCloud) -> None:
    older(cloud)
    found = cloud.end(NAME)
    assert found is not None and (found.at, found.launch) == (AT, "")
    with pytest.raises(OperationFailed):
        arranged(cloud, MINE)
    arranged(cloud, Whose(MINE.launch, before=("",)))
    assert cloud.remove_end(NAME, MINE.launch) == ()
    assert [one["RoleName"] for one in cloud.session.client("iam").list_roles()["Roles"]] == []


def test_an_older_role_that_serves_another_region_stays(region: Callable[[str], AwsCloud]) -> None:
    east, west = region(EAST), region(WEST)
    older(east)
    assert west.remove_end(NAME) == ()
    assert [one["RoleName"] for one in east.session.client("iam").list_roles()["Roles"]] == [end_name(NAME)]


def test_ends_are_listed_at_once(cloud: AwsCloud) -> None:
    arranged(cloud)
    assert cloud.ends([NAME, "other"]) == {NAME}


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}, True),
        ({"Effect": "Allow", "Action": ["cloudformation:DELETESTACK"], "Resource": [STACK]}, True),
        ({"Effect": "Allow", "Action": "cloudformation:DeleteStack", "Resource": f"{STACK}2"}, False),
        ({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"x": "y"}}}, False),
        ({"Effect": "Deny", "Action": "*", "Resource": "*"}, False),
        ({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}, False),
        ("nonsense", False),
    ],
)  # fmt: skip
def test_what_a_policy_allows(statement: Any, allowed: bool) -> None:
    assert allows({"Statement": [statement]}, "cloudformation:deleteStack", STACK) is allowed
    whole = {"Statement": [statement, {"Effect": "Deny", "Action": "cloudformation:Delete*", "Resource": STACK}]}
    assert not allows(whole, "cloudformation:deleteStack", STACK)


def test_a_trust_holds_for_its_own_account_alone() -> None:
    place = Place(ACCOUNT, EAST)
    source = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": place.arn("scheduler", f"schedule-group/{GROUP}")}
    assert may_assume(trust(place, GROUP), "scheduler.amazonaws.com", source)
    assert not may_assume(trust(place, GROUP), "lambda.amazonaws.com", source)
    assert not may_assume(trust(Place("1" * 12, EAST), GROUP), "scheduler.amazonaws.com", source)
    assert not may_assume(trust(place, "others"), "scheduler.amazonaws.com", source)
