"""Node power against every logged training row that the model can express, each by name; carbon and water by hand."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.catalog import find_grid, grids, load_instance
from fmctl.domain.layout import Layout
from fmctl.perf.run import energy
from fmctl.perf.run.carbon import FLEET_PUE, Range, footprint, kwh, spread, tonnes
from fmctl.perf.run.energy import AIR, IMMERSION, SUPPLY_EFFICIENCY, Levels, busy_w, idle_w, nameplate_w, step_power_w
from fmctl.validation.predict import Prediction, predict, prepare
from fmctl.validation.rows import SHIPPED, Row, read_rows
from tests.unit.perf.helpers import instance, run
from tests.unit.perf.strategies import INSTANCES

A = np.asarray
DGX_H100_W = 10_200.0
with (Path(__file__).parents[2] / "data" / "energy.csv").open(encoding="utf-8", newline="") as _file:
    ROWS = {r["id"]: r for r in csv.DictReader(_file)}
# What a benchmark run spends before its first step and between steps, at idle power: see the test of that name.
STARTING_S = 36.0
EXPRESSED = [f"smc-{run}-{side}" for run in ("lora-1", "lora-8", "lora-64", "gpt3-64") for side in ("ac", "dc")]
EXPRESSED.append("dell-lora-8-ac")


def power(row: str) -> float:
    return float(ROWS[row]["value_w"])


@cache
def terms() -> dict[str, dict[str, float]]:
    """Terms of the logged runs from the layouts of the same benchmark (LoRA: Dell's) and model (GPT-3: NeMo's)."""
    rows = {r.id: r for r in read_rows(SHIPPED)}
    eight = rows["mlperf-v4-1-0005"]
    wide = Row(0, dict(eight.cells) | {"n_gpus": "512", "dp": "64", "global_batch": "64", "id": "lora-512"})
    found = [rows["mlperf-v4-0-0002"], eight, wide, rows["nemo-24-07-0004"]]
    answers = [p for p in predict(prepare(found)) if isinstance(p, Prediction)]
    return {name: dict(p.terms) for name, p in zip(("lora-1", "lora-8", "lora-64", "gpt3-64"), answers, strict=True)}


def predicted_w(row: str) -> float:
    """Power while steps run, of one node, as the row counts it."""
    maker, workload, nodes, side = row.split("-")[:4]
    of_run = {name: A(value) for name, value in terms()[f"{workload}-{nodes}"].items()}
    levels = AIR if maker == "dell" else IMMERSION
    compute, memory, exposed = energy.states_s(of_run)
    watts = busy_w(DGX_H100_W, compute, memory, exposed, of_run["step_s"], levels)
    return float(watts) * (SUPPLY_EFFICIENCY if side == "dc" else 1.0)


@pytest.mark.parametrize("row", EXPRESSED)
def test_mean_power_of_a_logged_run(row: str) -> None:
    # 9 rows: four runs on both sides of the power supplies, and one in air.
    levels = AIR if row.startswith("dell") else IMMERSION
    waiting = idle_w(DGX_H100_W, levels) * (SUPPLY_EFFICIENCY if row.endswith("dc") else 1.0)
    share = STARTING_S / float(ROWS[f"{row}-mean"]["run_s"])
    whole = energy.run_power_w(A(predicted_w(row)), A(waiting), A(share))
    assert whole == pytest.approx(power(f"{row}-mean"), rel=0.15)


@pytest.mark.parametrize("row", ["smc-lora-1-ac", "smc-lora-1-dc", "smc-gpt3-64-ac", "smc-gpt3-64-dc"])
def test_long_runs_need_no_allowance_for_their_start(row: str) -> None:
    assert predicted_w(row) == pytest.approx(power(f"{row}-mean"), rel=0.03)


def test_median_readings_of_all_but_one_run() -> None:
    # A median reading is the power while steps run, if most of the run is that.
    outside = {r for r in EXPRESSED if predicted_w(r) != pytest.approx(power(f"{r}-median"), rel=0.15)}
    assert outside == {"smc-lora-64-ac"}  # 15.3 % above: a run of 117 s
    low, high = energy.power_ends("hopper")
    ratios = {r: power(f"{r}-{stat}") / predicted_w(r) for r in EXPRESSED for stat in ("median",)}
    assert sum(low <= ratio <= high for ratio in ratios.values()) >= 0.8 * len(ratios)


@pytest.mark.parametrize("stat", ["mean", "median"])
@pytest.mark.parametrize("side", ["ac", "dc"])
@pytest.mark.parametrize("workload", ["bert", "dlrm", "resnet", "ssd", "unet3d"])
def test_one_busy_node_draws_the_same_whatever_it_computes(workload: str, side: str, stat: str) -> None:
    # No layout stands behind these 20 rows: between all memory-bound and all compute, both ends within 15 %.
    row = power(f"smc-{workload}-1-{side}-{stat}")
    for level in (IMMERSION.compute, IMMERSION.memory_bound):
        assert DGX_H100_W * level * (SUPPLY_EFFICIENCY if side == "dc" else 1.0) == pytest.approx(row, rel=0.15)


def test_levels_are_those_of_the_rows() -> None:
    assert DGX_H100_W * IMMERSION.memory_bound == pytest.approx(power("smc-dlrm-1-ac-mean"), rel=1e-3)
    assert DGX_H100_W * IMMERSION.idle == pytest.approx(power("smc-all-1-ac-lowest"))
    assert idle_w(DGX_H100_W, AIR) == pytest.approx(power("dell-all-8-ac-lowest"), rel=0.05)
    assert pytest.approx(power("smc-lora-1-dc-median") / power("smc-lora-1-ac-median")) == SUPPLY_EFFICIENCY
    ratios = [power(f"dell-lora-8-ac-{stat}") / power(f"smc-lora-8-ac-{stat}") for stat in ("mean", "median")]
    assert np.sqrt(np.prod(ratios)) == pytest.approx(energy.AIR_OVER_IMMERSION, rel=1e-3)
    assert 0.0 < AIR.idle < AIR.communication < AIR.memory_bound < AIR.compute < 1.0


LONG = ("lora-1", "gpt3-64")


def refitted(communication: float) -> Levels:
    """Levels whose compute meets the two long runs best, communication lying that far from idle (0) to compute (1)."""
    idle, memory = IMMERSION.idle, IMMERSION.memory_bound
    candidates = [Levels(c, memory, idle + communication * (c - idle), idle) for c in np.arange(0.66, 0.80, 1e-5)]

    def bias(levels: Levels) -> float:
        return float(sum(np.log(of_levels(name, levels) / power(f"smc-{name}-ac-mean")) for name in LONG))

    return min(candidates[:: len(candidates) // 2000], key=lambda levels: abs(bias(levels)))


def of_levels(name: str, levels: Levels) -> float:
    of_run = {key: A(value) for key, value in terms()[name].items()}
    return float(busy_w(DGX_H100_W, *energy.states_s(of_run), of_run["step_s"], levels))


def test_compute_is_what_meets_the_long_runs_and_communication_is_not_seen() -> None:
    assert refitted(0.5).compute == pytest.approx(IMMERSION.compute, rel=2e-4)
    for name in terms():
        here = of_levels(name, IMMERSION)
        assert [of_levels(name, refitted(end)) for end in (0.0, 1.0)] == pytest.approx([here, here], rel=4e-3)


def test_what_a_benchmark_run_waits_is_the_middle_of_seven() -> None:
    # Mean reading = median - share x (median - idle), for each llama2_70b_lora run: 24-51 s.
    found = []
    for row in EXPRESSED:
        maker, workload, nodes, side = row.split("-")
        if workload == "lora":
            mean, median = power(f"{row}-mean"), power(f"{row}-median")
            idle = power(f"{maker}-all-{nodes}-{side}-lowest")
            found.append(float(ROWS[f"{row}-mean"]["run_s"]) * (median - mean) / (median - idle))
    assert len(found) == 7
    assert np.median(found) == pytest.approx(STARTING_S, abs=1.0)
    assert (min(found), max(found)) == pytest.approx((24.0, 51.0), abs=2.0)


def test_power_of_a_step_by_hand() -> None:
    levels = Levels(0.9, 0.8, 0.5, 0.2)
    # 6 s compute, 2 s memory-bound, 1 s exposed, 1 s idle: 0.54 + 0.16 + 0.05 + 0.02 = 0.77.
    assert busy_w(1000.0, A(6.0), A(2.0), A(1.0), A(10.0), levels) == pytest.approx(770.0)
    assert energy.run_power_w(A(770.0), A(200.0), A(0.1)) == pytest.approx(713.0)
    assert nameplate_w(load_instance("p5.48xlarge")) == power("nameplate-dgx-h100")


@pytest.mark.parametrize("name", INSTANCES)
def test_a_busy_node_draws_less_than_its_nameplate_and_more_than_idle(name: str) -> None:
    most = nameplate_w(load_instance(name))
    whole = busy_w(most, A(1.0), A(0.0), A(0.0), A(1.0))
    low, high = energy.power_ends(load_instance(name).accelerator.architecture)
    assert idle_w(most) < low * whole < whole < high * whole <= most * 1.001


def test_power_of_a_plan_follows_its_terms() -> None:
    found = run("llama-3.1-8b", "p5.48xlarge", [Layout(tp=1, dp=16), Layout(tp=8, dp=2), Layout(tp=2, pp=4, dp=2)])
    watts = step_power_w(instance("p5.48xlarge"), found)
    assert watts.shape == (3,)
    assert watts[0] > watts[2]  # less exposed communication, no bubble
    assert (idle_w(DGX_H100_W) < watts).all()
    assert (watts < DGX_H100_W).all()
    one = run("llama-3.1-8b", "p5.48xlarge", [Layout(tp=8, dp=2)])
    assert step_power_w(instance("p5.48xlarge"), one)[0] == watts[1]


@given(st.lists(st.floats(0.001, 10.0), min_size=4, max_size=4), st.floats(1.0, 3.0))
def test_more_time_idle_draws_less(parts: list[float], more: float) -> None:
    compute, memory, exposed, idle = (A(part) for part in parts)
    busy = compute + memory + exposed
    here = busy_w(1.0, compute, memory, exposed, busy + idle)
    assert AIR.idle <= here <= AIR.compute
    assert busy_w(1.0, compute, memory, exposed, busy + idle * more) <= here * (1 + 1e-12)
    assert busy_w(1.0, compute * more, memory, exposed, busy + idle + compute * (more - 1.0)) >= here * (1 - 1e-12)


def exact(value: float) -> Range:
    return Range(A(value), A(value), A(value))


def test_a_footprint_by_hand() -> None:
    # 100 kW for 36,000 s: 1,000 kWh; Virginia 2024: PUE 1.15, 396.25 g average, 557.17 g marginal, 0.12 l per kWh.
    print_ = footprint(exact(100e3), exact(36_000.0), find_grid("us-east-1"))
    assert print_.it_kwh.value == 1000.0
    assert print_.kwh.value == pytest.approx(1150.0)
    assert print_.average_t.value == pytest.approx(0.4556875)
    assert print_.marginal_t == pytest.approx(0.6407455)
    assert print_.water_l == pytest.approx(120.0)
    assert not print_.pue_assumed
    # Only the grid is uncertain: 379.069 to 442.26 g.
    assert (print_.average_t.low, print_.average_t.high) == pytest.approx((1.15 * 0.379069, 1.15 * 0.44226))
    assert (print_.kwh.low, print_.kwh.high) == (print_.kwh.value, print_.kwh.value)
    assert kwh(A(3.6e6), A(2.0)) == 2.0
    assert tonnes(A(2e6), 500.0) == 1000.0


def test_intervals_add_as_independent_errors() -> None:
    # ln 0.8 and ln 0.9 below: e^-sqrt(0.2231^2 + 0.1054^2) = 0.7813.
    both = spread(A(10.0), (0.8, 1.1), (0.9, 1.2))
    assert both.low == pytest.approx(7.813, rel=1e-3)
    assert both.high == pytest.approx(10.0 * np.exp(np.hypot(np.log(1.1), np.log(1.2))))
    many = spread(A([1.0, 10.0]), (A([0.9, 0.8]), A([1.0, 1.1])), (0.9, 1.2))
    assert many.low[1] == both.low
    assert many.high[0] == pytest.approx(1.2)


def test_what_is_not_published_is_unknown() -> None:
    nowhere = find_grid("us-east-1-dfw-2a")  # a Local Zone hangs on another grid than its region
    print_ = footprint(exact(100e3), exact(36_000.0), nowhere)
    assert "no figures" in nowhere.note
    assert print_.kwh.value == pytest.approx(1000.0 * FLEET_PUE)
    assert print_.pue_assumed
    for part in (print_.average_t.value, print_.average_t.low, print_.marginal_t, print_.water_l):
        assert np.isnan(part)
    beijing = find_grid("cn-north-1")  # its marginal intensity is published, its average is not
    assert beijing.average_g_per_kwh is None
    assert beijing.marginal_g_per_kwh == 843.63
    assert "537.4" in beijing.note


def test_every_grid_names_its_source_and_is_in_order() -> None:
    assert len(grids()) == 33
    for grid in grids().values():
        assert grid.source
        assert grid.year in ("2023", "2024")
        assert grid.pue is None or 1.0 < grid.pue < 1.6
        if grid.average_g_per_kwh is not None:
            assert grid.average_low_g_per_kwh is not None
            assert grid.average_high_g_per_kwh is not None
            assert grid.average_low_g_per_kwh <= grid.average_g_per_kwh <= grid.average_high_g_per_kwh
