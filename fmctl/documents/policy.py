"""What `policy` answers: IAM policies, and what each of their statements is for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fmctl.documents.base import Head, Open


class PolicyInputs(Open):
    """What was asked."""

    plan: str
    plan_digest: str
    who: Literal["operator", "end", "head", "compute"]
    cluster: str


class PolicyStatement(Open):
    """One statement, with its reason."""

    sid: str
    why: str
    steps: Annotated[list[str], Field(description="commands that need it; empty where somebody else does")]
    actions: list[str]
    resources: list[str]
    condition: Annotated[dict[str, object] | None, Field(description="null where it always holds")]


class PolicyResult(Open):
    """The rights of one of those who deal with a cluster."""

    cluster: str
    region: str
    account: str
    documents: Annotated[list[dict[str, object]], Field(description="IAM policies, each small enough for AWS")]
    managed: Annotated[list[str], Field(description="policies of AWS's own that come beside")]
    statements: list[PolicyStatement]
    notes: list[str]


class PolicyDocument(Head):
    """Who may do what with a plan's cluster, as IAM policies."""

    schema_: Literal["fmctl.policy/1"] = Field(alias="schema")
    inputs: PolicyInputs
    provenance: dict[str, object]
    result: PolicyResult
