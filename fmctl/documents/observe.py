"""What `observe render` answers: the alerts and the files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fmctl.documents.base import Head, Open
from fmctl.documents.render import RenderedFile


class ObserveInputs(Open):
    """What was asked, defaults filled in."""

    plan: str
    rank: int
    cluster: str
    run: Annotated[str | None, Field(description="label `run` of the job's metrics; null for any")]
    cap_usd: float | None
    efa_devices: Annotated[int | None, Field(description="of a node; null where not known")]


class AlertRule(Open):
    """One alert."""

    name: str
    severity: Literal["critical", "warning", "info"]
    component: str
    wait_s: Annotated[float, Field(description="how long it has to hold")]
    expression: Annotated[str, Field(description="PromQL")]
    summary: Annotated[str, Field(description="as an annotation template of Prometheus")]
    next: Annotated[str, Field(description="what to do")]


class ObserveResult(Open):
    """The alerts of a cluster, and the files for Prometheus and Grafana."""

    cluster: str
    model: str
    nodes: int
    gpus: int
    alerts: list[AlertRule]
    files: list[RenderedFile]


class ObserveDocument(Head):
    """A plan as Prometheus rules, alerts and scrape jobs, and a Grafana dashboard."""

    schema_: Literal["fmctl.observe/1"] = Field(alias="schema")
    inputs: ObserveInputs
    provenance: dict[str, object]
    result: ObserveResult
