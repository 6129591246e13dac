"""Failures, finish, spares, energy and money of a run, worked by hand on one set of numbers."""

from __future__ import annotations

from dataclasses import replace
from math import exp, expm1, inf, log, sqrt
from statistics import NormalDist

import numpy as np
import pytest

from fmctl.catalog import find_grid, load_instance
from fmctl.perf.run import cost, energy, recovery, spares
from fmctl.perf.run.carbon import Range, footprint, known
from fmctl.perf.run.finish import finish_s, given_rate_s, mean_s, step_sigma, unbroken_s, variance_s2
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
from fmctl.perf.run.reliability import (
    burn_in_factor,
    burn_in_share,
    gamma_quantile,
    interruption_rate,
    interruptions,
    rate_of,
    steady_per_h,
    updated,
)

Z80 = NormalDist().inv_cdf(0.9)
TAU, STALL, DRAIN, M, R = 1800.0, 30.0, 200.0, 20_000.0, 700.0
P = Process(*(np.array([x]) for x in (TAU, STALL, DRAIN, M, R)))
WORK = 900_000.0


def gamma(mean: float, shape: float, z: float) -> float:
    return mean * max(1.0 - 1.0 / (9.0 * shape) + z / (3.0 * sqrt(shape)), 0.0) ** 3


def test_a_process() -> None:
    x = (TAU + STALL) / M
    assert goodput(P)[0] == pytest.approx(TAU / M * exp(-(R + DRAIN) / M) / expm1(x), rel=1e-12)
    trained = TAU / expm1(x) + (M * (1.0 - exp(-TAU / M)) - TAU * exp(-x)) / (1.0 - exp(-x))
    assert trained_s(P)[0] == pytest.approx(trained, rel=1e-12)
    assert lost_work_s(P)[0] == pytest.approx(trained - TAU * exp(-DRAIN / M) / expm1(x), rel=1e-9)
    assert waiting_share(P)[0] == pytest.approx(1.0 - exp(-R / M) * trained / M, rel=1e-12)


def test_intervals_between_saves() -> None:
    assert young_interval_s(np.array(30.0), np.array(20_000.0)) == pytest.approx(sqrt(1.2e6))
    for stall, mtbf in ((30.0, 20_000.0), (1e-3, 1e9), (5000.0, 4000.0)):
        found = float(best_interval_s(np.array(stall), np.array(0.0), np.array(mtbf)))
        assert 1.0 - found / mtbf == pytest.approx(exp(-(found + stall) / mtbf), abs=1e-12)
    # Never under the drain, and as often as it allows where saving costs nothing.
    assert float(best_interval_s(np.array(30.0), np.array(5000.0), np.array(20_000.0))) == 5000.0
    assert float(best_interval_s(np.array(0.0), np.array(60.0), np.array(20_000.0))) == 60.0
    mixed = best_interval_s(np.array([0.0, 30.0]), np.array([60.0, 60.0]), np.array([20_000.0, 20_000.0]))
    assert mixed.tolist() == [60.0, float(best_interval_s(np.array(30.0), np.array(60.0), np.array(20_000.0)))]
    best = best_process(np.array(30.0), np.array(60.0), np.array(20_000.0), np.array(7.0))
    assert (float(best.interval_s), float(best.stall_s), float(best.drain_s)) == (mixed[1], 30.0, 60.0)
    assert (float(best.mtbf_s), float(best.recovery_s)) == (20_000.0, 7.0)


def test_the_mean_time_between_failures() -> None:
    assert mtbf_s(np.array([2.0, 0.5, 0.0])).tolist() == [1800.0, 7200.0, 1e15]


def test_goodput_at_the_ends_of_the_rate() -> None:
    low, high = goodput_interval(P, rate_of(np.array([0.18]), np.array(3.0)))
    for found, z in ((low, Z80), (high, -Z80)):
        each = 3600.0 / gamma(0.18, 3.0, z)
        assert found[0] == pytest.approx(float(goodput(replace(P, mtbf_s=np.array(each)))[0]), rel=1e-6)
    assert low[0] < high[0]


def plain_wall(work: float, mtbf: float, z: float) -> float:
    """Quantile of the wall time at one rate: without failures, and a gamma distribution of the rest."""
    x, y = (TAU + STALL) / mtbf, (R + DRAIN) / mtbf
    least = work * (TAU + STALL) / TAU + DRAIN
    mean = work / (TAU / mtbf * exp(-y) / expm1(x)) + DRAIN
    spread = (expm1(x) - 2.0 * x + 2.0 * (1.0 - x / expm1(x))) + 2.0 * (expm1(y) - y) + expm1(x) * expm1(y)
    variance = work / TAU * expm1(x) * exp(y) * spread * mtbf * mtbf
    excess = max(mean - least, 1e-9)
    return least + gamma(excess, excess**2 / max(variance, 1e-18), z)


