"""Finish times and spare nodes against a simulation, and the simulation against one written step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmctl.perf.run import spares
from fmctl.perf.run.finish import finish_s, given_rate_s, mean_s, step_sigma, unbroken_s, variance_s2
from fmctl.perf.run.goodput import Process
from tests.unit.perf import simulation
from tests.unit.perf.processes import numbers, row

A = np.asarray


def step_by_step_s(p: Process, work_s: float, rng: np.random.Generator) -> float:
    """Wall time of one run, event by event, in plain Python: nothing here knows a formula."""
    now, durable, left_until = 0.0, 0.0, rng.exponential(p.mtbf_s)
    while True:
        done, pending = durable, []  # saves on their way: (when durable, how much)
        while done < work_s:
            part = min(float(p.interval_s), work_s - done)
            now += part + float(p.stall_s)
            done += part
            pending.append((now + float(p.drain_s), done))
        if pending[-1][0] <= left_until:
            return pending[-1][0]
        durable = max([durable, *(amount for when, amount in pending if when <= left_until)])
        now = left_until
        while True:  # recoveries that are themselves interrupted start again
            left_until = now + rng.exponential(p.mtbf_s)
            if left_until - now >= p.recovery_s:
                now += float(p.recovery_s)
                break
            now = left_until


@pytest.mark.parametrize(
    "p", [numbers(300, 20, 100, 2500, 400), numbers(900, 60, 0, 20_000, 600), numbers(200, 5, 200, 1200, 300)]
)
def test_the_simulation_is_the_process_played_step_by_step(p: Process) -> None:
    rng, work = np.random.default_rng(3), 8050.0
    literal = np.array([step_by_step_s(p, work, rng) for _ in range(3000)])
    played = simulation.simulated_finish_s(p, A(work), 30_000, 4)
    spread = literal.std() / np.sqrt(len(literal))
    assert abs(literal.mean() - played.mean()) < 4.0 * spread
    assert np.percentile(played, (10, 50, 90)) == pytest.approx(np.percentile(literal, (10, 50, 90)), rel=0.04)


FINISH = [
    # A large job for 54 days, a small one that hardly fails, one that fails a few times, one in trouble, unknown rates.
    (numbers(300, 3, 60, 11_000, 400), 54.0, 3.0, 0.1),
    (numbers(3000, 30, 0, 3e6, 900), 10.0, 3.0, 0.0),
    (numbers(3000, 30, 300, 3e5, 900), 10.0, 1e9, 0.0),
    (numbers(400, 30, 100, 5e3, 400), 10.0, 3.0, 0.1),
    (numbers(400, 30, 100, 2e3, 600), 3.0, 1e9, 0.0),
    (numbers(1400, 30, 100, 1e5, 600), 30.0, 1.5, 0.1),
]


@pytest.mark.parametrize(("p", "days", "shape", "sigma"), FINISH)
def test_finish_percentiles_are_those_of_the_simulation(p: Process, days: float, shape: float, sigma: float) -> None:
    rng, replicas, work = np.random.default_rng(21), 8000, days * 86400.0
    drawn = replace(p, mtbf_s=p.mtbf_s / rng.gamma(shape, 1.0 / shape, replicas))
    works = work * np.exp(sigma * rng.standard_normal(replicas))
    played = simulation.simulated_finish_s(drawn, works, replicas, rng)
    closed = finish_s(p, A(work), A(shape), A(sigma), (10.0, 50.0, 90.0))
    assert closed == pytest.approx(np.percentile(played, (10.0, 50.0, 90.0)), rel=0.02)


def test_moments_of_the_finish_are_those_of_the_simulation() -> None:
    p, work = numbers(400, 30, 100, 5e3, 400), A(20 * 86400.0)
    played = simulation.simulated_finish_s(p, work, 20_000, 8)
    assert mean_s(p, work) == pytest.approx(played.mean(), rel=2e-3)
    assert np.sqrt(variance_s2(p, work)) == pytest.approx(played.std(), rel=0.03)
    # Both branches of the variance meet.
    edges = [float(variance_s2(numbers(0.99 * x, 0.01 * x, 0, 1.0, 0), A(1.0))) / x for x in (0.99999e-3, 1.00001e-3)]
    assert edges[0] == pytest.approx(edges[1], rel=1e-4)


def test_a_run_without_failures_ends_when_its_last_save_is_durable() -> None:
    p = numbers(90, 10, 20, 1e15, 50)
    assert unbroken_s(p, A(900.0)) == 1020.0
    assert simulation.simulated_finish_s(p, A(900.0), 3, 1) == pytest.approx([1020.0] * 3)
    assert given_rate_s(p, A(900.0), A(0.0)) == pytest.approx(1020.0)
    # Only the step time is uncertain: its own 80 % interval comes out.
    sigma = step_sigma(A(0.8), A(1.25))
    assert finish_s(p, A(9e6), A(3.0), sigma, (10.0, 90.0)) == pytest.approx([1e7 * 0.8, 1e7 * 1.25], rel=0.005)


def test_the_same_seed_gives_the_same_run() -> None:
    p = numbers(400, 30, 100, 5e3, 400)
    first, again, other = (simulation.simulated_finish_s(p, A(1e6), 10, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


SPARES = [(600.0, 5e3), (1050.0, 5e3), (3600.0, 5e3), (1050.0, 11e3), (14_400.0, 11_300.0), (3600.0, 1e5)]


@pytest.mark.parametrize(("replacement", "mtbf"), SPARES)
def test_the_value_of_spares_is_that_of_the_simulation(replacement: float, mtbf: float) -> None:
    p = Process(*(np.full(300, part) for part in (300.0, 3.0, 60.0, mtbf, 400.0)))
    closed = spares.value(row(p, 0), A(replacement), A(2048.0), A(np.nan)).goodput
    for k in range(3):
        played = simulation.simulated_spares(p, A(replacement), k, 1000, 6).mean()
        assert closed[k] == pytest.approx(played, abs=0.01), k


def test_spares_by_hand() -> None:
    # rho = 0.5: none under replacement e^-0.5 = 0.60653, none or one 1.5 e^-0.5 = 0.90980.
    assert spares.none_left(A(0.5))[:3] == pytest.approx([1.0, 1.0 - 0.60653, 1.0 - 0.90980], abs=1e-5)
    p = numbers(300, 3, 60, 11e3, 400)
    found = spares.value(p, A(1050.0), A(2048.0), A(50.0))
    assert found.goodput[0] == pytest.approx(0.870, abs=0.001)  # every other failure waits for an instance to boot
    assert found.goodput[1] == pytest.approx(0.934, abs=0.001)
    assert (np.diff(found.goodput) >= 0.0).all()
    assert found.best == 2
    assert found.usd_per_h == pytest.approx(50.0 * found.node_h)
    assert found.node_h[1] == pytest.approx(2049 / found.goodput[1])
    # Two nodes: another idle one costs half as much again.
    assert spares.value(p, A(1050.0), A(2.0), A(50.0)).best == 0
    unknown = spares.value(p, A(1050.0), A(2048.0), A(np.nan))
    assert np.isnan(unknown.usd_per_h).all()
    assert unknown.best == 2
