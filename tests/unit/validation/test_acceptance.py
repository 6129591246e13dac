"""Acceptance figures: goals, what they are found from, and the pages that show them."""

from __future__ import annotations

import sys
from math import log
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fmctl.validation.acceptance import Figure, families_off, figures, left_out_records
from fmctl.validation.rows import Row
from fmctl.validation.tables import Scored, Table

sys.path.insert(0, str(Path(__file__).parents[2] / "budget"))

import _acceptance


def record(family: str = "a", predicted: float | None = 110.0, **more: Any) -> dict[str, Any]:
    interval = {"low": None, "high": None} if predicted is None else {"low": predicted / 1.2, "high": predicted * 1.2}
    return {
        "source_family": family, "model": "m", "gpu": "g", "n_gpus": 8, "seq_len": 1, "global_batch": 1,
        "precision": "bf16", "kind": "dense", "apart": False, "skipped": None, "states_layout": True, "layout_key": "x",
        "predicted_tokens_per_s_per_gpu": predicted, "measured_tokens_per_s_per_gpu": 100.0,
        "interval_low_tokens_per_s_per_gpu": interval["low"], "interval_high_tokens_per_s_per_gpu": interval["high"],
        "predicted_peak_memory_bytes": None, "measured_peak_memory_bytes": None, "fits": True, "measured_oom": None,
    } | more  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "found", "met", "goal"),
    [
        (None, 0.11, 0.11, True, "at most 11 %"),
        (None, 0.015, 0.016, False, "at most 1.5 %"),
        (0.97, None, 0.98, True, "at least 97 %"),
        (0.75, 0.88, 0.74, False, "75 to 88 %"),
        (0.75, 0.88, 0.80, True, "75 to 88 %"),
        (None, 0.11, None, False, "at most 11 %"),
    ],
)
def test_goals(low: float | None, high: float | None, found: float | None, met: bool, goal: str) -> None:
    one = Figure("x", low, high, found)
    assert (one.met, one.goal) == (met, goal)


def test_a_plain_number_is_said_as_one() -> None:
    one = Figure("tau", 0.78, None, 0.8456, share=False)
    assert (one.goal, one.said(one.found)) == ("at least 0.78", "0.846")


def test_left_out_records_move_prediction_and_interval() -> None:
    # Left out, the run is predicted at 0.8 of the measured 100 tokens/s; its interval keeps its factor of 1.2.
    rows = [Row(2, {}), Row(3, {})]
    fitted: Any = SimpleNamespace(
        sample=SimpleNamespace(cases=[SimpleNamespace(row=rows[1])]), left_out=np.array([log(0.8)])
    )
    (moved,) = left_out_records(rows, [record("b"), record("a")], fitted)
    assert moved["source_family"] == "a"
    assert moved["predicted_tokens_per_s_per_gpu"] == pytest.approx(80.0)
    assert moved["interval_high_tokens_per_s_per_gpu"] == pytest.approx(96.0)
    assert moved["interval_low_tokens_per_s_per_gpu"] == pytest.approx(80.0 / 1.2)


def test_families_off_worst_first() -> None:
    found = [record("good"), record("bad", 130.0), record("worse", 50.0)]
    assert families_off(found) == [("worse", pytest.approx(0.5)), ("bad", pytest.approx(0.3))]


def table(kind: str, errors: list[float]) -> Scored:
    nothing: Any = None
    one = Table(kind, "", "", "", "", "", ("s",) * len(errors), np.ones(len(errors)), nothing, nothing, None)
    return Scored(one, np.empty(0), np.empty(0), np.array(errors), np.empty(0))


def by_name(listed: list[Figure]) -> dict[str, Figure]:
    return {one.name: one for one in listed}


def test_figures_by_hand() -> None:
    memory = {"predicted_peak_memory_bytes": 102.0, "measured_peak_memory_bytes": 100.0}
    found = [record("simumax/x", **memory), record("torchao/y", 90.0, kind="moe"), record("c", None, skipped="why")]
    listed = by_name(figures(found, found[:2], [table("GEMM", [0.1, -0.2]), table("attention", [0.04])]))
    assert listed["tokens/s, source left out: dense"].found == pytest.approx(0.1)
    assert listed["tokens/s, source left out: MoE"].met
    assert listed["runs with a stated layout predicted"].found == pytest.approx(2 / 3)
    assert listed["peak memory: Megatron, settings stated"].found == pytest.approx(0.02)
    assert not listed["peak memory: Megatron, settings stated"].met
    assert listed["peak memory: FSDP"].found is None
    assert listed["80 % interval holds, source left out: rows"].found == pytest.approx(1.0)
    assert listed["GEMM and attention, shapes left out"].found == pytest.approx(0.1)
    assert listed["collectives across EFA, shapes left out"].found is None


def test_pages() -> None:
    listed = [Figure("one", None, 0.11, 0.10), Figure("two", 0.5, None, None, note="a note")]
    far = _acceptance.off([record("torchao/B200", 200.0), record("somebody", 200.0)])
    assert far == [("somebody", "100%", "NOT explained"), ("torchao/B200", "100%", "explained")]
    said = _acceptance.text(listed, far)
    assert "1 of 2 met" in said
    assert "at least 50 %        -  no  a note" in said
    page = _acceptance.markdown(listed, [])
    assert "| one | at most 11 % | 10 % | yes | |" in page
    assert page.endswith("left out: none.")