def test_moments_of_the_wall_time() -> None:
    work = np.array([WORK])
    assert unbroken_s(P, work)[0] == WORK * 1830.0 / 1800.0 + 200.0
    assert mean_s(P, work)[0] == pytest.approx(WORK / float(goodput(P)[0]) + 200.0)
    x, y = 1830.0 / M, 900.0 / M
    spread = (expm1(x) - 2.0 * x + 2.0 * (1.0 - x / expm1(x))) + 2.0 * (expm1(y) - y) + expm1(x) * expm1(y)
    assert variance_s2(P, work)[0] == pytest.approx(WORK / TAU * expm1(x) * exp(y) * spread * M * M, rel=1e-9)
    # Where failures are rare the first bracket is x^2 / 3 + x^3 / 6.
    rare = replace(P, mtbf_s=np.array([1e7]))
    x, y = 1830.0 / 1e7, 900.0 / 1e7
    spread = x * x / 3.0 + x**3 / 6.0 + 2.0 * (expm1(y) - y) + expm1(x) * expm1(y)
    assert variance_s2(rare, work)[0] == pytest.approx(WORK / TAU * expm1(x) * exp(y) * spread * 1e14, rel=1e-6)
    # A run that never ends stays finite: beyond e^300 nothing grows.
    zero = np.array([0.0])
    endless = replace(P, mtbf_s=np.array([1.0]), recovery_s=zero, drain_s=zero)
    e = expm1(300.0)
    assert variance_s2(endless, work)[0] == pytest.approx(WORK / TAU * e * (e - 600.0 + 2.0), rel=1e-9)
    for z in (-1.0, 0.0, 2.0):
        assert given_rate_s(P, work, np.array(z))[0] == pytest.approx(plain_wall(WORK, M, z), rel=1e-9)


def test_percentiles_of_the_finish() -> None:
    """509 equally likely points of rate, failures and step; each percentile between the two nearest of them."""
    shape, sigma, points = 3.0, 0.05, []
    for i in range(509):
        rate, failures, step = (NormalDist().inv_cdf((i * g % 509 + 0.5) / 509) for g in (1, 118, 181))
        points.append(plain_wall(WORK * exp(sigma * step), 1.0 / max(gamma(1.0 / M, shape, rate), 1e-15), failures))
    points.sort()
    wanted = []
    for share in (0.1, 0.5, 0.95):
        at = share * 508
        wanted.append(points[int(at)] + (at - int(at)) * (points[int(at) + 1] - points[int(at)]))
    found = finish_s(P, np.array([WORK]), np.array([shape]), np.array([sigma]), (10.0, 50.0, 95.0))
    assert found.shape == (1, 3)
    assert found[0] == pytest.approx(wanted, rel=1e-6)
    assert step_sigma(np.array(0.9), np.array(1.1)) == pytest.approx(log(1.1 / 0.9) / (2.0 * Z80))


# --- rates ------------------------------------------------------------------------------------------------------------


def test_rates_by_hand() -> None:
    node_h = (6.5 + 2.34 + 3.789) / 3.0 / 1000.0 / 24.0
    share = 268.0 / 419.0
    steady = float(steady_per_h(np.array(64.0), np.array(16.0)))
    assert steady == pytest.approx(node_h * (64.0 / 8.0 * share + 16.0 * (1.0 - share)))
    factor = log(0.86) / log(0.96)
    assert burn_in_share(
        np.array([0.0, 50.0, 60.0, 90.0]), np.array([30.0, 30.0, 30.0, 30.0])
    ).tolist() == pytest.approx([1.0, 1.0 / 3.0, 0.0, 0.0])
    assert burn_in_share(np.array([59.0, 60.0]), np.array(0.0)).tolist() == [1.0, 0.0]
    assert burn_in_factor(np.array([0.0, 0.5, 1.0])).tolist() == pytest.approx([1.0, (1.0 + factor) / 2.0, factor])
    found = interruption_rate("hopper", np.array(64.0), np.array(16.0), np.array(50.0), np.array(30.0))
    mean = steady * (1.0 + (factor - 1.0) / 3.0)
    assert (float(found.per_h), float(found.shape)) == (pytest.approx(mean), 3.0)
    assert float(found.low_per_h) == pytest.approx(gamma(mean, 3.0, -Z80))
    assert float(found.high_per_h) == pytest.approx(gamma(mean, 3.0, Z80))
    other = interruption_rate("blackwell", np.array(64.0), np.array(16.0), np.array(50.0), np.array(30.0))
    assert (float(other.per_h), float(other.shape)) == (pytest.approx(mean), 1.5)


