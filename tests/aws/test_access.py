"""A whole rehearsal with the rights that `fmctl policy operator` prints, and no other: held by moto, action by action.

moto holds actions, and resources of S3; conditions and resources of other services are tests/unit/targets' to hold,
with a linter and by reading policies as IAM does.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from fmctl.adapters.parallelcluster.leftovers import bucket
from fmctl.domain.policy import Place, document
from fmctl.targets.parallelcluster.creation import Wants
from fmctl.targets.parallelcluster.policy import UNREHEARSED, Named, direct
from tests.aws.conftest import REGION, World
from tests.aws.test_operations import Fmctl
from tests.iam import actions

pytestmark = pytest.mark.real("pcluster")

ACCOUNT, NAME = "123456789012", "held"
SEED, REMOVALS = 20261201, 15


class Operator(Fmctl):
    """`fmctl` with the rights of a policy."""

    def become(self, policy: Mapping[str, Any]) -> None:
        """From now on with these rights alone; what is called is counted anew."""
        key, secret = self.world.lab.operator(policy)
        self.env |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}

    def called(self) -> dict[str, int]:
        """What was called since, by IAM's names."""
        return dict(self.world.lab.state()["calls"])


class Rehearsal:
    """The commands of a cluster's life in their order; which of them called what, and how each ended."""

    def __init__(self, fmctl: Operator) -> None:
        self.fmctl, self.site = fmctl, fmctl.site("p5.48xlarge")
        plan = ("plan", "llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "2", "--tokens", "1B")
        fmctl(*plan, "--save", NAME)
        printed = fmctl("policy", "operator", NAME, "--site", self.site)["result"]
        self.policy = {"Version": "2012-10-17", "Statement": [s for d in printed["documents"] for s in d["Statement"]]}
        self.calls: dict[str, set[str]] = {}

    @property
    def commands(self) -> Mapping[str, Sequence[str]]:
        where = ("--site", self.site)
        return {
            "preflight": ("preflight", NAME, *where),
            "capacity": ("capacity", "p5.48xlarge", "--count", "2", "--days", "1"),
            "launch": ("launch", NAME, *where, "--yes", "--max-hours", "99", "--static"),
            "status": ("status", NAME),
            "logs": ("logs", NAME),
            "jobs": ("jobs", NAME),
            "extend": ("extend", NAME, "10", "--yes"),
            "teardown": ("teardown", NAME, "--yes"),
        }

    def run(self, step: str) -> subprocess.CompletedProcess[str]:
        """One command; what it calls is remembered."""
        before = self.fmctl.called()
        ran = self.fmctl.run(*self.commands[step])
        after = self.fmctl.called()
        self.calls.setdefault(step, set()).update(one for one in after if after[one] > before.get(one, 0))
        return ran

    def without(self, action: str) -> Mapping[str, Any]:
        """The policy less one action."""
        every = ({**one, "Action": [a for a in one["Action"] if a != action]} for one in self.policy["Statement"])
        return {**self.policy, "Statement": [one for one in every if one["Action"]]}


@pytest.fixture(scope="module")
def rehearsal(world: World, needed: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A life from the first look to the last, with the printed rights; how each command ended is in `ended`."""
    world.lab.speed(600.0)
    found = Rehearsal(Operator(world, needed, tmp_path_factory.mktemp("operator")))
    found.fmctl.become(found.policy)
    yield found
    world.lab.clear()


def test_a_whole_life_passes_with_the_printed_rights_and_calls_all_of_them(rehearsal: Rehearsal, world: World) -> None:
    """What is called is what the policy holds: nothing more, and nothing less but what no rehearsal can call."""
    watching = None
    for step in rehearsal.commands:
        if step == "launch":
            world.lab.ice(r"p5\.48xlarge", after=1)  # so that the cluster's logs have something to say
        if step == "status":
            world.lab.advance(600)
        if step == "teardown":
            words = [sys.executable, "-m", "fmctl", "watch", NAME, "-o", "jsonl"]
            watching = subprocess.Popen(words, env=rehearsal.fmctl.env, stdout=subprocess.PIPE, text=True)
        ran = rehearsal.run(step)
        # No machine runs in the lab, so its head node answers with nothing.
        assert (ran.returncode, step) == (1 if step == "jobs" else 0, step), ran.stderr[-2000:]
    world.lab.clear()
    assert watching is not None
    out, _ = watching.communicate(timeout=120)
    assert watching.returncode == 0
    assert "GONE" in out
    called = set(rehearsal.fmctl.called())
    own = actions(document(direct(Named(NAME, Place(ACCOUNT, REGION), Wants(())))))
    assert called - own == set(), "called, and not in the policy"
    assert own - called == set(UNREHEARSED), "in the policy, and not called"
    assert own <= actions(rehearsal.policy)


# What fmctl goes on without, and says so: it looks for what a person wants to know, and decides nothing on it.
GOES_ON: Mapping[str, str] = {
    "dynamodb:GetItem": "the fleet cannot be stopped before the stack goes: a warning",
    "dynamodb:UpdateItem": "the fleet cannot be stopped before the stack goes: a warning",
    "ec2:DescribeCapacityBlockOfferings": "a section of capacity that was not asked",
    "ec2:DescribeCapacityReservations": "a section of capacity that was not asked; leftovers not listed",
    "ec2:DescribeNetworkInterfaces": "leftovers not listed",
    "ec2:DescribeVolumes": "leftovers not listed",
    "ec2:GetSpotPlacementScores": "a section of capacity that was not asked",
    "fsx:DescribeFileSystems": "leftovers not listed",
    "iam:GetRolePolicy": "whether the end's role has its rights is not known, which `status` says",
    "iam:ListRoles": "leftovers not listed",
    "iam:SimulatePrincipalPolicy": "the check of rights is unknown",
    "logs:DescribeLogGroups": "leftovers not listed; no line of a log explains what is missing",
    "logs:DescribeLogStreams": "no line of a log explains what is missing",
    "logs:FilterLogEvents": "no line of a log explains what is missing",
    "sts:GetCallerIdentity": "AWS gives it to everybody",
}
# By the command that first calls each, in the order in which a life comes to them.
FIRST: Mapping[str, Sequence[str]] = {
    "preflight": (
        "cloudformation:DescribeStacks", "ec2:DescribeImages", "ec2:DescribeInstanceTypeOfferings",
        "ec2:DescribeInstanceTypes", "ec2:DescribeInstances", "ec2:DescribeKeyPairs", "ec2:DescribeRouteTables",
        "ec2:DescribeSubnets", "ec2:RunInstances", "iam:GetPolicy", "servicequotas:GetServiceQuota",
    ),
    "launch": (
        "scheduler:GetSchedule", "iam:CreateRole", "iam:PutRolePolicy", "scheduler:CreateSchedule", "s3:CreateBucket",
        "s3:PutBucketVersioning", "s3:PutEncryptionConfiguration", "s3:PutBucketPolicy", "s3:ListBucket",
        "s3:GetObject", "s3:PutObject", "cloudformation:CreateStack",
    ),
    "jobs": ("ssm:SendCommand", "ssm:GetCommandInvocation"),
    "extend": ("iam:GetRole", "iam:UpdateAssumeRolePolicy", "scheduler:UpdateSchedule"),
    "teardown": (
        "cloudformation:DeleteStack", "scheduler:DeleteSchedule", "iam:ListRolePolicies", "iam:DeleteRolePolicy",
        "iam:DeleteRole",
    ),
    "watch": ("cloudformation:DescribeStackEvents",),
}  # fmt: skip


def test_every_action_either_stops_a_command_or_is_known_to_be_done_without(rehearsal: Rehearsal) -> None:
    own = actions(document(direct(Named(NAME, Place(ACCOUNT, REGION), Wants(())))))
    stops = {action for step in FIRST.values() for action in step}
    assert stops | set(GOES_ON) == own - set(UNREHEARSED)
    assert stops & set(GOES_ON) == set()


def test_fifteen_removals_each_stop_the_command_that_needs_them(rehearsal: Rehearsal, world: World) -> None:
    """Drawn by seed. The error names the action, the command exits 4, and what was half made goes with full rights."""
    every = [(step, action) for step in FIRST if step != "watch" for action in FIRST[step]]
    drawn = random.Random(SEED).sample(every, REMOVALS)
    fmctl, failed = rehearsal.fmctl, []
    for step in ("preflight", "launch", "jobs", "extend", "teardown"):
        if step == "jobs":
            fmctl.become(rehearsal.policy)
            assert rehearsal.run("launch").returncode == 0
        for action in (one for at, one in every if at == step and (at, one) in drawn):
            if action.startswith("s3:") and "Bucket" in action and action != "s3:ListBucket":
                _empty(world)  # ParallelCluster sets its bucket up once for all clusters
            fmctl.become(rehearsal.without(action))
            ran = fmctl.run(*rehearsal.commands[step])
            said = ran.stdout + ran.stderr
            if (ran.returncode, action in said) != (4, True):
                failed.append((step, action, ran.returncode, said[-600:]))
            if step == "launch":
                fmctl.become(rehearsal.policy)
                assert fmctl.run(*rehearsal.commands["teardown"]).returncode == 0
    fmctl.become(rehearsal.policy)
    assert fmctl.run(*rehearsal.commands["teardown"]).returncode == 0
    assert failed == []


def _empty(world: World) -> None:
    """Take ParallelCluster's bucket away."""
    s3, name = world.client("s3"), bucket(ACCOUNT, REGION)
    for one in s3.list_object_versions(Bucket=name).get("Versions", ()):
        s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
    for one in s3.list_object_versions(Bucket=name).get("DeleteMarkers", ()):
        s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
    s3.delete_bucket(Bucket=name)


def test_the_lab_s_own_key_is_never_held_to_a_policy(rehearsal: Rehearsal, world: World) -> None:
    rehearsal.fmctl.become({**rehearsal.policy, "Statement": rehearsal.policy["Statement"][:1]})
    assert rehearsal.fmctl.run(*rehearsal.commands["preflight"]).returncode == 4
    assert world.client("ec2").describe_vpcs()["Vpcs"]
    rehearsal.fmctl.become(rehearsal.policy)
