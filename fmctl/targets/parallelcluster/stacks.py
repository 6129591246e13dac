"""CloudFormation's words for a stack and its resources as a target's: what a cluster is in, and what its parts do."""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.domain.ports import Stack, StackEvent
from fmctl.targets.target import Condition, Part, State

_READY = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
_STACK = "AWS::CloudFormation::Stack"
# Seconds that a resource usually takes. Assumed from the order of published stack timelines, not measured by AWS; used
# only to say which resource is slow.
_USUAL_S: Mapping[str, float] = {
    "AWS::CloudFormation::WaitCondition": 420.0,
    "AWS::FSx::FileSystem": 600.0,
    "AWS::FSx::DataRepositoryAssociation": 240.0,
    "AWS::IAM::InstanceProfile": 125.0,
    "AWS::IAM::Role": 20.0,
    "AWS::IAM::Policy": 20.0,
    "AWS::EC2::Instance": 30.0,
    "AWS::EFS::MountTarget": 100.0,
    "AWS::Route53::HostedZone": 45.0,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": 150.0,
    _STACK: 300.0,
}
_USUAL_OTHERS_S = 30.0


def usual_s(resource_type: str) -> float:
    """How long a resource usually takes, s (assumed)."""
    return _USUAL_S.get(resource_type, _USUAL_OTHERS_S)


def state_of(stack: Stack) -> State:
    """A stack as the state of its cluster."""
    return State(
        name=stack.name,
        condition=condition(stack.status),
        status=stack.status,
        reason=stack.reason,
        created=stack.created,
        tags=stack.tags,
        changing=stack.status.endswith("IN_PROGRESS"),
        id=stack.id,
    )


def condition(status: str) -> Condition:
    """What a stack's status means."""
    if status == "DELETE_COMPLETE":
        return Condition.MISSING
    if status == "DELETE_IN_PROGRESS":
        return Condition.GOING
    if status == "DELETE_FAILED":
        return Condition.STUCK
    if status in _READY:
        return Condition.READY
    return Condition.GROWING if status in ("CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS") else _updating(status)


def part_of(event: StackEvent) -> Part:
    """An event of a stack as one of a cluster's part."""
    return Part(
        at=event.at,
        path=event.stack,
        name=event.logical_id,
        kind=event.type,
        status=event.status,
        reason=event.reason,
        id=event.id,
        phase=event.status.partition("_")[0],
        under_way=event.status.endswith("IN_PROGRESS"),
        whole=event.type == _STACK and event.stack in ("", event.logical_id),
        usual_s=usual_s(event.type),
    )


def _updating(status: str) -> Condition:
    return Condition.READY if status.startswith("UPDATE") and status.endswith("IN_PROGRESS") else Condition.BROKEN
