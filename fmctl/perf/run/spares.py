"""What spare nodes are worth: a job with a spare restarts at once, one without waits for a node; idle ones cost money.

Everything is a function of k = 0, 1, ... spares: shape [n] in, [n, k] out, k along the last axis.

Source: queueing theory (M/G/infinity: nodes under replacement are Poisson distributed); the share of interruptions that
need another node is that of Llama 3 (arXiv 2407.21783: 78 % confirmed or suspected hardware).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmctl.domain.result import FloatArray
from fmctl.domain.run import MOST_SPARES
from fmctl.perf.run.goodput import Process, goodput
from fmctl.perf.run.recovery import effective_s
from fmctl.perf.run.reliability import REPLACED_SHARE


@dataclass(slots=True, eq=False, repr=False)
class Spares:
    """Value of 0 to `MOST_SPARES` spares, shape [n, k] but `best`, shape [n]."""

    goodput: FloatArray  # share of wall time that is progress
    node_h: FloatArray  # hours of nodes, spares included, per useful hour of the job
    usd_per_h: FloatArray  # the same in money; NaN where the price is unknown
    best: npt.NDArray[np.int64]  # spares of the fewest node-hours per useful hour, whatever the price


def none_left(load: FloatArray) -> FloatArray:
    """Chance that k or more nodes are under replacement when one is needed: 1 - sum of e^-rho rho^j / j! over j < k.

    load: rho, nodes under replacement on average, shape [n]; result [n, k]. Source: M/G/infinity queue.
    """
    rho = np.asarray(load, dtype=np.float64)[..., np.newaxis]
    ratios = np.concatenate([np.ones_like(rho), rho / np.arange(1.0, MOST_SPARES)], axis=-1)
    below = np.exp(-rho) * np.cumsum(np.cumprod(ratios, axis=-1), axis=-1)
    return np.concatenate([np.ones_like(rho), np.maximum(1.0 - below, 0.0)], axis=-1)


def recovery_s(restart_s: FloatArray, replacement_s: FloatArray, mtbf_s: FloatArray) -> FloatArray:
    """Effective recovery with k spares, s, [n, k]: restart, and in a share 0.78 P(k) a wait of T / (k + 1).

    T: replacement_s; with k spares out, k + 1 nodes are on their way, the first of them T / (k + 1) off on average.
    P: `none_left`. Valid: against simulation goodput within 1 % up to one node under replacement (0.78 T / M).
    """
    load = REPLACED_SHARE * np.asarray(replacement_s / mtbf_s, dtype=np.float64)
    chance = none_left(load)
    wait_s = np.asarray(replacement_s)[..., np.newaxis] / (np.arange(MOST_SPARES + 1) + 1.0)
    short_s, mtbf = np.asarray(restart_s)[..., np.newaxis], np.asarray(mtbf_s)[..., np.newaxis]
    return effective_s(short_s, wait_s, REPLACED_SHARE * chance, mtbf)


def value(p: Process, replacement_s: FloatArray, nodes: FloatArray, node_usd_per_h: FloatArray) -> Spares:
    """Goodput and cost per useful hour by number of spares: (nodes + k) / goodput(k), and x price.

    p: recovery_s is the restart on nodes that stand ready, shape [n]. node_usd_per_h: NaN where unknown.
    """
    recovery = recovery_s(p.recovery_s, replacement_s, p.mtbf_s)
    parts = (p.interval_s, p.stall_s, p.drain_s, p.mtbf_s)
    interval, stall, drain, mtbf = (np.asarray(part)[..., np.newaxis] for part in parts)
    share = goodput(Process(interval, stall, drain, mtbf, recovery))
    node_h = (np.asarray(nodes)[..., np.newaxis] + np.arange(MOST_SPARES + 1)) / share
    usd_per_h = np.asarray(node_usd_per_h)[..., np.newaxis] * node_h
    return Spares(share, node_h, usd_per_h, np.argmin(node_h, axis=-1))
