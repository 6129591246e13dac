"""Who may do what with a cluster. Made of `fmctl.documents.policy` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Head


class PolicyInputs(TypedDict):
    """What was asked."""

    plan: str
    plan_digest: str
    who: Literal["operator", "end", "head", "compute"]
    cluster: str


class PolicyStatement(TypedDict):
    """One statement, with its reason."""

    sid: str
    why: str
    steps: list[str]
    actions: list[str]
    resources: list[str]
    condition: dict[str, object] | None


class PolicyResult(TypedDict):
    """The rights of one of those who deal with a cluster."""

    cluster: str
    region: str
    account: str
    documents: list[dict[str, object]]
    managed: list[str]
    statements: list[PolicyStatement]
    notes: list[str]


class PolicyDocument(Head):
    """Who may do what with a plan's cluster, as IAM policies."""

    schema: Literal["fmctl.policy/1"]
    inputs: PolicyInputs
    provenance: dict[str, object]
    result: PolicyResult
