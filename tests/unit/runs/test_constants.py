"""Every constant of whole runs, stated again by hand; a new one is asked for here."""

from __future__ import annotations

from typing import Any

import pytest

from fmctl.runs import whole
from tests.unit.constants import constants, defaults, others

CONSTANTS: dict[str, tuple[Any, str]] = {
    "runs.levers.PRICE_CUT": (0.1, "nodes 10 % cheaper"),
    "runs.levers.FASTER": (1.1, "kernels 10 % faster"),
    "runs.levers.WIDER": (1.25, "EFA 25 % wider"),
    "runs.levers._DAY_S": (86_400.0, "definition"),
    "runs.trained.PERCENTILES": ((10.0, 50.0, 90.0), "an 80 % interval and its middle"),
    "runs.trained.HOUR_S": (3600.0, "definition"),
    "runs.trained._DAY_S": (86_400.0, "definition"),
    "runs.whole._SLACK": (1.01, "log-log interpolation on the grid is within 1 %"),
}


def test_every_constant_is_what_its_source_says() -> None:
    assert others(constants("fmctl.runs"), {name: value for name, (value, _) in CONSTANTS.items()}) == {}
    assert others(defaults("fmctl.runs"), {}) == {}


def test_steps_that_are_tried_for_targets() -> None:
    """From a hundredth of a second to almost three hours, 48 of them, each the same ratio above the one before."""
    steps = whole._GRID
    assert (len(steps), steps[0], steps[-1]) == (48, pytest.approx(0.01), pytest.approx(10_000.0))
    assert steps[1:] / steps[:-1] == pytest.approx([10.0 ** (6.0 / 47.0)] * 47)
