"""A cluster as files. Made of `fmctl.documents.render` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Head


class RenderInputs(TypedDict):
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


class RenderedFile(TypedDict):
    """One file, whole."""

    name: str
    text: str


class RenderResult(TypedDict):
    """The files of a cluster and its job."""

    cluster: str
    region: str
    model: str
    framework: str
    instance: str
    nodes: int
    usd_per_h: float | None
    files: list[RenderedFile]
    digest: str


class RenderDocument(Head):
    """A plan as files: ParallelCluster configuration, Slurm batch script, environment."""

    schema: Literal["fmctl.render/1"]
    inputs: RenderInputs
    provenance: dict[str, object]
    result: RenderResult
