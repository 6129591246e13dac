"""What `progress` answers: a run so far against its plan."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from fmctl.documents.base import Envelope, Open


class Figure(Open):
    """One figure of the run beside its prediction and the predicted interval."""

    name: str
    unit: str
    predicted: float | None
    low: float | None
    high: float | None
    measured: float | None
    verdict: Literal["inside", "below", "above", "unknown"]
    why: str | None


class ReasonValue(Open):
    """A value that a reason rests on, and what healthy runs show."""

    name: str
    measured: float
    normal: float


class Reason(Open):
    """A likely reason; score is the share of time that it costs."""

    name: str
    score: float
    values: list[ReasonValue]
    advice: str


class ProgressResult(Open):
    """A run so far: `state` as its log tells it, null where it does not."""

    plan: str
    source: str
    state: dict[str, Any]
    figures: list[Figure]
    outside: list[str]
    worse: list[str] = Field(description="outside on the side that nobody wants")
    reasons: list[Reason]


class ProgressDocument(Envelope):
    """A running job held against its plan."""

    schema_: Literal["fmctl.progress/1"] = Field(alias="schema")
    result: ProgressResult
