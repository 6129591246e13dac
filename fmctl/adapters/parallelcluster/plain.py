"""Environments of ParallelCluster as plain data, for whoever shows or installs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fmctl.adapters.parallelcluster import environments as places
from fmctl.domain.cluster import PCLUSTER_VERSION


def install(version: str | None, say: Callable[[str], None]) -> places.Described:
    """Make one for a version; the usual one by default. Raises OperationFailed, UsageError."""
    return places.described(places.install(version or PCLUSTER_VERSION, say))


def environments(named: str | None) -> Sequence[places.Described]:
    """All that there are."""
    return [places.described(one) for one in places.environments(named)]