def test_counts_by_hand() -> None:
    prior = rate_of(np.array(0.02), np.array(3.0))
    after = updated(prior, np.array(7.0), np.array(500.0))
    assert (float(after.shape), float(after.per_h)) == (10.0, pytest.approx(0.02 * 10.0 / (3.0 + 0.02 * 500.0)))
    mean, low, high = interruptions(prior, np.array(500.0))
    shape = 10.0 / (1.0 + 10.0 / 3.0)
    assert (float(mean), float(low), float(high)) == pytest.approx(
        (10.0, gamma(10.0, shape, -Z80), gamma(10.0, shape, Z80))
    )
    assert gamma_quantile(np.array(5.0), np.array(0.05), -2.0) == 0.0
    exact = rate_of(np.array(0.02), np.asarray(inf))
    assert (float(exact.low_per_h), float(exact.high_per_h)) == (0.02, 0.02)


def test_recoveries_by_hand() -> None:
    own = recovery.Recovery(1.0, 2.0, 3.0, 4.0, 5.0, 0.5)
    assert recovery.init_s(own, np.array(10.0)) == 10.0
    assert recovery.restart_s(own, np.array(10.0), np.array(100.0)) == 1.0 + 2.0 + 4.0 + 10.0 + 100.0
    short, wait, share, mtbf = (np.array(x) for x in (300.0, 1000.0, 0.4, 5000.0))
    by_hand = 300.0 - 5000.0 * log(1.0 - 0.4 + 0.4 * exp(-0.2))
    assert recovery.effective_s(short, wait, share, mtbf) == pytest.approx(by_hand)


def test_spares_by_hand() -> None:
    # Nodes under replacement are Poisson distributed: 0.78 T / M on average.
    load = 0.78 * 1050.0 / M
    left = spares.none_left(np.array([load]))[0]
    assert len(left) == 13
    assert left[:3] == pytest.approx([1.0, 1.0 - exp(-load), 1.0 - exp(-load) * (1.0 + load)], rel=1e-9)
    much = spares.none_left(np.array([2.0]))[0]
    assert much[3] == pytest.approx(1.0 - exp(-2.0) * (1.0 + 2.0 + 2.0))
    assert much[12] == pytest.approx(1.0 - exp(-2.0) * sum(2.0**j / _factorial(j) for j in range(12)), rel=1e-6)
    found = spares.recovery_s(np.array([R]), np.array([1050.0]), np.array([M]))[0]
    for k in (0, 1, 2):
        chance = 0.78 * left[k]
        by_hand = R - M * log(1.0 - chance + chance * exp(-1050.0 / (k + 1) / M))
        assert found[k] == pytest.approx(by_hand, rel=1e-9)
    value = spares.value(P, np.array([1050.0]), np.array([40.0]), np.array([2.5]))
    each = [float(goodput(replace(P, recovery_s=np.array(r)))[0]) for r in found]
    assert value.goodput[0] == pytest.approx(each)
    assert value.node_h[0] == pytest.approx([(40.0 + k) / share for k, share in enumerate(each)])
    assert value.usd_per_h[0] == pytest.approx(2.5 * value.node_h[0])
    assert value.best[0] == int(np.argmin(value.node_h[0])) < 12


def _factorial(n: int) -> int:
    return 1 if n == 0 else n * _factorial(n - 1)


# --- energy and money -------------------------------------------------------------------------------------------------


def test_power_by_hand() -> None:
    p5 = load_instance("p5.48xlarge")
    assert energy.nameplate_w(p5) == 8 * 700.0 + p5.host_power_w
    one = energy.Levels(0.8, 0.6, 0.5, 0.2)
    drawn = energy.busy_w(1000.0, *(np.array(x) for x in (4.0, 2.0, 1.0, 10.0)), levels=one)
    assert drawn == pytest.approx(1000.0 * (4 * 0.8 + 2 * 0.6 + 1 * 0.5 + 3 * 0.2) / 10.0)
    # Parts that add up to more than the step fill it.
    assert energy.busy_w(1000.0, *(np.array(x) for x in (4.0, 4.0, 2.0, 5.0)), levels=one) == pytest.approx(660.0)
    assert energy.idle_w(1000.0, one) == 200.0
    half = one.times(0.5)
    assert (half.compute, half.memory_bound, half.communication, half.idle) == (0.4, 0.3, 0.25, 0.1)
    assert energy.run_power_w(np.array(900.0), np.array(300.0), np.array(0.25)) == 750.0
    assert energy.wh_per_million_tokens(np.array(7200.0), np.array(1e6)) == pytest.approx(2.0)
    assert energy.power_ends("hopper") == (0.87, 1.10)
    assert energy.power_ends("ampere") == energy.power_ends("blackwell") == (0.75, 1.10)
    # GPUs at 88 % of their limit compute, at 12 % they wait, between them in proportion.
    most, gpus = energy.nameplate_w(p5), 8 * 700.0
    assert energy.node_w_by_gpus(p5, 0.88 * gpus, one) == pytest.approx(0.8 * most)
    assert energy.node_w_by_gpus(p5, 0.12 * gpus, one) == pytest.approx(0.2 * most)
    assert energy.node_w_by_gpus(p5, 0.5 * gpus, one) == pytest.approx(0.5 * most)


