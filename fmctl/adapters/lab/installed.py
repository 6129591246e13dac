"""What the lab's clusters are made with, where it is installed."""

from __future__ import annotations

from fmctl.adapters.parallelcluster.environments import NAMED, python_of
from fmctl.domain.cluster import PCLUSTER_VERSION


def installed() -> dict[str, str]:
    """Variables that name what the user has installed; empty where it is not there."""
    python = python_of(PCLUSTER_VERSION)
    return {} if python is None else {NAMED: str(python)}
