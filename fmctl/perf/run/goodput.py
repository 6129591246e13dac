"""Share of wall time that is training progress, and the interval between checkpoints that makes it largest.

The process: train for an interval, stall for a save, and so on; a save counts once it is durable, a drain after its
stall. Failures come at random (exponential, also during recovery); each loses what is not durable and costs a recovery.
Between two failures lies U ~ Exp(M). It adds as many intervals as saves became durable in it, so that per failure

    progress = tau e^(-(R + d) / M) / (e^((tau + s) / M) - 1),  time = M,  goodput = progress / time.

Exact for this process (renewal-reward); Daly's complete model is the case d = 0. Lost work needs no term of its own.

Source: J. T. Daly, FGCS 22(3), 2006, doi 10.1016/j.future.2004.11.016; J. W. Young, CACM 17(9), 1974.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.result import FloatArray
from fmctl.perf.run.reliability import Rate

SECONDS_PER_HOUR = 3600.0
LONGEST_MTBF_S = 1e15
# Newton steps to the best interval: from above on a concave function, each squares the error.
_NEWTON_STEPS = 8


@dataclass(slots=True, eq=False, repr=False)
class Process:
    """Checkpoints and failures of a job, all s, shape [n] or []."""

    interval_s: FloatArray  # training between two saves (tau)
    stall_s: FloatArray  # training stands still for a save (s)
    drain_s: FloatArray  # from the end of the stall until the save is durable (d), at most interval_s
    mtbf_s: FloatArray  # mean time between failures of the job (M)
    recovery_s: FloatArray  # from a failure until training goes on (R)


def mtbf_s(per_h: FloatArray) -> FloatArray:
    """Mean time between failures: 3600 / rate, s; thirty million years where nothing fails, so that it stays finite."""
    rate = np.asarray(per_h, dtype=np.float64)
    return np.asarray(SECONDS_PER_HOUR / np.maximum(rate, SECONDS_PER_HOUR / LONGEST_MTBF_S))


def goodput(p: Process) -> FloatArray:
    """Training progress over wall time: (tau / M) e^(-(R + d) / M) / (e^((tau + s) / M) - 1).

    Source: module docstring. Valid: any M; where nothing fails it is tau / (tau + s).
    """
    growth = np.expm1((p.interval_s + p.stall_s) / p.mtbf_s)
    return np.asarray(p.interval_s / p.mtbf_s * np.exp(-(p.recovery_s + p.drain_s) / p.mtbf_s) / growth)


def trained_s(p: Process) -> FloatArray:
    """Mean training from the end of a recovery to the next failure, kept or lost, s.

    Whole cycles and the begun one: tau / (e^x - 1) + (M (1 - e^(-tau / M)) - tau e^-x) / (1 - e^-x), x = (tau + s) / M.
    Source: mean over an exponential time. Valid: M below 10^9 cycles.
    """
    x = (p.interval_s + p.stall_s) / p.mtbf_s
    begun_s = -p.mtbf_s * np.expm1(-p.interval_s / p.mtbf_s) - p.interval_s * np.exp(-x)
    return np.asarray(p.interval_s / np.expm1(x) - begun_s / np.expm1(-x))


def lost_work_s(p: Process) -> FloatArray:
    """Mean training lost per failure of running training, s: `trained_s` - tau e^(-d / M) / (e^x - 1).

    What is not durable is lost: half a cycle and the drain where failures are rare.
    """
    kept_s = p.interval_s * np.exp(-p.drain_s / p.mtbf_s) / np.expm1((p.interval_s + p.stall_s) / p.mtbf_s)
    return trained_s(p) - kept_s


def waiting_share(p: Process) -> FloatArray:
    """Share of wall time in recovery or saves: 1 - e^(-R/M) x `trained_s` / M. The rest trains, kept or lost."""
    return np.asarray(1.0 - np.exp(-p.recovery_s / p.mtbf_s) * trained_s(p) / p.mtbf_s)


def young_interval_s(stall_s: FloatArray, mtbf_s: FloatArray) -> FloatArray:
    """First-order best interval: sqrt(2 s M), s. Source: Young 1974. Valid: s far below M."""
    return np.sqrt(2.0 * stall_s * mtbf_s)


def best_interval_s(stall_s: FloatArray, drain_s: FloatArray, mtbf_s: FloatArray) -> FloatArray:
    """Interval of the largest `goodput`, s: the root of 1 - x = e^(-x - s / M), x = tau / M; never under the drain.

    Newton from sqrt(2 s / M), which lies above the root of a concave function, so that it converges from one side.
    Recovery and drain do not move the optimum. No stall: as often as the drain allows.
    """
    a = stall_s / mtbf_s
    x = np.minimum(np.sqrt(2.0 * a), 1.0)
    for _ in range(_NEWTON_STEPS):
        decay = np.expm1(-(x + a))
        x = np.where(a > 0.0, x - (decay + x) / np.where(a > 0.0, -decay, 1.0), 0.0)
    return np.asarray(np.maximum(x * mtbf_s, drain_s))


def best_process(stall_s: FloatArray, drain_s: FloatArray, mtbf_s: FloatArray, recovery_s: FloatArray) -> Process:
    """The process at its best interval. All s, shape [n] or []."""
    return Process(best_interval_s(stall_s, drain_s, mtbf_s), stall_s, drain_s, mtbf_s, recovery_s)


def goodput_interval(p: Process, rate: Rate) -> tuple[FloatArray, FloatArray]:
    """Low and high end of `goodput` at the ends of the rate's 80 % interval; the interval stays as it was chosen."""
    ends = (rate.high_per_h, rate.low_per_h)
    low, high = (goodput(Process(p.interval_s, p.stall_s, p.drain_s, mtbf_s(end), p.recovery_s)) for end in ends)
    return low, high
