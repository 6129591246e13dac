"""Processes of checkpoints and failures for tests: one, and a thousand drawn by a seed."""

from __future__ import annotations

import numpy as np

from fmctl.domain.result import FloatArray
from fmctl.perf.run.goodput import Process

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


def row(p: Process, i: int | slice) -> Process:
    return Process(p.interval_s[i], p.stall_s[i], p.drain_s[i], p.mtbf_s[i], p.recovery_s[i])
