"""The process of `goodput` played with random failures, to hold closed forms to it: seeded, all replicas at once."""

from __future__ import annotations

import numpy as np

from fmctl.domain.result import FloatArray
from fmctl.perf.run.goodput import Process
from fmctl.perf.run.reliability import REPLACED_SHARE


def generator(seed: int | np.random.Generator) -> np.random.Generator:
    """A generator, or the one that a seed starts."""
    return np.random.default_rng(seed)


def durable(p: Process, uptime_s: FloatArray) -> FloatArray:
    """Saves that became durable between two failures: floor((U - R - d) / (tau + s)), not below 0. U: uptime_s."""
    ready_s = np.maximum(uptime_s - p.recovery_s - p.drain_s, 0.0)
    return np.asarray(np.floor(ready_s / (p.interval_s + p.stall_s)))


def simulated_goodput(p: Process, uptimes: FloatArray) -> FloatArray:
    """Progress over wall time of many failures in a row.

    p: arrays of shape [n, 1]. uptimes: times between failures in units of their mean, shape [m] or [n, m]: the same
    ones for two processes make their difference sharp. Result [n].
    """
    uptime_s = uptimes * p.mtbf_s
    progress_s = (p.interval_s * durable(p, uptime_s)).sum(axis=-1)
    return np.asarray(progress_s / uptime_s.sum(axis=-1))


def simulated_finish_s(p: Process, work_s: FloatArray, replicas: int, seed: int | np.random.Generator) -> FloatArray:
    """Wall time until `work_s` of training is done and its last save durable, s, shape [replicas].

    p: numbers or shape [replicas] (a rate of its own for each). A run starts without a recovery. The last save counts.
    """
    rng = generator(seed)
    shape = (replicas,)
    left_s, wall_s = np.broadcast_to(work_s, shape).astype(np.float64), np.zeros(shape)
    recovery_s, going = np.zeros(shape), np.ones(shape, dtype=bool)
    cycle_s = p.interval_s + p.stall_s
    while going.any():
        uptime_s = rng.exponential(size=replicas) * p.mtbf_s
        needed_s = recovery_s + left_s + np.ceil(left_s / p.interval_s) * p.stall_s + p.drain_s
        wall_s += np.where(going, np.minimum(uptime_s, needed_s), 0.0)
        saved = np.floor(np.maximum(uptime_s - recovery_s - p.drain_s, 0.0) / cycle_s) * p.interval_s
        going &= uptime_s < needed_s
        left_s = np.where(going, left_s - saved, left_s)
        recovery_s = np.broadcast_to(p.recovery_s, shape)
    return wall_s


def simulated_spares(
    p: Process, replacement_s: FloatArray, spares: int, failures: int, seed: int | np.random.Generator
) -> FloatArray:
    """Goodput of a job with spare nodes, failure by failure; shape [n].

    p: shape [n], recovery_s on nodes that stand ready. A failure needs a node with a chance of 0.78, takes the first
    that is ready, and the broken one is ready again after replacement_s.
    """
    rng = generator(seed)
    n = np.broadcast_shapes(p.mtbf_s.shape, p.interval_s.shape)[0]
    clock_s, progress_s, wait_s = np.zeros(n), np.zeros(n), np.zeros(n)
    ready_s = np.zeros((n, spares + 1))
    for _ in range(failures):
        uptime_s = rng.exponential(size=n) * p.mtbf_s
        progress_s += durable(p, uptime_s - wait_s) * p.interval_s
        clock_s = clock_s + uptime_s
        broken = rng.random(n) < REPLACED_SHARE
        ready_s[:, -1] = np.where(broken, clock_s + replacement_s, -np.inf)  # no node needed: one is "ready" at once
        ready_s.sort(axis=1)
        wait_s = np.maximum(ready_s[:, 0] - clock_s, 0.0)
        ready_s = np.roll(ready_s, -1, axis=1)  # the one taken leaves; its place is the next broken node's
    return progress_s / clock_s
