"""The local AWS, and environments of ParallelCluster. Made of `fmctl.documents.lab` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Envelope


class Lab(TypedDict):
    """A lab."""

    running: bool
    endpoint: str | None
    pid: int | None
    port: int | None
    speed: float | None
    site: str | None
    log: str | None
    environment: dict[str, str] | None
    seed: dict[str, object] | None


class LabDocument(Envelope):
    """A local AWS to rehearse on."""

    schema: Literal["fmctl.lab/1"]
    result: Lab


class PclusterEnvironment(TypedDict):
    """One place where ParallelCluster is."""

    version: str
    origin: str
    path: str
    python: str | None
    node: str | None
    node_version: str | None
    works: bool


class Pclusters(TypedDict):
    """All environments, and the version that new clusters get."""

    default_version: str
    environments: list[PclusterEnvironment]


class PclusterDocument(Envelope):
    """Environments that have ParallelCluster."""

    schema: Literal["fmctl.pcluster/1"]
    result: Pclusters
