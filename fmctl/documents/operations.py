"""What the commands of the running half answer: preflight, launch, status, teardown, history."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fmctl.documents.base import Envelope, Open


class CheckRow(Open):
    """One check of a preflight."""

    check: str
    state: Literal["ok", "warning", "fail", "unknown"]
    found: str
    next: str | None


class Preflight(Open):
    """All checks; worst is fail, unknown, warning or ok, in that order."""

    cluster: str
    worst: Literal["ok", "warning", "fail", "unknown"]
    checks: list[CheckRow]


class PreflightDocument(Envelope):
    """Everything that a launch relies on, looked at."""

    schema_: Literal["fmctl.preflight/1"] = Field(alias="schema")
    result: Preflight


class ActionRow(Open):
    """One step of a dry run."""

    step: str
    what: str
    creates: list[str]
    destroys: list[str]
    keeps: list[str]
    usd_per_h: float | None


class ResourceCount(Open):
    """Resources of one type that a rehearsed launch made."""

    type: str
    count: int


class LaunchLine(Open):
    """What one line costs an hour; null, with why, where no price is known."""

    name: str
    usd_per_h: float | None
    why: str | None


class Launch(Open):
    """A launch, a dry run of one (`dry_run`, `actions`), or a rehearsal (`rehearsed`, `resources`)."""

    cluster: str
    dry_run: bool = False
    done: bool = False
    rehearsed: bool = False
    region: str | None = None
    instance: str | None = None
    nodes: int | None = None
    usd_per_h: float | None = Field(default=None, description="of all nodes; null where no price is known")
    cap_usd: float | None = None
    end: str | None = Field(default=None, description="when AWS deletes it")
    config_digest: str | None = None
    actions: list[ActionRow] = Field(default_factory=list)
    resources: list[ResourceCount] = Field(default_factory=list)
    max_hours: float | None = Field(default=None, description="hours until the end")
    stays: list[str] = Field(default_factory=list, description="what outlives the cluster")
    lines: list[LaunchLine] = Field(default_factory=list)
    created: bool = Field(default=False, description="whether this call made the cluster")
    state: str | None = None
    plan: str | None = None
    plan_digest: str | None = None
    began: str | None = None
    created_by: str | None = None
    retained: list[str] = Field(default_factory=list)
    purchase: str | None = None
    price_date: str | None = None
    spent_usd: float | None = None
    reused: list[str] = Field(default_factory=list)
    running_nodes: int | None = None
    condition: str | None = Field(default=None, description="of a rehearsal's stack")
    stack_events: int | None = None
    simulated_s: float | None = None
    torn_down: bool = False
    leftovers: list[str] = Field(default_factory=list)
    cannot_prove: list[str] = Field(default_factory=list)


class LaunchDocument(Envelope):
    """A launched, extended or rehearsed cluster, or what a launch would do."""

    schema_: Literal["fmctl.launch/1"] = Field(alias="schema")
    result: Launch


class LeftoverRow(Open):
    """Something that outlived its cluster; the command removes it."""

    kind: str
    id: str
    usd_per_day: float | None
    command: str
    why: str | None


class CostLineRow(Open):
    """What one line costs an hour, and at most since the stack began; null, with why, where no price is known."""

    name: str
    usd_per_h: float | None
    spent_at_most_usd: float | None
    why: str | None


class StatusRow(Open):
    """A cluster as it was seen; `spent_at_most_usd` counts all nodes from the stack's first minute."""

    cluster: str
    condition: Annotated[
        Literal["missing", "creating", "ready", "failed", "deleting", "stuck", "unknown"],
        Field(description="unknown where it could not be looked at: `trouble` says why"),
    ]
    stack_status: str | None
    stack_reason: str | None
    instance: str | None
    wanted_nodes: int | None
    nodes: dict[str, int]
    spent_at_most_usd: float | None
    lines: list[CostLineRow]
    cap_usd: float | None
    end: str | None
    end_holds: bool | None = Field(default=None, description="whether the end would come now; null where there is none")
    left_h: float | None = Field(default=None, description="hours until the end; null where none would come")
    locked_by: str | None
    unsettled: list[str]
    trouble: str | None
    next: str
    over: bool = Field(default=False, description="whether it went by itself since its launch; its cost is until then")
    leftovers: list[LeftoverRow] = Field(default_factory=list, description="of a cluster that went by itself")
    seen_at: str
    seen_from: str


class Statuses(Open):
    """All clusters that were asked for."""

    clusters: list[StatusRow]


class StatusDocument(Envelope):
    """What AWS has of clusters."""

    schema_: Literal["fmctl.status/1"] = Field(alias="schema")
    result: Statuses


class TeardownRow(Open):
    """One cluster: whether it is gone, whether it was there, and what is left."""

    cluster: str
    done: bool
    was: bool
    retained: list[str]
    leftovers: list[LeftoverRow]
    error: str | None = Field(default=None, description="why it could not be removed, or looked at")
    next: str | None = Field(default=None, description="what to do about that")
    actions: list[ActionRow] = Field(default_factory=list, description="of a dry run")


class Teardown(Open):
    """A teardown, or a dry run of one (`dry_run`, `actions`)."""

    clusters: list[TeardownRow] = Field(default_factory=list)
    cluster: str | None = None
    dry_run: bool = False
    done: bool = True
    actions: list[ActionRow] = Field(default_factory=list)


class TeardownDocument(Envelope):
    """Removed clusters and what still costs money."""

    schema_: Literal["fmctl.teardown/1"] = Field(alias="schema")
    result: Teardown


class HistoryRow(Open):
    """One launch."""

    cluster: str
    state: Annotated[
        Literal["launching", "running", "failed", "deleting", "gone", "over"],
        Field(description="over where its end came and nobody has looked since"),
    ]
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


class RunRow(Open):
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


class History(Open):
    """Newest first."""

    clusters: list[HistoryRow]
    runs: list[RunRow] = Field(default_factory=list)


class HistoryDocument(Envelope):
    """What was launched from a store."""

    schema_: Literal["fmctl.history/1"] = Field(alias="schema")
    result: History
