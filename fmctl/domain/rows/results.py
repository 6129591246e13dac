"""Rows of plans, estimates, explanations and differences. Made of `fmctl.documents.results` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Envelope, Head, Price
    from fmctl.domain.rows.terms import (
        CheckpointTerms,
        CommunicationTerms,
        EnergyTerms,
        FlopTerms,
        LayoutRow,
        MemoryTerms,
        RunTerms,
        TimeTerms,
    )


class Named(TypedDict):
    """A catalogue entry that an answer rests on."""

    name: str
    source: str
    retrieved: NotRequired[str]
    hf_id: NotRequired[str]


class Basis(TypedDict):
    """A calibration or framework profile that the numbers rest on."""

    name: str
    source: str
    date: NotRequired[str]


class PlanInputs(TypedDict):
    """What was asked, defaults filled in."""

    model: str
    instances: list[str]
    node_counts: list[int]
    seq_len: int
    global_batch: int | None
    tokens: float | None
    framework: str
    objective: str
    fixed: dict[str, list[int | str]]
    deadline_s: float | None
    budget_usd: float | None
    top: int
    options: dict[str, object]


class PlanProvenance(TypedDict):
    """What the numbers rest on."""

    prices: list[Price]
    model: Named
    instances: list[Named]
    measured_fraction: float | None
    calibration: NotRequired[Basis | None]
    framework: NotRequired[Basis | None]


class Workload(TypedDict):
    """What is trained."""

    seq_len: int
    global_batch: int
    tokens_per_step: int
    tokens: float | None
    optimizer: str


class Cost(TypedDict):
    """Money."""

    usd_per_h: float | None
    usd_per_billion_tokens: float | None
    run_usd: float | None
    price_usd_per_h: float | None
    price_region: str
    price_option: str
    price_date: str


class CostLine(TypedDict):
    """One line of a run's bill."""

    name: str
    item: str
    quantity: float | None
    unit: str
    rate_usd: float | None
    usd: float | None
    idle_usd: float | None
    indicative_usd: float | None
    why: str | None
    date: str | None
    source: str | None


class Part(TypedDict):
    """One part of the wall time at P50."""

    name: str
    s: float


class Block(TypedDict):
    """A Capacity Block, or several side by side (`sizes`)."""

    start: str
    end: str
    save_by: str
    usable_until: str
    usable_h: float
    sizes: list[int]
    buy_from: str


class Way(TypedDict):
    """One way to buy the same run."""

    option: str
    region: str
    usd: float | None
    wall_s: float | None
    tco2e: float | None
    why: str | None


class WholeRunRow(TypedDict):
    """The whole run: finish, failures, checkpoints, energy and the bill. P10, P50 and P90 are percentiles."""

    start: str
    finish_p10: str
    finish_p50: str
    finish_p90: str
    wall_p10_s: float
    wall_p50_s: float
    wall_p90_s: float
    work_s: float
    goodput: float
    goodput_low: float
    goodput_high: float
    interruptions: float
    interruptions_low: float
    interruptions_high: float
    mtbf_s: float | None
    recovery_s: float
    lost_work_s: float
    spares: int
    best_spares: int
    saved_bytes: float
    save_interval_s: float
    save_stall_s: float
    save_drain_s: float
    load_s: float
    young_interval_s: float
    file_system: str | None
    file_system_tib: float | None
    file_system_efa: bool | None
    file_system_usd_per_month: float | None
    local_disks: str
    not_compared: str | None
    kwh: float
    kwh_low: float
    kwh_high: float
    tco2e: float | None
    tco2e_low: float | None
    tco2e_high: float | None
    tco2e_marginal: float | None
    water_l: float | None
    pue_assumed: bool
    total_usd: float | None
    comparable_usd: float | None
    total_p90_usd: float | None
    known_usd: float
    idle_usd: float
    reading_limit: str
    reading_share: float
    lines: list[CostLine]
    parts: list[Part]
    blocks: list[Block]
    ways: list[Way]
    run_notes: list[str]


class Lever(TypedDict):
    """A change, and what it does to the first row's days and USD."""

    change: str
    days: float
    usd: float | None


class EstimateRow(TypedDict):
    """One layout on one instance type and count."""

    model: str
    framework: str
    instance: str
    nodes: int
    gpus: int
    fits: Literal["ok", "tight", "OOM"]
    layout: LayoutRow
    workload: Workload
    time: TimeTerms
    communication: CommunicationTerms
    memory: MemoryTerms
    flop: FlopTerms
    run: RunTerms
    checkpoint: CheckpointTerms
    energy: EnergyTerms
    cost: Cost
    measured_fraction: float | None
    resolution: NotRequired[float | None]
    whole_run: NotRequired[WholeRunRow | None]
    chosen: dict[str, str]
    notes: list[str]


class PlanRow(EstimateRow):
    """A row of a plan."""

    rank: int
    pareto: bool
    told_apart: NotRequired[bool | None]


class Reject(TypedDict):
    """Why layouts were rejected, and how many."""

    reason: str
    sentence: str
    count: int


class NearMiss(TypedDict):
    """What came closest to fitting."""

    short_bytes: float
    largest_term: str
    advice: str
    estimate: EstimateRow


class PlanResult(TypedDict):
    """A ranked search result."""

    objective: str
    rows: list[PlanRow]
    rejects: list[Reject]
    nearest: NearMiss | None
    levers: NotRequired[list[Lever]]
    candidates: int
    evaluated: int
    fitting: int
    search_s: float | None


class Saved(TypedDict):
    """The seal of a saved plan."""

    name: str
    saved_at: str
    digest: str
    seal: NotRequired[str | None]


class EstimateDocument(Head):
    """One layout: memory, step time, network, checkpoint, cost, energy."""

    schema: Literal["fmctl.estimate/1"]
    inputs: PlanInputs
    provenance: PlanProvenance
    result: EstimateRow | None


class PlanDocument(Head):
    """A search: ranked rows, rejections, nearest miss."""

    schema: Literal["fmctl.plan/1"]
    inputs: PlanInputs
    provenance: PlanProvenance
    result: PlanResult
    saved: NotRequired[Saved | None]


class TermPart(TypedDict):
    """One part of a total, with its equation and source."""

    name: str
    title: str
    value: float | None
    unit: str
    share: float | None
    parent: str
    equation: str
    source: str


class Total(TypedDict):
    """What the parts add up to."""

    name: str
    title: str
    value: float | None
    unit: str


class ExplainSection(TypedDict):
    """Time, communication, memory, money, flop, checkpoint or energy."""

    name: str
    total: Total | None
    parts: list[TermPart]


class Explained(TypedDict):
    """Where time, memory and money go."""

    subject: dict[str, object]
    sections: list[ExplainSection]
    chosen: dict[str, str]


class ExplainDocument(Envelope):
    """Where time, memory and money go: each part with its share, equation and source."""

    schema: Literal["fmctl.explain/1"]
    result: Explained


class DiffField(TypedDict):
    """One field on both sides."""

    field: str
    a: object
    b: object
    absolute: float | None
    relative: float | None


class Diff(TypedDict):
    """What differs."""

    a: str
    b: str
    different: int
    compared: int
    told_apart: NotRequired[bool | None]
    fields: list[DiffField]


class DiffDocument(Envelope):
    """Two plans or estimates, field by field."""

    schema: Literal["fmctl.diff/1"]
    result: Diff
