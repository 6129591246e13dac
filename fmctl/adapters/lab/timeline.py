"""When CloudFormation would say what: the events of a stack's creation, update and deletion, as plain data.

Knows nothing of moto. Durations are placeholders, not measurements: a creation takes simulated minutes, in an order
that the template's own references allow.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

STACK = "AWS::CloudFormation::Stack"
_WAIT, _INSTANCE = "AWS::CloudFormation::WaitCondition", "AWS::EC2::Instance"
# Seconds that a resource takes. ASSUMPTIONS.
SECONDS = {
    "AWS::AutoScaling::AutoScalingGroup": 30,
    "AWS::CloudFormation::WaitCondition": 260,
    "AWS::DynamoDB::Table": 12,
    "AWS::EC2::Instance": 16,
    "AWS::EC2::LaunchTemplate": 3,
    "AWS::EC2::PlacementGroup": 15,
    "AWS::EC2::SecurityGroup": 6,
    "AWS::EFS::FileSystem": 8,
    "AWS::EFS::MountTarget": 95,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": 125,
    "AWS::FSx::DataRepositoryAssociation": 180,
    "AWS::FSx::FileSystem": 560,
    "AWS::IAM::InstanceProfile": 122,
    "AWS::IAM::Policy": 16,
    "AWS::IAM::Role": 18,
    "AWS::Lambda::Function": 8,
    "AWS::Route53::HostedZone": 36,
}
_DELETE_SECONDS = {"AWS::EC2::Instance": 45, "AWS::FSx::FileSystem": 300, STACK: 20}
CANCELLED = "Resource creation cancelled"


class Declared(TypedDict, total=False):
    """A resource of a template."""

    Type: str
    Condition: str
    DependsOn: str | list[str]
    DeletionPolicy: str
    Properties: dict[str, object]


@dataclass(frozen=True, slots=True)
class Row:
    """One event: seconds after the start, what, its physical id, and the news."""

    at: float
    logical: str
    physical: str
    type: str
    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A stack, or one nested in it."""

    name: str
    id: str
    resources: Mapping[str, Declared]  # of the template, those that its conditions ask for
    physical: Mapping[str, str] = field(default_factory=dict)
    children: Mapping[str, Part] = field(default_factory=dict)

    def row(self, at: float, status: str, reason: str | None = None) -> Row:
        """An event of the stack itself."""
        return Row(at, self.name, self.id, STACK, status, reason)

    def of(self, logical: str, at: float, status: str, reason: str | None = None) -> Row:
        """An event of one of its resources."""
        return Row(at, logical, self.physical.get(logical, ""), self.resources[logical]["Type"], status, reason)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Events in order, how long they take, and the timelines of nested stacks with their start."""

    rows: tuple[Row, ...]
    seconds: float
    children: Mapping[str, tuple[float, Timeline]]
    failed: str | None = None


@dataclass(slots=True)
class _Schedule:
    """Start and end of each resource, the first failure, and the order."""

    start: dict[str, float] = field(default_factory=dict)
    end: dict[str, float] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    children: dict[str, tuple[float, Timeline]] = field(default_factory=dict)
    failed: str | None = None
    fail_at: float = float("inf")
    reason: str = ""

    def fail(self, logical: str, reason: str) -> None:
        if self.end[logical] < self.fail_at:
            self.failed, self.fail_at, self.reason = logical, self.end[logical], reason


def creation(part: Part, faults: Iterable[tuple[str, str]] = (), *, rollback: bool = True) -> Timeline:
    """The events of a creation.

    Args:
        part: the stack.
        faults: a regular expression for the logical id, and the reason to give.
        rollback: whether a failed creation is taken back, or left as CREATE_FAILED.
    """
    plan = _scheduled(part, tuple(faults))
    rows = [part.row(0.0, "CREATE_IN_PROGRESS", "User Initiated")]
    for logical in plan.order:
        rows += _created(part, logical, plan)
    if plan.failed is None:
        total = max([*plan.end.values(), 1.0])
        rows.append(part.row(total + 1, "CREATE_COMPLETE"))
    else:
        total = plan.fail_at
        rows += _failed(part, plan, rollback)
    rows.sort(key=lambda row: row.at)
    return Timeline(tuple(rows), total + 1, plan.children, plan.failed)


def deletion(
    part: Part, alive: Iterable[str], faults: Iterable[tuple[str, str]] = (), retain: Iterable[str] = ()
) -> Timeline:
    """The events of a deletion of what is alive, last made first; with a fault it ends in DELETE_FAILED."""
    rules, kept = tuple(faults), set(retain)
    rows, at, failed = [part.row(0.0, "DELETE_IN_PROGRESS", "User Initiated")], 1.0, []
    for logical in reversed(list(alive)):
        resource = part.resources[logical]
        reason = _reason(rules, logical)
        if logical in kept or (resource.get("DeletionPolicy") == "Retain" and reason is None):
            rows.append(part.of(logical, at, "DELETE_SKIPPED"))
            continue
        rows.append(part.of(logical, at, "DELETE_IN_PROGRESS"))
        at += _DELETE_SECONDS.get(resource["Type"], 2)
        rows.append(part.of(logical, at, "DELETE_FAILED" if reason else "DELETE_COMPLETE", reason))
        failed += [logical] if reason else []
    why = f"The following resource(s) failed to delete: [{', '.join(failed)}]. " if failed else None
    rows.append(part.row(at + 1, "DELETE_FAILED" if failed else "DELETE_COMPLETE", why))
    return Timeline(tuple(rows), at + 1, {}, failed[0] if failed else None)


def update(part: Part, changed: Iterable[str], added: Iterable[str], gone: Iterable[tuple[str, str]]) -> Timeline:
    """The events of an update. gone: logical id and type of what the new template no longer has."""
    rows, at, fresh = [part.row(0.0, "UPDATE_IN_PROGRESS", "User Initiated")], 1.0, set(added)
    for logical in changed:
        verb = "CREATE" if logical in fresh else "UPDATE"
        rows.append(part.of(logical, at, f"{verb}_IN_PROGRESS"))
        at += SECONDS.get(part.resources[logical]["Type"], 4)
        rows.append(part.of(logical, at, f"{verb}_COMPLETE"))
    rows.append(part.row(at + 1, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"))
    rows += [Row(at + 2, logical, "", kind, "DELETE_COMPLETE") for logical, kind in gone]
    rows.append(part.row(at + 4, "UPDATE_COMPLETE"))
    return Timeline(tuple(rows), at + 4, {})


def references(resource: Declared, names: set[str]) -> set[str]:
    """Which of `names` a resource waits for: DependsOn, Ref, GetAtt and Sub."""
    depends = resource.get("DependsOn", [])
    found = {depends} if isinstance(depends, str) else set(depends)
    return (found | set(_mentioned(resource.get("Properties", {})))) & names


def _mentioned(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _mentioned(item)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key == "Ref" and isinstance(inner, str):
            yield inner
        elif key == "Fn::GetAtt":
            yield inner[0] if isinstance(inner, list) else str(inner).split(".")[0]
        else:
            if key == "Fn::Sub":
                text = inner[0] if isinstance(inner, list) else inner
                yield from (name.split(".")[0] for name in re.findall(r"\$\{([A-Za-z0-9.]+)\}", str(text)))
            yield from _mentioned(inner)


def _scheduled(part: Part, faults: tuple[tuple[str, str], ...]) -> _Schedule:
    names, chance = set(part.resources), random.Random(part.name)
    waits = {name: references(part.resources[name], names) for name in names}
    for name in names:
        if part.resources[name]["Type"] == _WAIT:  # for the signal of instances that no reference names
            waits[name] |= {other for other in names if part.resources[other]["Type"] == _INSTANCE} - {name}
    plan, pending = _Schedule(), set(names)
    while pending:
        ready = [name for name in sorted(pending) if not waits[name] & pending] or sorted(pending)[:1]
        for name in ready:
            start = max([plan.end[other] for other in waits[name] if other in plan.end] + [1.0])
            _place(part, name, start, plan, faults, chance)
            pending.discard(name)
    return plan


def _place(
    part: Part, name: str, start: float, plan: _Schedule, faults: tuple[tuple[str, str], ...], chance: random.Random
) -> None:
    reason = _reason(faults, name)
    child = part.children.get(name)
    if child is None:
        seconds = SECONDS.get(part.resources[name]["Type"], 4) * chance.uniform(0.85, 1.15)
    else:
        inner = creation(child, faults, rollback=False)
        plan.children[name] = (start, inner)
        seconds = inner.seconds
        if inner.failed:
            reason = (
                f"Embedded stack {child.id} was not successfully created: "
                f"The following resource(s) failed to create: [{inner.failed}]. "
            )
    plan.start[name], plan.end[name] = start, start + seconds
    plan.order.append(name)
    if reason:
        plan.fail(name, reason)


def _reason(faults: Iterable[tuple[str, str]], logical: str) -> str | None:
    return next((reason for pattern, reason in faults if re.search(pattern, logical)), None)


def _created(part: Part, logical: str, plan: _Schedule) -> Iterator[Row]:
    start, end = plan.start[logical], plan.end[logical]
    if start >= plan.fail_at:
        return
    yield Row(start, logical, "", part.resources[logical]["Type"], "CREATE_IN_PROGRESS")
    yield part.of(logical, start + min(1.0, (end - start) / 2), "CREATE_IN_PROGRESS", "Resource creation Initiated")
    if logical == plan.failed:
        yield part.of(logical, end, "CREATE_FAILED", plan.reason)
    elif end > plan.fail_at:
        yield part.of(logical, plan.fail_at + 0.5, "CREATE_FAILED", CANCELLED)
    else:
        yield part.of(logical, end, "CREATE_COMPLETE")


def _failed(part: Part, plan: _Schedule, rollback: bool) -> Iterator[Row]:
    why = f"The following resource(s) failed to create: [{plan.failed}]. "
    if not rollback:
        yield part.row(plan.fail_at + 1, "CREATE_FAILED", why)
        return
    yield part.row(plan.fail_at + 1, "ROLLBACK_IN_PROGRESS", f"{why}Rollback requested by user.")
    at = plan.fail_at + 2
    for logical in reversed(plan.order):
        if plan.start[logical] < plan.fail_at:
            yield part.of(logical, at, "DELETE_IN_PROGRESS")
            at += 3
            yield part.of(logical, at, "DELETE_COMPLETE")
    yield part.row(at + 1, "ROLLBACK_COMPLETE")
