"""What is kept of a training run (`fmctl.run/1`), and what `report` and `note` answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fmctl.documents.base import Envelope, Open, Stamp


class Start(Open):
    """One start of the job; `facts` is what its script recorded: nodes, image, code, data, packages, by digest."""

    began_at: float | None
    last_at: float | None
    first_step: int | None
    last_step: int | None
    loaded_step: int | None
    end: str | None = Field(description="exit status; null while it runs, or where the node went with it")
    facts: dict[str, str]


class Save(Open):
    """A checkpoint that was written whole; `start` counts from 1."""

    step: int | None
    at: float | None
    start: int


class Saves(Open):
    """How many, and the newest with those that were gone on from."""

    count: int
    kept: list[Save]


class Point(Open):
    """Neighbouring log lines put together: the last step and moment, means of what was logged."""

    step: int
    at: float | None
    step_s: float | None
    mfu: float | None = None
    tokens_per_s: float | None
    loss: float | None
    grad_norm: float | None
    memory_bytes: float | None
    count: int = Field(default=1, description="records put together")


class RunLog(Open):
    """What the record keeps of the log."""

    starts: list[Start]
    checkpoints: Saves
    curves: list[Point]
    quality: dict[str, dict[str, object]]


class RunJob(Open):
    """The job as Slurm last said; `over`: it will not run again."""

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
    submitted: Stamp | None
    started: Stamp | None
    ended: Stamp | None


class RunCost(Open):
    """What the run cost at most so far, beside what the plan said of the whole run."""

    running_s: float
    usd_per_h: float | None
    usd: float | None
    basis: str
    price_date: str | None
    predicted_usd: float | None
    predicted_p90_usd: float | None


class RunEnergy(Open):
    """Energy so far; at the meter with the region's PUE, where the plan is of a whole run."""

    power_w: float
    nodes_kwh: float
    meter_kwh: float | None
    tco2e: float | None
    basis: str
    metered: bool
    predicted_kwh: float | None


class Note(Open):
    """What a person wrote."""

    at: Stamp
    by: str
    text: str


class RunRecord(Open):
    """One run: what ran, where, when, from which artefacts, at what cost, and how it held to its plan."""

    name: str
    cluster: str
    plan: str
    plan_digest: str
    rank: int
    row: dict[str, object]
    inputs: dict[str, object]
    config_digest: str
    files: dict[str, str]
    folder: str
    token: str
    submitted_at: Stamp
    submitted_by: str
    region: str = ""
    account: str = Field(default="", description="masked: the last four digits")
    variables: list[str] = Field(default_factory=list, description="names given with --set; values are not kept")
    cluster_config_digest: str = ""
    reused: list[str] = Field(default_factory=list)
    job: RunJob | None = None
    log: RunLog | None = None
    measured: dict[str, object] | None = None
    cost: RunCost | None = None
    energy: RunEnergy | None = None
    quality: dict[str, dict[str, object]] = Field(default_factory=dict)
    notes: list[Note] = Field(default_factory=list)
    parent: str | None = None
    seen_at: Stamp | None = None


class RunDocument(RunRecord):
    """A run's record as it is kept."""

    schema_: Literal["fmctl.run/1"] = Field(alias="schema")
    fmctl_version: str


class Artefact(Open):
    """One thing that the run was made of; `changed`: not the same at every start."""

    name: str
    values: list[str]
    changed: bool


class ReportResult(Open):
    """The record, and what follows from it beside the store's other runs."""

    run: RunRecord
    artefacts: list[Artefact]
    same_artefacts: list[str] = Field(description="runs of the same files, image and code")
    children: list[str] = Field(description="runs that went on from its checkpoints")
    missing: list[str] = Field(description="what an auditor would ask that nothing recorded")


class ReportDocument(Envelope):
    """One run: what ran, who, when, from which artefacts, what it reused, what it cost, and how it held to its plan."""

    schema_: Literal["fmctl.report/1"] = Field(alias="schema")
    result: ReportResult


class NoteResult(Open):
    """What the record holds of people's figures and words now."""

    run: str
    quality: dict[str, dict[str, object]]
    notes: list[Note]


class NoteDocument(Envelope):
    """Figures of quality and words, added to a run's record."""

    schema_: Literal["fmctl.note/1"] = Field(alias="schema")
    result: NoteResult