def test_a_footprint_with_intervals() -> None:
    power = Range(np.array([1e5]), np.array([8e4]), np.array([1.1e5]))
    run = Range(np.array([3.6e5]), np.array([3e5]), np.array([4e5]))
    grid = replace(
        find_grid("us-east-1"), pue=1.2, average_g_per_kwh=400.0, average_low_g_per_kwh=300.0,
        average_high_g_per_kwh=600.0, marginal_g_per_kwh=500.0, wue_l_per_kwh=0.5,
    )  # fmt: skip
    found = footprint(power, run, grid)
    below, above = log(0.8) ** 2 + log(3.0 / 3.6) ** 2, log(1.1) ** 2 + log(4.0 / 3.6) ** 2
    for part, value, low, high in (
        (found.it_kwh, 1e4, below, above),
        (found.kwh, 1.2e4, below, above),
        (found.average_t, 4.8, below + log(0.75) ** 2, above + log(1.5) ** 2),
    ):
        ends = (value, value * exp(-sqrt(low)), value * exp(sqrt(high)))
        assert (part.value[0], part.low[0], part.high[0]) == pytest.approx(ends)
    assert (found.marginal_t[0], found.water_l[0], found.pue_assumed) == (pytest.approx(6.0), pytest.approx(5e3), False)
    unknown = footprint(power, run, replace(grid, pue=None))
    assert (unknown.kwh.value[0], unknown.pue_assumed) == (pytest.approx(1.15e4), True)
    assert (known(3.0), np.isnan(known(None))) == (3.0, True)


def test_money_by_hand() -> None:
    assert (cost.usd_per_h(55.04, 4), cost.usd_per_h(None, 4)) == (220.16, None)
    assert cost.usd_per_billion_tokens(36.0, 1e6) == pytest.approx(10.0)
    assert cost.usd_per_billion_tokens(None, 1e6) is None
    assert cost.run_usd(36.0, 7200.0) == pytest.approx(72.0)
    assert cost.run_usd(None, 7200.0) is None
    assert cost.run_usd(36.0, None) is None
    assert cost.run_usd(None, None) is None


def test_one_run_without_a_row_is_the_row() -> None:
    """Columns [n] or single numbers, and tables of rows of rows: the axis of spares and percentiles is the last."""
    single = Process(*(np.asarray(x) for x in (TAU, STALL, DRAIN, M, R)))
    many = Process(*(np.full((2, 3), x) for x in (TAU, STALL, DRAIN, M, R)))
    ends = (10.0, 50.0, 95.0)
    row = finish_s(P, np.array([WORK]), np.array([3.0]), np.array([0.05]), ends)
    alone = finish_s(single, np.asarray(WORK), np.asarray(3.0), np.asarray(0.05), ends)
    table = finish_s(many, np.full((2, 3), WORK), np.full((2, 3), 3.0), np.full((2, 3), 0.05), ends)
    assert (alone.shape, table.shape) == ((3,), (2, 3, 3))
    assert np.array_equal(alone, row[0])
    assert np.array_equal(table[1, 2], row[0])
    wait, nodes, usd = (np.asarray(x) for x in (1050.0, 40.0, 2.5))
    value = spares.value(P, np.array([1050.0]), np.array([40.0]), np.array([2.5]))
    one = spares.value(single, wait, nodes, usd)
    grid = spares.value(many, np.full((2, 3), 1050.0), np.full((2, 3), 40.0), np.full((2, 3), 2.5))
    for name in ("goodput", "node_h", "usd_per_h", "best"):
        assert np.array_equal(getattr(one, name), getattr(value, name)[0])
        assert np.array_equal(getattr(grid, name)[1, 2], getattr(value, name)[0])
    left = spares.none_left(np.array([0.5]))[0]
    assert np.array_equal(spares.none_left(np.asarray(0.5)), left)
    assert np.array_equal(spares.none_left(np.full((2, 3), 0.5))[1, 2], left)
