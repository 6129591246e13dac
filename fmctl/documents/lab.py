"""The local AWS, and the environments that have ParallelCluster."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fmctl.documents.base import Envelope, Open


class Lab(Open):
    """A lab; everything but `running` is null where none runs."""

    running: bool
    endpoint: str | None
    pid: int | None
    port: int | None
    speed: float | None = Field(description="simulated seconds per second, as it was started")
    site: str | None = Field(description="a site file for it")
    log: str | None
    environment: dict[str, str] | None = Field(description="what a shell exports to talk to it")
    seed: dict[str, object] | None = Field(description="what stands in its account from the start")


class LabDocument(Envelope):
    """A local AWS to rehearse on."""

    schema_: Literal["fmctl.lab/1"] = Field(alias="schema")
    result: Lab


class PclusterEnvironment(Open):
    """One place where ParallelCluster is."""

    version: str = Field(description="of aws-parallelcluster, empty where there is none after all")
    origin: str = Field(description="installed, named or path")
    path: str
    python: str | None = Field(description="its interpreter; null for the bare command")
    node: str | None
    node_version: str | None
    works: bool = Field(description="whether its node.js will do")


class Pclusters(Open):
    """All environments, and the version that new clusters get."""

    default_version: str
    environments: list[PclusterEnvironment]


class PclusterDocument(Envelope):
    """Environments that have ParallelCluster."""

    schema_: Literal["fmctl.pcluster/1"] = Field(alias="schema")
    result: Pclusters
