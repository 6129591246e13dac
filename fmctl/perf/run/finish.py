"""When a run is done: percentiles of wall time from the scatter of failures, of their rate, and of the step time.

Given the rate, the time to make W seconds of progress has the mean and variance of a renewal-reward process; what lies
above the time without failures is taken as gamma distributed. The rate is gamma distributed, the step time lognormal.
The three are mixed over one fixed lattice of equally likely points: the same row always gives the same percentiles.

Source: renewal-reward theory (S. M. Ross, Stochastic Processes, section 3.6); the moments are derived beside the code.
"""

from __future__ import annotations

import math

import numpy as np

from fmctl.domain.result import FloatArray
from fmctl.perf.run.goodput import Process, goodput
from fmctl.perf.run.reliability import Z80, gamma_quantile

# A Korobov lattice of N points: point i has (i, g i, g^2 i) mod N in its three directions, so that each direction alone
# runs through all N quantiles; N is prime, g = 118 has the least worst-case error (P2) of all.
_POINTS = 509
_GENERATORS = (1, 118, 181)
# A rate below is none: a failure in thirty million years.
_LEAST_PER_S = 1e-15
# Beyond e^300 mean times between failures a run never ends; kept finite.
_LONGEST = 300.0


def _normal_lattice() -> FloatArray:
    """Standard normal quantiles of the lattice, shape [3, N], by interpolation of the error function."""
    z = np.linspace(-5.0, 5.0, 4001)
    cumulative = np.array([0.5 * (1.0 + math.erf(x / math.sqrt(2.0))) for x in z])
    order = np.arange(_POINTS)
    u = np.stack([(order * g % _POINTS + 0.5) / _POINTS for g in _GENERATORS])
    return np.asarray(np.interp(u, cumulative, z))


_LATTICE = _normal_lattice()


def unbroken_s(p: Process, work_s: FloatArray) -> FloatArray:
    """Wall time without a failure: W (tau + s) / tau + d, s: all saves, and the drain of the last. Shape [n]."""
    return work_s * (p.interval_s + p.stall_s) / p.interval_s + p.drain_s


def mean_s(p: Process, work_s: FloatArray) -> FloatArray:
    """Mean wall time: W / goodput + d, s. Exact without a drain; with one, within about a drain. Shape [n]."""
    return work_s / goodput(p) + p.drain_s


def variance_s2(p: Process, work_s: FloatArray) -> FloatArray:
    """Variance of the wall time at a known rate: (W / tau) M^2 v / E[N], s^2.

    Per failure U ~ Exp(M) pass N intervals, with x = (tau + s) / M, y = (R + d) / M, E = e^x - 1: E[N] = e^-y / E and
    v = Var(U - M N / E[N]) / M^2 = (E - 2x + 2 (1 - x / E)) + 2 (e^y - 1 - y) + E (e^y - 1); its first bracket is
    x^2 / 3 + x^3 / 6 where x is small.
    """
    x = np.minimum((p.interval_s + p.stall_s) / p.mtbf_s, _LONGEST)
    y = np.minimum((p.recovery_s + p.drain_s) / p.mtbf_s, _LONGEST)
    ex, ey = np.expm1(x), np.expm1(y)
    lost = np.where(x < 1e-3, x * x * (2.0 + x) / 6.0, ex - 2.0 * x + 2.0 * (1.0 - x / ex))
    spread = lost + 2.0 * (ey - y) + ex * ey
    failures = work_s / p.interval_s * ex * (1.0 + ey)
    return np.asarray(failures * spread * p.mtbf_s * p.mtbf_s)


def given_rate_s(p: Process, work_s: FloatArray, z: FloatArray) -> FloatArray:
    """Quantile of the wall time at a known rate, s: time without failures + gamma of the rest. z: normal quantile."""
    least_s = unbroken_s(p, work_s)
    excess_s = np.maximum(mean_s(p, work_s) - least_s, 1e-9)
    shape = excess_s * excess_s / np.maximum(variance_s2(p, work_s), 1e-18)
    return least_s + gamma_quantile(excess_s, shape, z)


def step_sigma(step_low_s: FloatArray, step_high_s: FloatArray) -> FloatArray:
    """Spread of the step time, natural log: ln(high / low) / (2 x 1.28). Ends of an 80 % interval; lognormal."""
    return np.log(np.asarray(step_high_s) / step_low_s) / (2.0 * Z80)


def finish_s(
    p: Process, work_s: FloatArray, shape: FloatArray, sigma: FloatArray, percentiles: tuple[float, ...]
) -> FloatArray:
    """Percentiles of the wall time of a run, s, shape [n, len(percentiles)].

    p: at the mean rate, [n]. work_s: training time without stalls or failures, [n]. shape: of the rate's gamma
    distribution (`reliability.Rate`). sigma: of the step time (`step_sigma`). percentiles: in percent.
    Valid: against simulation P10-P90 within 3 % from no failures to goodputs of a quarter.
    """
    column = [np.asarray(part, dtype=np.float64)[..., np.newaxis] for part in (p.interval_s, p.stall_s, p.drain_s)]
    mtbf, recovery, work, a, s = (
        np.asarray(part, dtype=np.float64)[..., np.newaxis] for part in (p.mtbf_s, p.recovery_s, work_s, shape, sigma)
    )
    per_s = np.maximum(gamma_quantile(1.0 / mtbf, a, _LATTICE[0]), _LEAST_PER_S)
    drawn = Process(column[0], column[1], column[2], 1.0 / per_s, recovery)
    wall_s = given_rate_s(drawn, work * np.exp(s * _LATTICE[2]), _LATTICE[1])
    return np.moveaxis(np.quantile(wall_s, np.asarray(percentiles) / 100.0, axis=-1), 0, -1)
