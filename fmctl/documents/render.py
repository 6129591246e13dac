"""What `render` answers: the files and their digest."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fmctl.documents.base import Head, Open


class RenderInputs(Open):
    """What was asked, defaults filled in."""

    plan: str
    plan_digest: str
    rank: int
    cluster: str
    region: str
    purchase: str
    reservation: str | None
    max_hours: float
    idle_minutes: int
    static: bool
    efa: bool


class RenderedFile(Open):
    """One file, whole."""

    name: str
    text: str


class RenderResult(Open):
    """The files of a cluster and its job."""

    cluster: str
    region: str
    model: str
    framework: str
    instance: Annotated[str, Field(description="the plan's instance type")]
    nodes: Annotated[int, Field(description="the plan's nodes")]
    usd_per_h: float | None
    files: list[RenderedFile]
    digest: Annotated[str, Field(description="SHA-256 over names and texts of all files")]


class RenderDocument(Head):
    """A plan as files: ParallelCluster configuration, Slurm batch script, environment."""

    schema_: Literal["fmctl.render/1"] = Field(alias="schema")
    inputs: RenderInputs
    provenance: dict[str, object]
    result: RenderResult
