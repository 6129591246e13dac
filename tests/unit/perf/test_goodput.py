"""Goodput and the best interval against a simulation of the same process, and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.domain.result import FloatArray
from fmctl.perf.run import spares
from fmctl.perf.run.finish import finish_s, mean_s, unbroken_s, variance_s2
from fmctl.perf.run.goodput import (
    Process,
    best_interval_s,
    best_process,
    goodput,
    goodput_interval,
    lost_work_s,
    mtbf_s,
    trained_s,
    waiting_share,
    young_interval_s,
)
from fmctl.perf.run.recovery import MANUAL_S, Recovery, restart_s
from fmctl.perf.run.reliability import Rate, interruption_rate, rate_of
from fmctl.perf.store.checkpoint import checkpoint_bytes
from tests.unit.perf import simulation
from tests.unit.perf.helpers import model
from tests.unit.perf.processes import CASES, cases, numbers, row, tall
from tests.unit.perf.test_reliability import fact

A = np.asarray


def daly_interval_s(stall_s: FloatArray, mtbf_s: FloatArray) -> FloatArray:
    """Higher-order best interval: sqrt(2 s M) (1 + y / 3 + y^2 / 9) - s with y = sqrt(s / 2M), M from s = 2 M on; s.

    Source: Daly 2006 equation 37. Valid: s below 2 M.
    """
    y = np.sqrt(stall_s / (2.0 * mtbf_s))
    series = np.sqrt(2.0 * stall_s * mtbf_s) * (1.0 + y / 3.0 + y * y / 9.0) - stall_s
    return np.asarray(np.where(stall_s < 2.0 * mtbf_s, series, mtbf_s))


def test_goodput_is_that_of_the_simulation_on_a_thousand_cases() -> None:
    p = cases()
    share = goodput(p)
    simulated = np.zeros(CASES)
    chunks = 4
    for seed in range(chunks):
        uptimes = simulation.generator(seed).exponential(size=(CASES, 10_000))
        simulated += simulation.simulated_goodput(tall(p), uptimes) / chunks
    assert np.abs(share - simulated).max() < 0.01
    assert abs((share - simulated).mean()) < 5e-4
    assert share.min() < 0.05
    assert share.max() > 0.99


def test_the_chosen_interval_costs_at_most_a_thousandth_more_than_the_simulated_best() -> None:
    p = cases(12)
    best = best_interval_s(p.stall_s, A(0.0), p.mtbf_s)
    p = replace(p, drain_s=np.minimum(p.drain_s, best / 2.0), interval_s=best)
    # The same failures for every interval, one drawn from each 20,000th part of the distribution: sharp differences.
    parts = 20_000
    uptimes = -np.log1p(-(np.arange(parts) + simulation.generator(5).random(parts)) / parts)
    chosen = simulation.simulated_goodput(tall(p), uptimes)
    others = np.stack(
        [
            simulation.simulated_goodput(tall(replace(p, interval_s=best * factor)), uptimes)
            for factor in (0.6, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25, 1.6)
        ]
    )
    assert (others.max(axis=0) / chosen - 1.0).max() < 0.001
    assert (others.min(axis=0) / chosen - 1.0).min() < -0.05


def test_the_chosen_interval_is_the_numeric_optimum() -> None:
    p = cases(13)
    best = best_process(p.stall_s, A(0.0), p.mtbf_s, p.recovery_s)
    factors = np.exp(np.linspace(-0.5, 0.5, 201))
    around = np.stack([goodput(replace(best, interval_s=best.interval_s * f)) for f in factors])
    assert (around.max(axis=0) <= goodput(best) * (1.0 + 1e-12)).all()
    assert (np.abs(around.argmax(axis=0) - 100) <= 1).all()


def test_goodput_by_hand() -> None:
    # tau 90, s 10, M 1000, R 50, d 20: 0.09 e^-0.07 / (e^0.1 - 1) = 0.09 x 0.932394 / 0.105171 = 0.79790.
    assert goodput(numbers(90, 10, 20, 1000, 50)) == pytest.approx(0.79790, rel=1e-5)
    # Nothing fails: only the stalls cost.
    assert goodput(numbers(90, 10, 20, 1e15, 50)) == pytest.approx(0.9)
    # Rare failures fall evenly on a cycle of 1,000 s: begun 990 (1 - 0.495), not yet durable 20 x 0.99.
    assert lost_work_s(numbers(990, 10, 20, 1e7, 50)) == pytest.approx(499.95 + 19.8, rel=1e-4)


def test_intervals_by_hand() -> None:
    # s 60, M 36,000: Young sqrt(2 x 60 x 36,000) = 2078.46; Daly y = sqrt(60 / 72,000) = 0.0288675: x 1.009715 - 60.
    assert young_interval_s(A(60.0), A(36e3)) == pytest.approx(2078.461, rel=1e-6)
    assert daly_interval_s(A(60.0), A(36e3)) == pytest.approx(2078.461 * 1.0097151 - 60.0, rel=1e-6)
    assert best_interval_s(A(60.0), A(0.0), A(36e3)) == pytest.approx(daly_interval_s(A(60.0), A(36e3)), rel=1e-4)
    assert daly_interval_s(A(100.0), A(40.0)) == 40.0
    # The drain is a floor, also where a save does not stall at all.
    assert best_interval_s(A(60.0), A(5000.0), A(36e3)) == 5000.0
    assert best_interval_s(A(0.0), A(120.0), A(36e3)) == 120.0


def test_llama_3_trains_more_than_nine_tenths_of_the_time_when_restarts_are_automatic() -> None:
    gpus = A(16384.0)
    rate = interruption_rate("hopper", gpus, gpus / 8.0, A(365.0), A(54.0))
    size = checkpoint_bytes(model("llama-3.1-405b"))
    stall = A(size / fact("llama3", "write_bytes_per_s"))  # a synchronous save at the file system's sustained rate
    restart = restart_s(Recovery(), gpus, stall)
    p = best_process(stall, A(0.0), mtbf_s(rate.per_h), restart)
    assert goodput(p) > fact("llama3", "goodput_fraction_min")
    assert goodput(p) == pytest.approx(0.942, abs=0.005)
    low, high = goodput_interval(p, rate)
    assert low < goodput(p) < high
    by_hand = best_process(stall, A(0.0), mtbf_s(rate.per_h), A(MANUAL_S))
    assert goodput(by_hand) < 0.75


def test_twelve_thousand_gpus_need_one_failure_per_thousand_node_days() -> None:
    # arXiv 2410.21680: nine tenths at 12,000 GPUs need a rate near 1, not 6.5, where a save takes 5 minutes.
    def share(per_1000_node_days: float, save: float, restart: float) -> float:
        mtbf = 86400.0 / (per_1000_node_days / 1000.0 * 1500.0)
        return float(goodput(best_process(A(save), A(0.0), A(mtbf), A(restart))))

    assert share(1.0, 300.0, 300.0) == pytest.approx(0.9, abs=0.015)
    assert share(6.5, 300.0, 300.0) < 0.75
    assert share(6.5, 10.0, 10.0) > 0.9  # or a save and a restart of ten seconds


@given(st.floats(10.0, 1e4), st.floats(0.1, 500.0), st.floats(0.0, 1.0), st.floats(600.0, 1e7), st.floats(0.0, 5e3))
def test_what_takes_longer_or_fails_more_never_helps(
    interval: float, stall: float, drain: float, mtbf: float, recovery: float
) -> None:
    p = numbers(interval, stall, drain * interval, mtbf, recovery)
    here = goodput(p)
    assert 0.0 <= here < 1.0
    slack = 1.0 + 1e-9
    assert goodput(replace(p, stall_s=p.stall_s * 1.3)) <= here * slack
    assert goodput(replace(p, drain_s=p.drain_s * 1.3)) <= here * slack
    assert goodput(replace(p, recovery_s=p.recovery_s * 1.3)) <= here * slack
    assert goodput(replace(p, mtbf_s=p.mtbf_s * 1.3)) >= here / slack
    assert goodput(replace(p, interval_s=best_interval_s(p.stall_s, A(0.0), p.mtbf_s))) >= here / slack
    assert best_interval_s(p.stall_s * 1.3, A(0.0), p.mtbf_s) >= best_interval_s(p.stall_s, A(0.0), p.mtbf_s)


def test_a_batch_is_its_rows() -> None:
    p = cases(14)
    batch = goodput(p)
    wall = finish_s(row(p, slice(None, 5)), A(1e6), A(3.0), A(0.1), (10.0, 50.0, 90.0))
    value = spares.value(p, A(600.0), A(64.0), A(10.0))
    for i in range(5):
        one = row(p, i)
        assert goodput(one) == batch[i]
        assert (finish_s(one, A(1e6), A(3.0), A(0.1), (10.0, 50.0, 90.0)) == wall[i]).all()
        alone = spares.value(one, A(600.0), A(64.0), A(10.0))
        assert (alone.goodput == value.goodput[i]).all()
        assert alone.best == value.best[i]


def test_a_rate_of_none_never_fails() -> None:
    never: Rate = rate_of(A(0.0), A(np.inf))
    p = best_process(A(10.0), A(20.0), mtbf_s(never.per_h), A(50.0))
    assert p.mtbf_s == 1e15
    assert goodput(p) == pytest.approx(1.0, abs=1e-6)
    low, high = goodput_interval(p, never)
    assert low == high == goodput(p)
    p = replace(p, interval_s=A(90.0))
    assert finish_s(p, A(900.0), never.shape, A(0.0), (10.0, 90.0)) == pytest.approx([1020.0, 1020.0])
    assert spares.value(p, A(600.0), A(64.0), A(1.0)).best == 0


def test_where_wall_time_goes_is_that_of_the_simulation() -> None:
    p, parts = cases(15), 20_000
    uptime = -np.log1p(-(np.arange(parts) + simulation.generator(6).random(parts)) / parts) * p.mtbf_s[:100, np.newaxis]
    some = tall(row(p, slice(None, 100)))
    running = np.maximum(uptime - some.recovery_s, 0.0)
    whole, begun = np.divmod(running, some.interval_s + some.stall_s)
    trained = whole * some.interval_s + np.minimum(begun, some.interval_s)
    few = row(p, slice(None, 100))
    assert 1.0 - (trained.sum(axis=1) / uptime.sum(axis=1)) == pytest.approx(waiting_share(few), abs=0.002)
    after = uptime > some.recovery_s
    lost = (trained - simulation.durable(some, uptime) * some.interval_s).sum(axis=1) / after.sum(axis=1)
    assert lost == pytest.approx(lost_work_s(few), rel=0.02)
    # Training is what is kept and what is lost: nothing else.
    kept = goodput(few) * few.mtbf_s / np.exp(-few.recovery_s / few.mtbf_s)
    assert kept + lost_work_s(few) == pytest.approx(
        (1.0 - waiting_share(few)) * few.mtbf_s / np.exp(-few.recovery_s / few.mtbf_s)
    )


def test_a_second_made_two_doubles_every_time_and_no_share() -> None:
    p = cases(16)
    twice = Process(2 * p.interval_s, 2 * p.stall_s, 2 * p.drain_s, 2 * p.mtbf_s, 2 * p.recovery_s)
    work = A(1e6)
    for share in (goodput, waiting_share):
        assert (share(twice) == share(p)).all()
    for time in (lost_work_s, trained_s):
        assert (time(twice) == 2 * time(p)).all()
    for interval in (young_interval_s, daly_interval_s):
        assert (interval(twice.stall_s, twice.mtbf_s) == 2 * interval(p.stall_s, p.mtbf_s)).all()
    best = best_interval_s(p.stall_s, p.drain_s, p.mtbf_s)
    assert (best_interval_s(twice.stall_s, twice.drain_s, twice.mtbf_s) == 2 * best).all()
    for wall in (unbroken_s, mean_s):
        assert (wall(twice, 2 * work) == 2 * wall(p, work)).all()
    assert (variance_s2(twice, 2 * work) == 4 * variance_s2(p, work)).all()
    recovery, again = (spares.recovery_s(q.recovery_s, f * A(600.0), q.mtbf_s) for q, f in ((p, 1), (twice, 2)))
    assert (again == 2 * recovery).all()
