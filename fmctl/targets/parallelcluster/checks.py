"""Checks of what ParallelCluster itself can do: regions, releases, images, and the rights that it needs."""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.domain.cluster import ClusterSpec, Site
from fmctl.domain.hardware import Instance
from fmctl.domain.ports import Subnet
from fmctl.targets.checks import FAIL, OK, UNKNOWN, WARNING, members
from fmctl.targets.target import Check

NAME = "parallelcluster"  # as the table of instances names it
# Regions with P capacity that ParallelCluster 3.16 does not know.
NOT_IN_PCLUSTER = frozenset(
    {"ap-south-2", "eu-south-2", "ap-northeast-3", "ap-southeast-4", "eu-central-2", "me-central-1", "ca-west-1"}
)
ACTIONS = (
    "cloudformation:CreateStack", "cloudformation:DeleteStack", "ec2:RunInstances", "ec2:CreateFleet",
    "ec2:CreateLaunchTemplate", "iam:CreateRole", "iam:PassRole", "lambda:CreateFunction", "dynamodb:CreateTable",
    "s3:CreateBucket", "logs:CreateLogGroup", "scheduler:CreateSchedule", "route53:CreateHostedZone",
)  # fmt: skip
# Addresses that AWS keeps of each subnet are already out of its count; the head node and its login nodes need theirs.
SPARE_ADDRESSES = 2


def address_check(spec: ClusterSpec, instance: Instance, subnet: Subnet) -> Check:
    """Free addresses for all nodes: one per instance, since secondary cards are EFA-only."""
    needed = members(spec, instance) + (SPARE_ADDRESSES if spec.site.parallelcluster.head_subnet == subnet.id else 0)
    if subnet.free_addresses < needed:
        found = f"{subnet.free_addresses} free in {subnet.id}, {needed} needed"
        return Check("addresses", FAIL, found, "a larger subnet in the same zone")
    return Check("addresses", OK, f"{subnet.free_addresses} free, {needed} needed")


def access_check(site: Site, key: str | None) -> Check:
    """A key that exists and fits the image, or SSM."""
    own = site.parallelcluster
    if own.key_name is None:
        return Check("access", OK, "SSM sessions; no port is open")
    if key is None:
        return Check(
            "access",
            FAIL,
            f"there is no key pair '{own.key_name}'",
            "remove key_name: SSM works without",
        )
    if key == "rsa" and own.os.startswith("ubuntu"):
        return Check("access", FAIL, f"{own.os} takes no RSA key", "make an ed25519 key pair")
    return Check("access", OK, f"key pair {own.key_name}")


def region_check(site: Site) -> Check:
    """Whether ParallelCluster works in the region."""
    if site.region in NOT_IN_PCLUSTER:
        return Check("region", FAIL, f"ParallelCluster does not support {site.region}", "choose another region")
    return Check("region", OK, site.region)


def permission_check(allowed: Mapping[str, bool]) -> Check:
    """Whether the caller may do what a launch does."""
    denied = [action for action in ACTIONS if allowed.get(action) is False]
    if denied:
        return Check("permissions", FAIL, f"denied: {', '.join(denied)}", "ask for ParallelCluster's user policies")
    missing = [action for action in ACTIONS if action not in allowed]
    if missing:
        return Check("permissions", UNKNOWN, "IAM would not simulate them", "allow iam:SimulatePrincipalPolicy")
    return Check("permissions", OK, f"{len(ACTIONS)} actions allowed")


def version_check(spec: ClusterSpec, instance: Instance) -> Check:
    """The ParallelCluster release can start the type."""
    own = spec.site.parallelcluster
    found, least = (_release(text) for text in (own.pcluster_version, instance.needs.get(NAME, "0.0")))
    if found < least:
        said = f"{spec.instance} needs ParallelCluster {least[0]}.{least[1]}, the site has {found[0]}.{found[1]}"
        return Check("version", FAIL, said, "pcluster_version in the site")
    return Check("version", OK, own.pcluster_version)


def _release(version: str) -> tuple[int, int]:
    """(major, minor) of a version."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return major, minor


def image_check(site: Site, arch: str, found: str | None) -> Check:
    """There is an image for operating system, architecture and version."""
    own = site.parallelcluster
    if own.ami:
        return Check(
            "image",
            WARNING,
            f"{own.ami}: its ParallelCluster version must be {own.pcluster_version}",
        )
    if arch == "arm64" and own.os in ("rhel8", "rocky8", "rhel9"):
        return Check("image", FAIL, f"{own.os} does not run on this type", "os: ubuntu2204 in the site")
    if found is None:
        return Check(
            "image",
            FAIL,
            f"no official image of {own.os} for {arch}, {own.pcluster_version}",
            "another os",
        )
    return Check("image", OK, found)
