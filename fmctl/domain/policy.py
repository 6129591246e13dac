"""Rights in AWS as data: statements that say what they are for, and the IAM policy document that they make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Condition = Mapping[str, Mapping[str, str | tuple[str, ...]]]
"""Operator to key to value, as IAM writes them."""

NO_CONDITION: Condition = MappingProxyType({})
VERSION = "2012-10-17"
ANY = ("*",)
WHO = ("operator", "end", "head", "compute")
MANAGED, INLINE = 6144, 10240  # characters that a managed policy, and all inline policies of a role, may have


@dataclass(frozen=True, slots=True)
class Place:
    """An account in a region."""

    account: str
    region: str
    partition: str = "aws"

    def arn(self, service: str, rest: str) -> str:
        """Of something in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"

    def iam(self, rest: str) -> str:
        """Of something in IAM, which has no region."""
        return f"arn:{self.partition}:iam::{self.account}:{rest}"

    def public(self, service: str, rest: str) -> str:
        """Of something that names neither region nor account, such as a bucket."""
        return f"arn:{self.partition}:{service}:::{rest}"


@dataclass(frozen=True, slots=True)
class Statement:
    """Actions on resources under a condition, and why."""

    sid: str
    why: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ANY
    condition: Condition = field(default_factory=lambda: NO_CONDITION)
    steps: tuple[str, ...] = ()  # of the commands that need it

    def as_document(self) -> dict[str, object]:
        """As IAM reads it."""
        found: dict[str, object] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": list(self.resources),
        }
        if self.condition:
            found["Condition"] = {
                operator: {key: value if isinstance(value, str) else list(value) for key, value in keys.items()}
                for operator, keys in self.condition.items()
            }
        return found


def document(statements: Iterable[Statement]) -> dict[str, object]:
    """A policy as IAM reads it."""
    return {"Version": VERSION, "Statement": [one.as_document() for one in statements]}


def partition_of(region: str) -> str:
    """The part of AWS that a region is in."""
    return "aws-us-gov" if region.startswith("us-gov-") else "aws-cn" if region.startswith("cn-") else "aws"


def tagged(key: str, value: str) -> Condition:
    """The resource carries the tag."""
    return {"StringEquals": {f"aws:ResourceTag/{key}": value}}


def through(service: str) -> Condition:
    """Another service makes the call on the caller's behalf."""
    return {"ForAnyValue:StringEquals": {"aws:CalledVia": f"{service}.amazonaws.com"}}


@dataclass(frozen=True, slots=True)
class Granted:
    """What somebody may do, statement by statement, and the policies of AWS's own that come beside."""

    statements: tuple[Statement, ...]
    managed: tuple[str, ...] = ()
    most: int = MANAGED  # characters that one policy of this kind may have
    notes: tuple[str, ...] = ()

    def documents(self) -> tuple[dict[str, object], ...]:
        """As few policies as the statements fit in, in their order."""
        parts: list[list[Statement]] = [[]]
        for one in self.statements:
            if parts[-1] and size(document([*parts[-1], one])) > self.most:
                parts.append([])
            parts[-1].append(one)
        return tuple(document(part) for part in parts)


def size(policy: Mapping[str, object]) -> int:
    """Characters of a policy as AWS counts them: without white space."""
    return len(json.dumps(policy, separators=(",", ":")))
