"""A training run's record, and what is reported of it. Made of `fmctl.documents.run` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Envelope
    from fmctl.domain.rows.progress import ProgressResult
    from fmctl.domain.rows.results import EstimateRow, PlanInputs


class Quality(TypedDict):
    """A figure of quality, and when it was measured."""

    value: float
    step: NotRequired[int | None]
    at: NotRequired[str | float | None]
    source: NotRequired[str]


class Start(TypedDict):
    """One start of the job."""

    began_at: float | None
    last_at: float | None
    first_step: int | None
    last_step: int | None
    loaded_step: int | None
    end: str | None
    facts: dict[str, str]


class Save(TypedDict):
    """A checkpoint that was written whole."""

    step: int | None
    at: float | None
    start: int


class Saves(TypedDict):
    """How many, and the newest with those that were gone on from."""

    count: int
    kept: list[Save]


class Point(TypedDict):
    """Neighbouring log lines put together: the last step and moment, means of what was logged."""

    step: int
    at: float | None
    step_s: float | None
    mfu: NotRequired[float | None]
    tokens_per_s: float | None
    loss: float | None
    grad_norm: float | None
    memory_bytes: float | None
    count: NotRequired[int]


class RunLog(TypedDict):
    """What the record keeps of the log."""

    starts: list[Start]
    checkpoints: Saves
    curves: list[Point]
    quality: dict[str, Quality]


class RunJob(TypedDict):
    """The job as Slurm last said."""

    id: int
    name: str
    state: str
    over: bool
    user: str
    nodes: str
    node_count: int
    restarts: int
    exit_code: int | None
    output: str
    folder: str
    reason: str
    submitted: str | None
    started: str | None
    ended: str | None


class RunCost(TypedDict):
    """What the run cost at most so far, beside what the plan said of the whole run."""

    running_s: float
    usd_per_h: float | None
    usd: float | None
    basis: str
    price_date: str | None
    predicted_usd: float | None
    predicted_p90_usd: float | None


class RunEnergy(TypedDict):
    """Energy so far."""

    power_w: float
    nodes_kwh: float
    meter_kwh: float | None
    tco2e: float | None
    basis: str
    metered: bool
    predicted_kwh: float | None


class Note(TypedDict):
    """What a person wrote."""

    at: str
    by: str
    text: str


class RunRecord(TypedDict):
    """One run: what ran, where, when, from which artefacts, at what cost, and how it held to its plan."""

    name: str
    cluster: str
    plan: str
    plan_digest: str
    rank: int
    row: EstimateRow
    inputs: PlanInputs
    config_digest: str
    files: dict[str, str]
    folder: str
    token: str
    submitted_at: str
    submitted_by: str
    region: NotRequired[str]
    account: NotRequired[str]
    variables: NotRequired[list[str]]
    cluster_config_digest: NotRequired[str]
    reused: NotRequired[list[str]]
    job: NotRequired[RunJob | None]
    log: NotRequired[RunLog | None]
    measured: NotRequired[ProgressResult | None]
    cost: NotRequired[RunCost | None]
    energy: NotRequired[RunEnergy | None]
    quality: NotRequired[dict[str, Quality]]
    notes: NotRequired[list[Note]]
    parent: NotRequired[str | None]
    seen_at: NotRequired[str | None]


class RunDocument(RunRecord):
    """A run's record as it is kept."""

    schema: Literal["fmctl.run/1"]
    fmctl_version: str


class Artefact(TypedDict):
    """One thing that the run was made of."""

    name: str
    values: list[str]
    changed: bool


class ReportResult(TypedDict):
    """The record, and what follows from it beside the store's other runs."""

    run: RunRecord
    artefacts: list[Artefact]
    same_artefacts: list[str]
    children: list[str]
    missing: list[str]


class ReportDocument(Envelope):
    """One run: what ran, who, when, from which artefacts, what it reused, what it cost, and how it held to its plan."""

    schema: Literal["fmctl.report/1"]
    result: ReportResult


class NoteResult(TypedDict):
    """What the record holds of people's figures and words now."""

    run: str
    quality: dict[str, Quality]
    notes: list[Note]


class NoteDocument(Envelope):
    """Figures of quality and words, added to a run's record."""

    schema: Literal["fmctl.note/1"]
    result: NoteResult
