"""Why a cluster failed, in one sentence with the next step: from stack events, describe-cluster and logs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fmctl.base.errors import CapacityUnavailable, FmctlError, OperationFailed, PermissionDenied, StalePlan, shorten
from fmctl.domain.ports import StackEvent

_LONGEST = 300
# Said of everything that was still on its way when the first thing failed.
_ECHO = re.compile(
    r"resource creation cancelled|following resource\(s\) failed|embedded stack .* was not success", re.I
)


@dataclass(frozen=True, slots=True)
class Cause:
    """One known cause of a failed stack, with what to do."""

    name: str
    pattern: str  # searched in the reasons
    kind: type[FmctlError]
    what: str  # as `next`, with {name} for the cluster
    next: str


CAUSES = (
    Cause(
        "reservation",
        r"InvalidCapacityReservation|ReservationCapacityExceeded|CapacityReservationNotActive"
        r"|CapacityReservation\S* .*(?:expired|cancelled|not active|not found|does not exist)"
        r"|capacity block.*(?:expired|ended|not (?:yet )?(?:active|started))",
        StalePlan,
        "the capacity reservation or Capacity Block of {name} is not active, or all of it is in use",
        "aws ec2 describe-capacity-reservations; buy or wait, then fmctl teardown {name} and launch again",
    ),
    Cause(
        "quota",
        r"VcpuLimitExceeded|MaxSpotInstanceCountExceeded|InstanceLimitExceeded|VolumeLimitExceeded"
        r"|AddressLimitExceeded|LimitExceededException|service quota|quota .*exceeded",
        CapacityUnavailable,
        "an account quota is smaller than {name} needs",
        "raise it in Service Quotas (EC2: Running On-Demand P instances), fmctl teardown {name}, launch again",
    ),
    Cause(
        "capacity",
        r"InsufficientInstanceCapacity|InsufficientHostCapacity|InsufficientReservedInstanceCapacity"
        r"|InsufficientCapacity|insufficient capacity|do(?:es)? not (?:currently )?have sufficient .*capacity"
        r"|UnfulfillableCapacity|MaxSpotPrice|SpotMaxPriceTooLow",
        CapacityUnavailable,
        "AWS has no capacity for the nodes of {name} in that zone now",
        "fmctl teardown {name}; then another zone or region, a Capacity Block, or fewer nodes",
    ),
    Cause(
        "ami",
        r"InvalidAMIID|InvalidImageID|image id .* does not exist|AmiVersionMismatch|This AMI was created with"
        r"|AMI .*(?:not (?:found|compatible|supported)|deregistered)|cookbook.*(?:version|mismatch)",
        OperationFailed,
        "the image of {name} cannot be used with this version of ParallelCluster",
        "take the official image (no `ami` in the site) or build one with the same version; fmctl teardown {name}",
    ),
    Cause(
        "permission",
        r"AccessDenied|UnauthorizedOperation|not authorized to perform|is not authorized|ExpiredToken"
        r"|explicit deny|permissions boundary",
        PermissionDenied,
        "AWS refused a right that making {name} needs",
        "give the right named above to your role, fmctl teardown {name}, launch again",
    ),
    Cause(
        "protected-mode",
        r"protected mode|PROTECTED|StaticNodeBootstrapFailure|static nodes? .*(?:failed|bootstrap)",
        OperationFailed,
        "nodes of {name} failed to start again and again, and the fleet went into protected mode",
        "fmctl logs {name} bootstrap; repair, then fmctl teardown {name} and launch again",
    ),
    Cause(
        "wait-condition",
        r"WaitCondition timed out|WaitCondition received failed|HeadNodeBootstrapFailure|HeadNodeWaitCondition"
        r"|Failed to receive \d+ (?:resource )?signal",
        OperationFailed,
        "the head node of {name} never said that it was ready",
        "fmctl logs {name} cfn-init (network of the subnet, custom actions, image); then fmctl teardown {name}",
    ),
)
# What the head node's own logs tell, and neither the stack nor describe-cluster do.
LOG_CAUSES = (
    Cause(
        "mount",
        r"(?:mount|lustre|lnet|fsx).*(?:timed out|timeout|fail|error|refused)"
        r"|(?:fail|error|timed out).*(?:mount|lustre)",
        OperationFailed,
        "a file system of {name} could not be mounted",
        "open TCP 988 and 1018-1023 between the nodes and the file system (security groups), same VPC; then "
        "fmctl teardown {name} and launch again",
    ),
    Cause(
        "way-out",
        r"Could not resolve host|Connect(?:ion)? ?timed? ?out|ConnectTimeout|Network is unreachable"
        r"|EndpointConnectionError|Failed to connect to|Name or service not known",
        OperationFailed,
        "nodes of {name} cannot reach AWS or a mirror",
        "a NAT gateway or VPC endpoints for the subnet (fmctl preflight shows its way out); then launch again",
    ),
    Cause(
        "custom-action",
        r"OnNode(?:Start|Configured|Updated)|fetch_and_run|custom action",
        OperationFailed,
        "a script that the configuration of {name} names failed on a node",
        "fmctl logs {name} cfn-init; repair the script; then fmctl teardown {name} and launch again",
    ),
    Cause(
        "gpu-health",
        r"gpu.?health.?check.*fail|health check .*fail",
        OperationFailed,
        "a node of {name} failed its GPU health check and is being replaced",
        "fmctl logs {name} slurm_health_check; a bad GPU goes back to AWS with its instance",
    ),
    Cause(
        "boot",
        r"ResumeTimeout|bootstrap (?:failure|timeout|timed out)|not all EC2 info are available",
        OperationFailed,
        "nodes of {name} start and do not join the cluster in time",
        "fmctl logs {name} cloud-init-output; often the subnet, the image, or very many nodes at once",
    ),
)
# Causes that say that there is one, and not which: logs say more.
VAGUE = frozenset({"protected-mode", "wait-condition"})


def explain(
    name: str,
    events: Iterable[StackEvent] = (),
    described: Mapping[str, object] | None = None,
    reasons: Sequence[str] = (),
    logs: Callable[[], tuple[Cause, str] | None] = lambda: None,
) -> FmctlError:
    """The error that a failed stack amounts to.

    Args:
        name: the cluster.
        events: of its stack, oldest first.
        described: `describe-cluster`.
        reasons: more texts, as of an exception.
        logs: asked only where the rest is vague: the cause that the logs tell of, with its line.

    Returns:
        An error of the kind that its cause has, to be raised. `why` quotes AWS: the first reason that is a cause.
    """
    texts = [f"{event.logical_id}: {event.reason}" for event in events if "FAILED" in event.status and event.reason]
    texts = [*_from_describe((described or {}).get("failures")), *texts, *(reason for reason in reasons if reason)]
    for cause in CAUSES:
        for text in texts:
            if re.search(cause.pattern, text, re.I):
                found = logs() if cause.name in VAGUE else None
                return error_of(name, *(found or (cause, _short(text))))
    if (found := logs()) is not None:
        return error_of(name, *found)
    first = next((text for text in texts if not _ECHO.search(text)), texts[0] if texts else "")
    return OperationFailed(
        f"the stack of {name} failed",
        why=_short(first) if first else "CloudFormation gives no reason",
        next=f"fmctl logs {name} events; then fmctl teardown {name}",
    )


def error_of(name: str, cause: Cause, why: str) -> FmctlError:
    """The error that a known cause amounts to."""
    return cause.kind(cause.what.format(name=name), why=why, next=cause.next.format(name=name))


def failing(events: Iterable[StackEvent], name: str) -> dict[str, str]:
    """Resources of the root stack that could not be deleted, with the reason, by logical id."""
    last = {event.logical_id: event for event in events if event.stack in ("", name) and event.logical_id != name}
    return {key: event.reason for key, event in last.items() if event.status == "DELETE_FAILED"}


def undeletable(name: str, resources: Mapping[str, str], *, retained: bool) -> OperationFailed:
    """What to say when a stack cannot be deleted."""
    listed = "; ".join(f"{key}: {_short(reason, 120) or 'no reason given'}" for key, reason in resources.items())
    done = "even with those resources left out" if retained else "because AWS named no resource to leave out"
    return OperationFailed(
        f"the stack of {name} cannot be deleted, {done}",
        why=listed or "CloudFormation names no resource",
        next=f"free what holds them (often a network interface or a security group in use), then fmctl teardown {name}",
    )


def _from_describe(listed: object) -> list[str]:
    return [
        f"{found.get('failureCode', '')}: {found.get('failureReason', '')}"
        for found in (listed if isinstance(listed, list) else ())
        if isinstance(found, Mapping)
    ]


def _short(text: str, longest: int = _LONGEST) -> str:
    return shorten(" ".join(text.split()), longest)
