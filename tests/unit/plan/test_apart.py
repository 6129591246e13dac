"""Rows that the model cannot tell apart: the resolution on one instance type, the interval between types."""

from __future__ import annotations

from math import exp, log
from types import SimpleNamespace
from typing import Any

import pytest

from fmctl.plan.apart import differ, threshold, told_apart
from fmctl.plan.training import TRAINING


def row(on: str, rate: float, usd: float | None = 1.0, half: float = 0.2, resolution: float = 0.1) -> Any:
    terms = {"tokens_per_s": rate, "tokens_per_s_per_gpu": rate / 8, "step_s": 2.0, "step_high_s": 2.0 * (1 + half)}
    instance = SimpleNamespace(name=on)
    return SimpleNamespace(
        terms=terms, instance=instance, usd_per_billion_tokens=usd, resolution=resolution, whole=None
    )


def test_one_instance_type_is_held_to_the_resolution() -> None:
    assert threshold(True, (0.1, 0.1), (0.2, 0.3)) == 0.1


def test_two_instance_types_are_held_to_the_wider_interval() -> None:
    assert threshold(False, (0.1, 0.1), (0.2, 0.3)) == pytest.approx(log(1.3))


def test_differences_are_ratios() -> None:
    assert not differ(100.0, 100.0 * exp(0.099), 0.1)
    assert differ(100.0, 100.0 * exp(0.101), 0.1)
    assert differ(100.0, 100.0 * exp(-0.101), 0.1)


def test_told_apart_by_hand() -> None:
    # On one type 10 % (log 0.1) decides: 95 tokens/s is alike, 85 is not. On another 20 % does: 85 is alike, 80 is not.
    rows = [row("p5", 100.0), row("p5", 95.0), row("p5", 85.0), row("p6", 85.0), row("p6", 80.0)]
    assert told_apart(TRAINING, rows, "time") == (None, False, True, False, True)
    assert told_apart(TRAINING, rows, "throughput") == (None, False, True, False, True)
    assert told_apart(TRAINING, rows, "cost") == (None, False, False, False, False)


def test_a_price_that_is_not_known_tells_nothing() -> None:
    rows = [row("p5", 100.0, 1.0), row("p5", 100.0, 2.0), row("p6", 100.0, None)]
    assert told_apart(TRAINING, rows, "cost") == (None, True, None)
    assert told_apart(TRAINING, [row("p6", 100.0, None), rows[0]], "cost") == (None, None)
    assert told_apart(TRAINING, [], "cost") == ()
