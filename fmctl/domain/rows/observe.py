"""What watches a cluster, as files. Made of `fmctl.documents.observe` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Head
    from fmctl.domain.rows.render import RenderedFile


class ObserveInputs(TypedDict):
    """What was asked, defaults filled in."""

    plan: str
    rank: int
    cluster: str
    run: str | None
    cap_usd: float | None
    efa_devices: int | None


class AlertRule(TypedDict):
    """One alert."""

    name: str
    severity: Literal["critical", "warning", "info"]
    component: str
    wait_s: float
    expression: str
    summary: str
    next: str


class ObserveResult(TypedDict):
    """The alerts of a cluster, and the files for Prometheus and Grafana."""

    cluster: str
    model: str
    nodes: int
    gpus: int
    alerts: list[AlertRule]
    files: list[RenderedFile]


class ObserveDocument(Head):
    """A plan as Prometheus rules, alerts and scrape jobs, and a Grafana dashboard."""

    schema: Literal["fmctl.observe/1"]
    inputs: ObserveInputs
    provenance: dict[str, object]
    result: ObserveResult
