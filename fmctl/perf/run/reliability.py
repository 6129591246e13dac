"""How often a job is interrupted, by GPUs, nodes and time in service, with an 80 % interval.

One rate per GPU and one per node, in proportion to their number. What the published rows say (per 1,000 node-days):

- Three clusters in steady service: 6.50 (RSC-1, A100), 2.34 (RSC-2, A100), 3.79 (Llama 3 405B, H100, unexpected).
  A100 (mean 4.42) and H100 cannot be told apart: one rate. Blackwell has no rows: the same rate, and a wider interval.
- Size: on one cluster (RSC-1) jobs of 8 and of 1,024 GPUs meet 20.96 and 23.73, a size exponent of 1.025: none is used.
  Both are 3.2-3.7 times that cluster's own 6.50: not size but bad nodes, or another way of counting. The same source
  removed 40 bad nodes and the failures of large jobs fell from 14 % to 4 %, a rate 3.69 times lower, and the first two
  months of OPT-175B (14.11, 992 A100) lie 3.35 times above the steady rate. One factor says all three: bad nodes are
  still in. That this is the reason is a judgement; the rows do not say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fmctl.domain.result import FloatArray

HOURS_PER_DAY = 24.0
# Interruptions per node-hour of 8 GPUs: mean of RSC-1 6.50, RSC-2 2.34 and Llama 3 3.789 per 1,000 node-days.
# Source: arXiv 2410.21680; arXiv 2407.21783 section 3.3.4 (419 unexpected in 54 days on 2,048 nodes).
NODE_PER_H = (6.50 + 2.34 + 3.789) / 3.0 / 1000.0 / HOURS_PER_DAY
# Share that follows the GPUs: GPU-class interruptions of Llama 3 (268 of 419); the rest follows the nodes.
# Source: arXiv 2407.21783 table 5.
GPU_SHARE = 268.0 / 419.0
GPUS_PER_NODE = 8.0
# Shape of the gamma distribution of the rate from cluster to cluster: 1 / (squared variation of the three rates x
# (1 + 1/3)), the last because a fourth cluster is predicted from three.
SHAPE = 3.0
# assumed: half the shape where a generation has no rows.
SHAPE_NO_ROWS = 1.5
MEASURED: Mapping[str, float] = {"ampere": SHAPE, "hopper": SHAPE}
# Rate before over after bad nodes were weeded out: ln(1 - 0.14) / ln(1 - 0.04), job failures of 512 and more GPUs.
# Source: arXiv 2410.21680.
BURN_IN_FACTOR = float(np.log(1.0 - 0.14) / np.log(1.0 - 0.04))
# assumed: the window of OPT-175B, whose rate is that of unweeded nodes over its whole length (arXiv 2205.01068).
BURN_IN_DAYS = 60.0
# Confirmed or suspected hardware among unexpected interruptions: a node must be replaced (arXiv 2407.21783).
REPLACED_SHARE = 0.78
Z80 = 1.2815515655446004


@dataclass(slots=True, eq=False, repr=False)
class Rate:
    """Interruptions per hour of a job: `per_h` the mean, `low_per_h` and `high_per_h` the 80 % interval, shape [n]."""

    per_h: FloatArray
    low_per_h: FloatArray
    high_per_h: FloatArray
    # of the gamma distribution that the interval comes from; infinite where the rate is taken as exact
    shape: FloatArray


def gamma_quantile(mean: FloatArray, shape: FloatArray, z: FloatArray | float) -> FloatArray:
    """Quantile of a gamma distribution: m (1 - 1/(9 a) + z / (3 sqrt(a)))^3, not below 0.

    m: mean, in any unit. a: shape. z: standard normal quantile. Source: Wilson and Hilferty, PNAS 17 (1931).
    Valid: shape from 1 up within 3 % of the mean; below, the lower quantiles are too small.
    """
    root = np.maximum(1.0 - 1.0 / (9.0 * shape) + z / (3.0 * np.sqrt(shape)), 0.0)
    cube: FloatArray = np.asarray(mean * (root * root * root))
    return cube


def steady_per_h(gpus: FloatArray, nodes: FloatArray) -> FloatArray:
    """Interruptions per hour in steady service: G c f / 8 + N c (1 - f), 1/h.

    G: GPUs, N: nodes, shape [n]. c: `NODE_PER_H`. f: `GPU_SHARE`. Source: module docstring. Valid: 8-1,024 GPUs (A100),
    16,384 (A100, H100); instances of other than 8 GPUs by the split of causes, which no rows check.
    """
    return gpus * (NODE_PER_H * GPU_SHARE / GPUS_PER_NODE) + nodes * (NODE_PER_H * (1.0 - GPU_SHARE))


def burn_in_share(age_days: FloatArray, run_days: FloatArray) -> FloatArray:
    """Share of a run on nodes not yet weeded: (60 - age) / run, between 0 and 1; 1 or 0 for a run of no length.

    age_days: in service when the run starts; run_days: its length, shape [n]. Source: `BURN_IN_DAYS`.
    """
    ahead = np.maximum(BURN_IN_DAYS - np.asarray(age_days, dtype=np.float64), 0.0)
    share = ahead / np.maximum(run_days, 1e-9)
    return np.asarray(np.minimum(share, 1.0))


def burn_in_factor(share: FloatArray) -> FloatArray:
    """Mean rate over the steady one: 1 + (3.69 - 1) x share of the run on nodes not yet weeded.

    Source: `BURN_IN_FACTOR`. Valid: share 1 also for an old cluster whose bad nodes nobody takes out.
    """
    return 1.0 + (BURN_IN_FACTOR - 1.0) * share


def rate_of(per_h: FloatArray, shape: FloatArray) -> Rate:
    """A rate with its 80 % interval, 1/h. A user's own rate comes in here with an infinite shape: taken as exact."""
    mean, wide = np.asarray(per_h, dtype=np.float64), np.asarray(shape, dtype=np.float64)
    return Rate(mean, gamma_quantile(mean, wide, -Z80), gamma_quantile(mean, wide, Z80), wide)


def interruption_rate(
    architecture: str, gpus: FloatArray, nodes: FloatArray, age_days: FloatArray, run_days: FloatArray
) -> Rate:
    """Unexpected interruptions per hour of a job: steady rate x burn-in, 1/h, with the interval of its generation.

    gpus, nodes, age_days, run_days: shape [n]. Valid: see `steady_per_h` and `burn_in_share`; planned maintenance is
    not in it (Llama 3: 47 of 466).
    """
    per_h = steady_per_h(gpus, nodes) * burn_in_factor(burn_in_share(age_days, run_days))
    return rate_of(per_h, np.asarray(MEASURED.get(architecture, SHAPE_NO_ROWS)))


def updated(prior: Rate, interruptions: FloatArray, hours: FloatArray) -> Rate:
    """The rate after `interruptions` were counted in `hours` of this very job: m (a + k) / (a + m T), 1/h.

    m, a: mean and shape of `prior`, a finite. Source: gamma prior, Poisson counts (conjugate).
    """
    shape = prior.shape + interruptions
    return rate_of(prior.per_h * shape / (prior.shape + prior.per_h * hours), shape)


def interruptions(rate: Rate, hours: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Interruptions in `hours`: mean, and 80 % interval of counts, Poisson scatter and the rate's own together.

    Variance: n + n^2 / a, taken as a gamma distribution. Source: negative binomial.
    """
    mean = rate.per_h * hours
    shape = mean / (1.0 + mean / rate.shape)
    return mean, gamma_quantile(mean, shape, -Z80), gamma_quantile(mean, shape, Z80)
