"""What is asked of ParallelCluster itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fmctl.domain.ports import Finding, Resource


class Pcluster(Protocol):
    """The real ParallelCluster, of one version. `config` is the YAML text."""

    @property
    def version(self) -> str:
        """Its version, e.g. 3.16.1."""
        ...

    def validate(self, name: str, config: str, region: str) -> tuple[Finding, ...]:
        """All findings of a dry run; without an ERROR among them the creation would be accepted."""
        ...

    def synth(self, name: str, config: str, region: str) -> tuple[Resource, ...]:
        """Every resource of the templates that a creation would hand to CloudFormation."""
        ...

    def create(self, name: str, config: str, region: str) -> None:
        """Start the creation, without rollback on failure. Raises OperationFailed where the name is taken."""
        ...

    def update(self, name: str, config: str, region: str) -> None:
        """Start an update."""
        ...

    def stop_fleet(self, name: str, region: str) -> None:
        """Ask the compute fleet to stop."""
        ...

    def delete(self, name: str, region: str) -> None:
        """Start the deletion; a cluster that is gone is no error."""
        ...

    def describe(self, name: str, region: str) -> Mapping[str, object] | None:
        """`describe-cluster` as JSON, with `failures`; None where there is none."""
        ...

    def close(self) -> None:
        """End the worker process."""
        ...
