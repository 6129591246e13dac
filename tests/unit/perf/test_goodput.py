"""Goodput against a simulation of the same process, and the simulation against one written step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.domain.result import FloatArray
from fmctl.perf import simulation, spares
from fmctl.perf.checkpoint import checkpoint_bytes
from fmctl.perf.finish import finish_s, given_rate_s, mean_s, step_sigma, unbroken_s, variance_s2
from fmctl.perf.goodput import (
    Process,
    best_interval_s,
    best_process,
    daly_interval_s,
    goodput,
    goodput_interval,
    lost_work_s,
    mtbf_s,
    trained_s,
    waiting_share,
    young_interval_s,
)
from fmctl.perf.recovery import MANUAL_S, Recovery, restart_s
from fmctl.perf.reliability import Rate, interruption_rate, rate_of
from tests.unit.perf.helpers import model
from tests.unit.perf.test_reliability import fact

A = np.asarray
CASES = 1000


def numbers(interval: float, stall: float, drain: float, mtbf: float, recovery: float) -> Process:
    return Process(A(interval), A(stall), A(drain), A(mtbf), A(recovery))


def cases(seed: int = 11) -> Process:
    """1,000 processes: failures every half hour to every twelve days, recoveries of half a minute to an hour."""
    rng = np.random.default_rng(seed)

    def between(low: float, high: float) -> FloatArray:
        return np.exp(rng.uniform(np.log(low), np.log(high), CASES))

    mtbf, recovery, stall = between(1.8e3, 1e6), between(30.0, 3600.0), between(0.3, 300.0)
    interval = between(30.0, 1e4)
    return Process(interval, stall, np.minimum(between(1.0, 1000.0), interval), mtbf, recovery)


def tall(p: Process) -> Process:
    return Process(*(part[:, np.newaxis] for part in (p.interval_s, p.stall_s, p.drain_s, p.mtbf_s, p.recovery_s)))


def row(p: Process, i: int) -> Process:
    return Process(p.interval_s[i], p.stall_s[i], p.drain_s[i], p.mtbf_s[i], p.recovery_s[i])


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
    wall = finish_s(row(p, slice(None, 5)), A(1e6), A(3.0), A(0.1), (10.0, 50.0, 90.0))  # type: ignore[arg-type]
    value = spares.value(p, A(600.0), A(64.0), A(10.0))
    for i in range(5):
        one = row(p, i)
        assert goodput(one) == batch[i]
        assert (finish_s(one, A(1e6), A(3.0), A(0.1), (10.0, 50.0, 90.0)) == wall[i]).all()
        alone = spares.value(one, A(600.0), A(64.0), A(10.0))
        assert (alone.goodput == value.goodput[i]).all()
        assert alone.best == value.best[i]


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
    some = tall(row(p, slice(None, 100)))  # type: ignore[arg-type]
    running = np.maximum(uptime - some.recovery_s, 0.0)
    whole, begun = np.divmod(running, some.interval_s + some.stall_s)
    trained = whole * some.interval_s + np.minimum(begun, some.interval_s)
    few = row(p, slice(None, 100))  # type: ignore[arg-type]
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
