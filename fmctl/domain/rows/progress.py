"""A run so far against its plan. Made of `fmctl.documents.progress` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Envelope


class State(TypedDict):
    """A run as its log tells it."""

    records: int
    first_step: int | None
    last_step: int | None
    total_steps: int | None
    began_at: float | None
    last_at: float | None
    step_s: float | None
    step_p10_s: float | None
    step_p90_s: float | None
    last_step_s: float | None
    interval: int | None
    slow_share: float | None
    tokens: float | None
    tokens_per_s: float | None
    mfu: float | None
    loss: float | None
    lowest_loss: float | None
    grad_norm: float | None
    nan_steps: int
    loss_spikes: int
    memory_bytes: float | None
    saves: int
    saved_at: float | None
    stall_s: float | None
    stall_share: float | None
    restarts: int
    alloc_retries: int
    errors: dict[str, int]
    goodput: float | None
    finish_s: float | None
    finish_early_s: float | None
    wall_s: float | None
    late_s: dict[int, float]
    slowest_rank: int | None
    rank_excess: float | None


class Figure(TypedDict):
    """One figure of the run beside its prediction and the predicted interval."""

    name: str
    unit: str
    predicted: float | None
    low: float | None
    high: float | None
    measured: float | None
    verdict: Literal["inside", "below", "above", "unknown"]
    why: str | None


class ReasonValue(TypedDict):
    """A value that a reason rests on, and what healthy runs show."""

    name: str
    measured: float
    normal: float


class Reason(TypedDict):
    """A likely reason."""

    name: str
    score: float
    values: list[ReasonValue]
    advice: str


class NodeMetrics(TypedDict):
    """What metrics of the nodes told: values by field of the evidence, each with the node or GPU that it is of."""

    cluster: str
    start: float
    end: float
    values: dict[str, float]
    where: dict[str, str]
    gpu_power_w: float | None
    gpus_metered: int


class ProgressResult(TypedDict):
    """A run so far: `state` as its log tells it, null where it does not."""

    plan: str
    source: str
    state: State
    figures: list[Figure]
    outside: list[str]
    worse: list[str]
    reasons: list[Reason]
    metrics: NodeMetrics | None
    spent_usd: float | None


class ProgressDocument(Envelope):
    """A running job held against its plan."""

    schema: Literal["fmctl.progress/1"]
    result: ProgressResult
