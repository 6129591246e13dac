"""What deletes a cluster at its end, and what warns of it: a call of CloudFormation, a command on the head node."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from fmctl.adapters.aws.marks import Call
from fmctl.targets.parallelcluster.rights import CLUSTER_TAG

ROLE_TAG = "parallelcluster:node-type"
VERSION_TAG = "parallelcluster:version"


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
