"""Checks of what ParallelCluster itself can do: regions, releases, images, and the rights that it needs."""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.domain.cluster import ClusterSpec, Site
from fmctl.targets.checks import FAIL, OK, UNKNOWN, WARNING
from fmctl.targets.target import Check

# The first ParallelCluster release that starts a type (release notes: 17 cards of P6-B300 with an ENA-only card 0).
NEEDS_VERSION: Mapping[str, tuple[int, int]] = {"p6-b300": (3, 15), "p6e-gb200": (3, 14)}
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


def version_check(spec: ClusterSpec) -> Check:
    """The ParallelCluster release can start the type."""
    major, minor = (int(part) for part in spec.site.pcluster_version.split(".")[:2])
    for family, least in NEEDS_VERSION.items():
        if spec.instance.removeprefix("u-").startswith(family) and (major, minor) < least:
            said = f"{spec.instance} needs ParallelCluster {least[0]}.{least[1]}, the site has {major}.{minor}"
            return Check("version", FAIL, said, "pcluster_version in the site")
    return Check("version", OK, spec.site.pcluster_version)


def image_check(site: Site, arch: str, found: str | None) -> Check:
    """There is an image for operating system, architecture and version."""
    if site.ami:
        return Check("image", WARNING, f"{site.ami}: its ParallelCluster version must be {site.pcluster_version}")
    if arch == "arm64" and site.os in ("rhel8", "rocky8", "rhel9"):
        return Check("image", FAIL, f"{site.os} does not run on this type", "os: ubuntu2204 in the site")
    if found is None:
        return Check("image", FAIL, f"no official image of {site.os} for {arch}, {site.pcluster_version}", "another os")
    return Check("image", OK, found)
