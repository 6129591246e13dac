"""Checks of what ParallelCluster itself can do: regions, releases, images, and the rights that it needs."""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.domain.cluster import ClusterSpec, Site
from fmctl.domain.hardware import Instance
from fmctl.targets.checks import FAIL, OK, UNKNOWN, WARNING
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
    found, least = (_release(text) for text in (spec.site.pcluster_version, instance.needs.get(NAME, "0.0")))
    if found < least:
        said = f"{spec.instance} needs ParallelCluster {least[0]}.{least[1]}, the site has {found[0]}.{found[1]}"
        return Check("version", FAIL, said, "pcluster_version in the site")
    return Check("version", OK, spec.site.pcluster_version)


def _release(version: str) -> tuple[int, int]:
    """(major, minor) of a version."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return major, minor


def image_check(site: Site, arch: str, found: str | None) -> Check:
    """There is an image for operating system, architecture and version."""
    if site.ami:
        return Check("image", WARNING, f"{site.ami}: its ParallelCluster version must be {site.pcluster_version}")
    if arch == "arm64" and site.os in ("rhel8", "rocky8", "rhel9"):
        return Check("image", FAIL, f"{site.os} does not run on this type", "os: ubuntu2204 in the site")
    if found is None:
        return Check("image", FAIL, f"no official image of {site.os} for {arch}, {site.pcluster_version}", "another os")
    return Check("image", OK, found)
