"""What `progress` answers: a run so far against its plan."""

from __future__ import annotations

from typing import Literal

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
    why: str | None = Field(description="why it is unknown, or what a measured value rests on")


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


class NodeMetrics(Open):
    """What metrics of the nodes told: values by field of the evidence, each with the node or GPU that it is of."""

    cluster: str
    start: float
    end: float
    values: dict[str, float]
    where: dict[str, str]
    gpu_power_w: float | None = Field(description="GPUs alone")
    gpus_metered: int


class ProgressResult(Open):
    """A run so far: `state` as its log tells it, null where it does not."""

    plan: str
    source: str
    state: dict[str, object]
    figures: list[Figure]
    outside: list[str]
    worse: list[str] = Field(description="outside on the side that nobody wants")
    reasons: list[Reason]
    metrics: NodeMetrics | None = Field(description="null where no Prometheus was asked")
    spent_usd: float | None = Field(description="on the whole cluster, where its record is known")


class ProgressDocument(Envelope):
    """A running job held against its plan."""

    schema_: Literal["fmctl.progress/1"] = Field(alias="schema")
    result: ProgressResult
