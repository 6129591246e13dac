"""Estimates, plans, explanations and differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, JsonValue
from pydantic.config import JsonDict

from fmctl.documents.base import Count, Envelope, Head, Open, Price, UsdOrUnknown
from fmctl.domain.layout import CODES, FIELDS
from fmctl.domain.terms import TERMS

_Held = TypeVar("_Held", bound=Mapping[str, object])
Numbers = dict[str, float | None]
NUMBER_OR_NULL: JsonDict = {"anyOf": [{"type": "number"}, {"type": "null"}]}


_RUN = ("run_s", "run_low_s", "run_high_s")


def _holding(names: Iterable[str]) -> Callable[[_Held], _Held]:
    """A check that these names are there: what a report reads must be in what was saved."""
    needed = tuple(names)

    def check(found: _Held) -> _Held:
        missing = [name for name in needed if name not in found]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing")
        return found

    return check


def _terms(group: str, *more: str) -> object:
    """The type of one group of terms: numbers or null by name; terms computed only on request may be absent."""
    listed = [term for term in TERMS if term.group == group]
    needed: list[JsonValue] = [*(term.name for term in listed if not term.detail), *more]
    properties: JsonDict = {
        term.name: NUMBER_OR_NULL | {"description": f"{term.title}: {term.equation}"} for term in listed
    }
    properties |= dict.fromkeys(more, NUMBER_OR_NULL)
    extra: JsonDict = {"properties": properties, "required": needed}
    return Field(json_schema_extra=extra)


def _needed(group: str, *more: str) -> AfterValidator:
    return AfterValidator(_holding([t.name for t in TERMS if t.group == group and not t.detail] + list(more)))


def _small(found: float | None) -> float | None:
    if found is not None and found > _MOST_LOG:
        raise ValueError("no ratio is so large")
    return found


def _known(name: str) -> AfterValidator:
    """A check that the number is there and above zero: every answer has it."""

    def check(found: Numbers) -> Numbers:
        if not found[name]:
            raise ValueError(f"{name} is not known")
        return found

    return AfterValidator(check)


_LAYOUT_SCHEMA: JsonDict = {
    "properties": {
        name: {"enum": list(CODES[name].labels())} if name in CODES else {"type": "integer"} for name in FIELDS
    },
    "required": list(FIELDS),
}
_MOST_RANKS = 2**31
_MOST_LOG = 100.0


def _meant(found: dict[str, int | str]) -> dict[str, int | str]:
    """Refuse a layout of other words or numbers than a layout has."""
    for name in FIELDS:
        value = found[name]
        if name in CODES:
            if value not in CODES[name].labels():
                raise ValueError(f"{name} is one of {', '.join(CODES[name].labels())}")
        elif not isinstance(value, int) or not 0 <= value < _MOST_RANKS:
            raise ValueError(f"{name} is no whole number that it can be")
    return found


LayoutFields = Annotated[
    dict[str, int | str],
    AfterValidator(_holding(FIELDS)),
    AfterValidator(_meant),
    Field(json_schema_extra=_LAYOUT_SCHEMA),
]


class Named(Open):
    """A catalogue entry that an answer rests on."""

    name: str
    source: str
    retrieved: str = ""
    hf_id: str = ""


class Basis(Open):
    """A calibration or framework profile that the numbers rest on."""

    name: str
    source: str
    date: str = ""


class PlanInputs(Open):
    """What was asked, defaults filled in."""

    model: str
    instances: list[str]
    node_counts: list[int]
    seq_len: int
    global_batch: int | None
    tokens: float | None
    framework: str
    objective: str
    fixed: dict[str, list[int | str]] = Field(description="allowed values by layout field")
    deadline_s: float | None
    budget_usd: float | None
    top: int
    options: dict[str, object]


class PlanProvenance(Open):
    """What the numbers rest on."""

    prices: list[Price]
    model: Named
    instances: list[Named]
    measured_fraction: float | None = Field(description="least share of kernel time inside measured tables")
    calibration: Basis | None = None
    framework: Basis | None = None


class Workload(Open):
    """What is trained."""

    seq_len: int
    global_batch: int
    tokens_per_step: int
    tokens: float | None
    optimizer: str


class Cost(Open):
    """Money; null where a price is not known or no tokens were given."""

    usd_per_h: UsdOrUnknown
    usd_per_billion_tokens: float | None
    run_usd: float | None
    price_usd_per_h: UsdOrUnknown
    price_region: str
    price_option: str
    price_date: str


class CostLine(Open):
    """One line of a run's bill; null where no price is known, `why` says why."""

    name: str
    item: str
    quantity: float | None
    unit: str
    rate_usd: float | None
    usd: float | None
    idle_usd: float | None = Field(description="what of it is paid for while nothing is trained")
    indicative_usd: float | None = Field(description="at us-east-1's price, where the region's is not on file")
    why: str | None
    date: str | None
    source: str | None


class Part(Open):
    """One part of the wall time at P50."""

    name: str
    s: float


class Block(Open):
    """A Capacity Block, or several side by side (`sizes`)."""

    start: str
    end: str
    save_by: str = Field(description="the last checkpoint begins")
    usable_until: str
    usable_h: float
    sizes: list[int]
    buy_from: str


class Way(Open):
    """One way to buy the same run."""

    option: str
    region: str
    usd: float | None
    wall_s: float | None
    tco2e: float | None
    why: str | None


