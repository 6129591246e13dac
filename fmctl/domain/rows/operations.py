"""Preflights, launches, clusters, teardowns, history. Made of `fmctl.documents.operations` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Envelope


class CheckRow(TypedDict):
    """One check of a preflight."""

    check: str
    state: Literal["ok", "warning", "fail", "unknown"]
    found: str
    next: str | None


class Preflight(TypedDict):
    """All checks."""

    cluster: str
    worst: Literal["ok", "warning", "fail", "unknown"]
    checks: list[CheckRow]


class PreflightDocument(Envelope):
    """Everything that a launch relies on, looked at."""

    schema: Literal["fmctl.preflight/1"]
    result: Preflight


class ActionRow(TypedDict):
    """One step of a dry run."""

    step: str
    what: str
    creates: list[str]
    destroys: list[str]
    keeps: list[str]
    usd_per_h: float | None


class ResourceCount(TypedDict):
    """Resources of one type that a rehearsed launch made."""

    type: str
    count: int


class LaunchLine(TypedDict):
    """What one line costs an hour."""

    name: str
    usd_per_h: float | None
    why: str | None


class Launch(TypedDict):
    """A launch, a dry run of one (`dry_run`, `actions`), or a rehearsal (`rehearsed`, `resources`)."""

    cluster: str
    dry_run: NotRequired[bool]
    done: NotRequired[bool]
    rehearsed: NotRequired[bool]
    region: NotRequired[str | None]
    instance: NotRequired[str | None]
    nodes: NotRequired[int | None]
    usd_per_h: NotRequired[float | None]
    cap_usd: NotRequired[float | None]
    end: NotRequired[str | None]
    config_digest: NotRequired[str | None]
    actions: NotRequired[list[ActionRow]]
    resources: NotRequired[list[ResourceCount]]
    max_hours: NotRequired[float | None]
    stays: NotRequired[list[str]]
    lines: NotRequired[list[LaunchLine]]
    created: NotRequired[bool]
    state: NotRequired[str | None]
    plan: NotRequired[str | None]
    plan_digest: NotRequired[str | None]
    began: NotRequired[str | None]
    created_by: NotRequired[str | None]
    retained: NotRequired[list[str]]
    purchase: NotRequired[str | None]
    price_date: NotRequired[str | None]
    spent_usd: NotRequired[float | None]
    reused: NotRequired[list[str]]
    running_nodes: NotRequired[int | None]
    condition: NotRequired[str | None]
    stack_events: NotRequired[int | None]
    simulated_s: NotRequired[float | None]
    torn_down: NotRequired[bool]
    leftovers: NotRequired[list[str]]
    cannot_prove: NotRequired[list[str]]


class LaunchDocument(Envelope):
    """A launched, extended or rehearsed cluster, or what a launch would do."""

    schema: Literal["fmctl.launch/1"]
    result: Launch


class LeftoverRow(TypedDict):
    """Something that outlived its cluster."""

    kind: str
    id: str
    usd_per_day: float | None
    command: str
    why: str | None


class CostLineRow(TypedDict):
    """What one line costs an hour, and at most since the stack began."""

    name: str
    usd_per_h: float | None
    spent_at_most_usd: float | None
    why: str | None


class StatusRow(TypedDict):
    """A cluster as it was seen."""

    cluster: str
    condition: Literal["missing", "creating", "ready", "failed", "deleting", "stuck", "unknown"]
    stack_status: str | None
    stack_reason: str | None
    instance: str | None
    wanted_nodes: int | None
    nodes: dict[str, int]
    spent_at_most_usd: float | None
    lines: list[CostLineRow]
    cap_usd: float | None
    end: str | None
    end_holds: NotRequired[bool | None]
    left_h: NotRequired[float | None]
    locked_by: str | None
    unsettled: list[str]
    trouble: str | None
    next: str
    over: NotRequired[bool]
    leftovers: NotRequired[list[LeftoverRow]]
    seen_at: str
    seen_from: str


class Statuses(TypedDict):
    """All clusters that were asked for."""

    clusters: list[StatusRow]


class StatusDocument(Envelope):
    """What AWS has of clusters."""

    schema: Literal["fmctl.status/1"]
    result: Statuses


class TeardownRow(TypedDict):
    """One cluster: whether it is gone, whether it was there, and what is left."""

    cluster: str
    done: bool
    was: bool
    retained: list[str]
    leftovers: list[LeftoverRow]
    error: NotRequired[str | None]
    next: NotRequired[str | None]
    actions: NotRequired[list[ActionRow]]


class Teardown(TypedDict):
    """A teardown, or a dry run of one (`dry_run`, `actions`)."""

    clusters: NotRequired[list[TeardownRow]]
    cluster: NotRequired[str | None]
    dry_run: NotRequired[bool]
    done: NotRequired[bool]
    actions: NotRequired[list[ActionRow]]


class TeardownDocument(Envelope):
    """Removed clusters and what still costs money."""

    schema: Literal["fmctl.teardown/1"]
    result: Teardown


class HistoryRow(TypedDict):
    """One launch."""

    cluster: str
    state: Literal["launching", "running", "failed", "deleting", "gone", "over"]
    plan: str
    plan_digest: str
    config_digest: str
    region: str
    instance: str
    nodes: int
    usd_per_h: float | None
    max_hours: float
    cap_usd: float | None
    began: str
    end: str
    created_by: str
    retained: list[str]
    purchase: str | None
    price_date: str | None
    spent_usd: float | None
    reused: list[str]
    same_configuration: list[str]


class RunRow(TypedDict):
    """One training run, as its record last saw it."""

    run: str
    state: str
    cluster: str
    job: int | None
    plan: str
    model: str
    instance: str
    nodes: int
    submitted_at: str
    submitted_by: str
    step: int | None
    total_steps: int | None
    loss: float | None
    starts: int | None
    usd: float | None
    config_digest: str
    parent: str | None
    seen_at: str | None


class History(TypedDict):
    """Newest first."""

    clusters: list[HistoryRow]
    runs: NotRequired[list[RunRow]]


class HistoryDocument(Envelope):
    """What was launched from a store."""

    schema: Literal["fmctl.history/1"]
    result: History
