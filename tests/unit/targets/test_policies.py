"""The policies that are printed: exact, small enough, understood by a linter, and of no use on another cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fmctl.base.errors import CannotRun, UsageError
from fmctl.domain.cluster import ClusterSpec, FileSystem, SlurmSite, site_with
from fmctl.domain.policy import WHO, Granted, document, size
from fmctl.targets.parallelcluster import creation, policy
from fmctl.targets.parallelcluster.policies import granted, place_of
from fmctl.targets.parallelcluster.rights import CLUSTER_TAG
from fmctl.usecases.policies import granted as of_target
from tests.iam import actions, allowed, lint
from tests.unit.targets.helpers import SITE, spec

VIA = ["cloudformation.amazonaws.com"]
ACCOUNT = "111122223333"
EVERYTHING = site_with(
    replace(SITE, account=ACCOUNT, bucket="ours", file_system=FileSystem(data_repository="s3://data/set")),
    login_nodes=2, public_head=True,
)  # fmt: skip
NOTHING = replace(SITE, account=ACCOUNT, file_system=None)


def made(site: Any = EVERYTHING, name: str = "prod", **changes: Any) -> ClusterSpec:
    return replace(spec(site=site, **changes), name=name)


def whole(found: Granted) -> dict[str, Any]:
    return document(found.statements)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("site", [EVERYTHING, NOTHING])
def test_the_linter_finds_nothing_and_each_document_fits(who: str, site: Any) -> None:
    found = granted(who, made(site))
    for one in found.documents():
        assert size(one) <= found.most
        exact = [each for each in one["Statement"] if each["Sid"] != "Keys"]  # s3:*, which ParallelCluster writes
        assert lint(one | {"Statement": exact}) == []
    assert sum(len(one["Statement"]) for one in found.documents()) == len(found.statements)
    sids = [one.sid for one in found.statements]
    assert len(set(sids)) == len(sids)
    assert all(one.why for one in found.statements)


@pytest.mark.parametrize("who", WHO)
def test_no_action_is_a_pattern_but_parallelcluster_s_own_on_our_keys(who: str) -> None:
    held = {one for one in actions(whole(granted(who, made()))) if "*" in one}
    assert held == ({"s3:*"} if who in ("head", "compute") else set())


def test_everything_that_an_operator_may_change_is_the_cluster_s_or_by_cloudformation() -> None:
    """A statement that covers everything either only looks, or holds where CloudFormation makes the call."""
    looks = ("Describe", "Get", "List", "Simulate")
    for one in granted("operator", made()).statements:
        changes = [action for action in one.actions if not action.partition(":")[2].startswith(looks)]
        assert not changes or one.resources != ("*",) or "ForAnyValue:StringEquals" in one.condition, one.sid


@pytest.mark.parametrize("name", ["prod-api", "pro", "other"])
def test_an_operator_of_one_cluster_does_nothing_to_another(name: str) -> None:
    held, other = whole(granted("operator", made())), made(name=name)
    place = place_of(other)
    end, role = f"fmctl-end-{name}", f"fmctl-end-{name}-{place.region}"
    for action, arn in (
        ("cloudformation:CreateStack", place.arn("cloudformation", f"stack/{name}/1")),
        ("cloudformation:DeleteStack", place.arn("cloudformation", f"stack/{name}/1")),
        ("iam:CreateRole", place.iam(f"role/{role}")),
        ("iam:PutRolePolicy", place.iam(f"role/{role}")),
        ("iam:GetRolePolicy", place.iam(f"role/{role}")),
        ("iam:PassRole", place.iam(f"role/{role}")),
        ("scheduler:DeleteSchedule", place.arn("scheduler", f"schedule/default/{end}")),
        ("dynamodb:UpdateItem", place.arn("dynamodb", f"table/parallelcluster-{name}")),
        ("logs:FilterLogEvents", place.arn("logs", f"log-group:/aws/parallelcluster/{name}-202612011511:*")),
        ("ssm:PutParameter", place.arn("ssm", f"parameter/fmctl/{name}/x")),
        ("ssm:SendCommand", place.arn("ec2", "instance/i-1")),
        ("ec2:TerminateInstances", place.arn("ec2", "instance/i-1")),
    ):
        tags = {CLUSTER_TAG: name}
        service = {"iam_PassedToService": "scheduler.amazonaws.com"}
        assert not allowed(held, action, arn, tags, aws_CalledVia=VIA, **service), (action, arn)
        assert allowed(whole(granted("operator", other)), action, arn, tags, aws_CalledVia=VIA, **service), action


def test_instances_start_in_the_site_s_subnets_alone() -> None:
    held, place = whole(granted("operator", made())), place_of(made())
    own = EVERYTHING.parallelcluster.compute_subnet
    assert allowed(held, "ec2:RunInstances", place.arn("ec2", f"subnet/{own}"))
    assert not allowed(held, "ec2:RunInstances", place.arn("ec2", "subnet/subnet-0ffffffffffffffff"))


def test_roles_are_passed_to_the_service_they_are_for() -> None:
    held, place = whole(granted("operator", made())), place_of(made())
    node = place.iam("role/parallelcluster/us-east-1/prod/prod/prod-RoleHeadNode-1")
    for service, good in (
        ("ec2.amazonaws.com", True), ("lambda.amazonaws.com", True), ("scheduler.amazonaws.com", False),
        ("ecs-tasks.amazonaws.com", False),
    ):  # fmt: skip
        assert allowed(held, "iam:PassRole", node, iam_PassedToService=service) is good
    assert not allowed(held, "iam:PassRole", place.iam("role/Admin"), iam_PassedToService="ec2.amazonaws.com")


def test_what_a_site_has_not_is_not_in_its_policy() -> None:
    few, many = actions(whole(granted("operator", made(NOTHING)))), actions(whole(granted("operator", made())))
    assert few < many
    assert {"fsx:CreateFileSystem", "ec2:AllocateAddress", "elasticloadbalancing:CreateLoadBalancer"} <= many - few
    assert "iam:CreateServiceLinkedRole" in many - few


def test_a_boundary_is_on_every_role_that_is_made() -> None:
    edge = "arn:aws:iam::111122223333:policy/edge"
    held = whole(granted("operator", made(replace(NOTHING, permissions_boundary=edge))))
    role = place_of(made()).iam("role/parallelcluster/us-east-1/prod/prod-CleanupRoute53-1")
    assert allowed(held, "iam:CreateRole", role, aws_CalledVia=VIA, iam_PermissionsBoundary=edge)
    assert not allowed(held, "iam:CreateRole", role, aws_CalledVia=VIA)
    assert not allowed(held, "iam:CreateRole", role, aws_CalledVia=VIA, iam_PermissionsBoundary=f"{edge}-other")


def test_what_no_rehearsal_calls_is_in_the_policy_with_its_reason() -> None:
    named = policy.Named("prod", place_of(made()), creation.wants(made()))
    assert set(policy.UNREHEARSED) <= actions(document(policy.direct(named)))
    assert all(policy.UNREHEARSED.values())


def test_without_an_account_no_policy_is_exact() -> None:
    with pytest.raises(UsageError, match="names no account"):
        granted("operator", made(replace(SITE, account=None)))


def test_a_cluster_that_is_there_already_needs_no_policy() -> None:
    site = replace(NOTHING, target="slurm", slurm=SlurmSite(queue="gpu"))
    with pytest.raises(CannotRun, match="no policy"):
        of_target("operator", made(site))


def test_other_partitions_name_themselves() -> None:
    found = granted("operator", made(replace(NOTHING, region="us-gov-west-1")))
    assert "arn:aws:" not in str(found.documents())
