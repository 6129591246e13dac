"""A row of a plan, promtool and Prometheus where they are installed; sockets are open to 127.0.0.1 alone."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.loopback import loopback_open

# A 70B model on 16 nodes of 8 H100, as `plan` writes a row; what nothing here reads is left out.
ROW: dict[str, Any] = {
    "model": "llama-3.1-70b",
    "instance": "p5.48xlarge",
    "nodes": 16,
    "gpus": 128,
    "time": {"step_s": 28.287, "step_low_s": 24.644, "step_high_s": 32.469},
    "run": {"tokens_per_s": 148276.4},
    "flop": {"mfu": 0.5259},
    "memory": {"used_bytes": 74257716806.7, "device_bytes": 85899345920},
    "energy": {"power_w": 143016.9},
    "cost": {"usd_per_h": 880.64},
    "whole_run": {"save_interval_s": 3514.6, "save_stall_s": 4.8, "save_drain_s": 1097.6, "blocks": []},
}
BLOCK = {
    "start": "2027-01-05T11:30:00+00:00",
    "end": "2027-01-19T11:30:00+00:00",
    "save_by": "2027-01-19T10:20:00+00:00",
}


@pytest.fixture
def row() -> dict[str, Any]:
    """A row of one's own to change."""
    return copy.deepcopy(ROW)


@pytest.fixture(scope="module", autouse=True)
def open_loopback(closed_sockets: None) -> Iterator[None]:
    """127.0.0.1 can be reached from here, nothing else."""
    with loopback_open():
        yield


@pytest.fixture(scope="session")
def promtool() -> str:
    """Where promtool is; a test that asks has the marker `real("prometheus")`."""
    return str(shutil.which("promtool"))


@pytest.fixture(scope="session")
def prometheus() -> str:
    """Where Prometheus is; a test that asks has the marker `real("prometheus")`."""
    return str(shutil.which("prometheus"))