class WholeRun(Open):
    """The whole run: finish, failures, checkpoints, energy and the bill. P10, P50 and P90 are percentiles."""

    start: str
    finish_p10: str
    finish_p50: str
    finish_p90: str
    wall_p10_s: float
    wall_p50_s: float
    wall_p90_s: float
    work_s: float = Field(description="training alone")
    goodput: float = Field(description="share of wall time that is training progress")
    goodput_low: float
    goodput_high: float
    interruptions: float
    interruptions_low: float
    interruptions_high: float
    mtbf_s: float | None = Field(description="of the whole job; null where nothing fails")
    recovery_s: float
    lost_work_s: float
    spares: int
    best_spares: int
    saved_bytes: float
    save_interval_s: float
    save_stall_s: float
    save_drain_s: float
    load_s: float
    young_interval_s: float = Field(description="first-order best interval, for comparison")
    file_system: str | None = Field(description="item of the price table; null where none on sale is fast enough")
    file_system_tib: float | None
    file_system_efa: bool | None
    file_system_usd_per_month: float | None
    local_disks: str
    not_compared: str | None
    kwh: float = Field(description="at the meter of the data centre")
    kwh_low: float
    kwh_high: float
    tco2e: float | None = Field(description="by the grid's average intensity")
    tco2e_low: float | None
    tco2e_high: float | None
    tco2e_marginal: float | None
    water_l: float | None
    pue_assumed: bool
    total_usd: float | None = Field(description="of the lines with a price; null where that of the nodes is not known")
    comparable_usd: float | None = Field(description="with unknown lines at us-east-1's prices: rows are ranked by it")
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


class Lever(Open):
    """A change, and what it does to the first row's days and USD; negative is better."""

    change: str
    days: float
    usd: float | None


class Result(Open):
    """One layout on one instance type and count."""

    model: str
    framework: str
    instance: str
    nodes: Count
    gpus: Count
    fits: Literal["ok", "tight", "OOM"]
    layout: LayoutFields
    workload: Workload
    time: Annotated[Numbers, _needed("time"), _known("step_s"), _terms("time")]
    communication: Annotated[Numbers, _needed("communication"), _terms("communication")]
    memory: Annotated[Numbers, _needed("memory", "device_bytes"), _terms("memory", "device_bytes")]
    flop: Annotated[Numbers, _needed("flop"), _terms("flop")]
    run: Annotated[Numbers, _needed("run", *_RUN), _terms("run", *_RUN)]
    checkpoint: Annotated[Numbers, _needed("checkpoint"), _terms("checkpoint")]
    energy: Annotated[Numbers, _needed("energy", "run_wh"), _terms("energy", "run_wh")]
    cost: Cost
    measured_fraction: float | None
    resolution: Annotated[float | None, AfterValidator(_small)] = Field(
        default=None,
        description="natural log of the ratio up to which another layout on this instance type counts as equal",
    )
    whole_run: WholeRun | None = None
    chosen: dict[str, str]
    notes: list[str]


class Ranked(Result):
    """A row of a plan."""

    rank: int
    pareto: bool
    told_apart: bool | None = Field(
        default=None,
        description="whether it differs from the first row by more than the model resolves; null for that row itself, "
        "and where a price is not known",
    )


class Reject(Open):
    """Why layouts were rejected, and how many."""

    reason: str
    sentence: str
    count: int


class NearMiss(Open):
    """What came closest to fitting."""

    short_bytes: float
    largest_term: str
    advice: str
    estimate: Result


class PlanResult(Open):
    """A ranked search result."""

    objective: str
    rows: list[Ranked]
    rejects: list[Reject]
    nearest: NearMiss | None
    levers: list[Lever] = Field(default_factory=list, description="what would help the first row most, best first")
    candidates: int
    evaluated: int
    fitting: int
    search_s: float | None


class Saved(Open):
    """The seal of a saved plan."""

    name: str
    saved_at: str
    digest: str
    seal: str | None = Field(default=None, description="digest of all that is said; none of an older fmctl")


class EstimateDocument(Head):
    """One layout: memory, step time, network, checkpoint, cost, energy."""

    schema_: Literal["fmctl.estimate/1"] = Field(alias="schema")
    inputs: PlanInputs
    provenance: PlanProvenance
    result: Result | None


class PlanDocument(Head):
    """A search: ranked rows, rejections, nearest miss."""

    schema_: Literal["fmctl.plan/1"] = Field(alias="schema")
    inputs: PlanInputs
    provenance: PlanProvenance
    result: PlanResult
    saved: Saved | None = None


class TermPart(Open):
    """One part of a total, with its equation and source."""

    name: str
    title: str
    value: float | None
    unit: str
    share: float | None
    parent: str
    equation: str
    source: str


class Total(Open):
    """What the parts add up to."""

    name: str
    title: str
    value: float | None
    unit: str


class ExplainSection(Open):
    """Time, communication, memory, money, flop, checkpoint or energy."""

    name: str
    total: Total | None
    parts: list[TermPart]


class Explained(Open):
    """Where time, memory and money go."""

    subject: dict[str, object]
    sections: list[ExplainSection]
    chosen: dict[str, str]


class ExplainDocument(Envelope):
    """Where time, memory and money go: each part with its share, equation and source."""

    schema_: Literal["fmctl.explain/1"] = Field(alias="schema")
    result: Explained


class DiffField(Open):
    """One field on both sides; `absolute` is b - a, `relative` is b / a - 1."""

    field: str
    a: object
    b: object
    absolute: float | None
    relative: float | None


class Diff(Open):
    """What differs."""

    a: str
    b: str
    different: int
    compared: int
    told_apart: bool | None = Field(
        default=None,
        description="whether the two differ by more than the model resolves in what both were ranked by; null where "
        "they cannot be compared",
    )
    fields: list[DiffField]


class DiffDocument(Envelope):
    """Two plans or estimates, field by field."""

    schema_: Literal["fmctl.diff/1"] = Field(alias="schema")
    result: Diff
