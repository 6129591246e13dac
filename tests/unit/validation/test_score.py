"""Scores against cases worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from fmctl.validation.ranking import groups, regret, tau
from fmctl.validation.score import by, covered, errors, half_width, over_families, quantile, relative_error
from fmctl.validation.summary import fits, intervals, order, summary, throughput


def record(predicted: float | None = 100.0, measured: float | None = 100.0, **changed: Any) -> dict[str, Any]:
    head = {
        "id": "a", "source_family": "f", "model": "m", "gpu": "H100", "n_gpus": 8, "framework": "x", "kind": "dense",
        "precision": "bf16", "seq_len": 4096, "global_batch": 8, "parallelism": "tp", "apart": False,
        "states_layout": True, "skipped": None, "measured_oom": None, "fits": True, "layout_key": object(),
        "predicted_peak_memory_bytes": None, "measured_peak_memory_bytes": None,
    }  # fmt: skip
    low, high = (None, None) if predicted is None else (0.8 * predicted, 1.2 * predicted)
    speeds = {
        "predicted_tokens_per_s_per_gpu": predicted,
        "measured_tokens_per_s_per_gpu": measured,
        "interval_low_tokens_per_s_per_gpu": low,
        "interval_high_tokens_per_s_per_gpu": high,
    }
    return head | speeds | changed


def test_kendalls_tau() -> None:
    assert tau([(1, 10), (2, 20), (3, 30)]) == 1.0
    assert tau([(3, 10), (2, 20), (1, 30)]) == -1.0
    assert tau([(1, 10), (3, 20), (2, 30)]) == pytest.approx(1 / 3)  # two of three pairs agree


def test_predicted_ties_count_against_us_and_measured_ties_not_at_all() -> None:
    assert tau([(1, 10), (1, 20)]) == -1.0
    assert tau([(1, 10), (2, 20), (2, 30)]) == pytest.approx(1 / 3)
    assert tau([(1, 10), (2, 10), (3, 30)]) == 1.0
    assert tau([(1, 10), (2, 10)]) is None


def test_regret() -> None:
    assert regret([(1, 10), (2, 20)]) == 0.0
    assert regret([(2, 15), (1, 20)]) == 0.25
    assert regret([(2, 20), (2, 15)]) == 0.25  # a tie is taken at its worst


def test_groups_need_five_layouts_and_leave_out_what_is_apart() -> None:
    five = [record(float(i), float(i)) for i in range(1, 6)]
    assert [(g["layouts"], g["tau"], g["regret"]) for g in groups(five)] == [(5, 1.0, 0.0)]
    assert groups(five[:4]) == []
    assert groups([*five[:4], record(5.0, 5.0, apart=True)]) == []
    assert groups([*five[:4], record(5.0, 5.0, precision="fp8")]) == []


def test_a_layout_that_was_run_twice_counts_once() -> None:
    twice = [record(float(i), m, layout_key=i) for i in range(1, 6) for m in (10.0 * i, 10.0 * i + 1)]
    assert [(g["layouts"], g["tau"]) for g in groups(twice)] == [(5, 1.0)]
    assert order(twice) == {"groups": 1, "mean_tau": 1.0, "mean_regret": 0.0}


def test_errors_of_a_few_rows() -> None:
    rows = [record(90.0), record(110.0), record(130.0), record(None), record(100.0, None)]
    found = errors(rows, "tokens_per_s_per_gpu")
    assert found["rows"] == 3
    assert found["median_error"] == pytest.approx(0.1)
    assert found["median_ratio"] == pytest.approx(1.1)
    assert (found["ratio_p10"], found["ratio_p90"]) == (pytest.approx(0.94), pytest.approx(1.26))
    assert errors([], "tokens_per_s_per_gpu")["median_error"] is None
    assert relative_error(record(100.0, 0.0)) is None


def test_quantile() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([1.0, 2.0], 0.25) == 1.25
    assert quantile([7.0], 0.9) == 7.0


def test_families_weigh_alike_however_many_rows_they_have() -> None:
    rows = [record(110.0)] * 9 + [record(150.0, source_family="g", kind="moe")]
    found = throughput(rows)
    assert found["mean_family_error"] == pytest.approx(0.3)
    assert found["dense_mean_family_error"] == pytest.approx(0.1)
    assert found["moe_mean_family_error"] == pytest.approx(0.5)


def test_runs_set_apart_are_scored_beside_the_others() -> None:
    rows = [record(110.0), record(300.0, apart=True)]
    found = throughput(rows)
    assert found["mean_family_error"] == pytest.approx(0.1)
    assert found["median_error_apart"] == pytest.approx(2.0)
    assert found["mean_family_error_all_rows"] == pytest.approx(1.05)


def test_intervals() -> None:
    assert covered(record(100.0, 81.0)) is True
    assert covered(record(100.0, 121.0)) is False
    assert covered(record(None)) is None
    assert half_width(record()) == pytest.approx(0.2)
    found = intervals([record(), record(100.0, 200.0, source_family="g")])
    assert found["coverage_rows"] == found["coverage_families"] == 0.5
    assert found["moe_half_width"] is None


def test_fits() -> None:
    rows = [
        record(measured_oom=False), record(measured_oom=False, fits=False), record(measured_oom=True, fits=False),
        record(None, None, fits=None),
    ]  # fmt: skip
    found = fits(rows)
    assert (found["fitting_right"], found["oom_right"], found["right"]) == (0.5, 1.0, pytest.approx(2 / 3))
    assert (found["ran"], found["ran_right"]) == (3, pytest.approx(1 / 3))


def test_axes_and_the_whole() -> None:
    rows = [record(), record(gpu="B200"), record(None, None, skipped="why", states_layout=False, fits=None)]
    assert [(g["name"], g["total"], g["skipped"]) for g in by(rows, "gpu")] == [("B200", 1, 0), ("H100", 2, 1)]
    found = summary(rows)
    assert (found["rows"], found["predicted"], found["predicted_share"]) == (3, 2, 1.0)
    assert over_families([], lambda rows: 1.0) is None
