"""Power of a cluster by what its GPUs do, and the energy of tokens and runs.

A node draws a share of its nameplate that depends on the state of its GPUs; a step's mean power is the mean over its
time. The shares come from node power logged every 1-2 s in MLPerf Training v4.0 and v4.1, as means over a run, AC:

- memory-bound: 7,090 W, dlrm_dcnv2 on one immersion-cooled node of 8 H100 (embedding tables: taken as wholly so);
- compute: 7,417 W, by which the two long runs on such nodes, llama2_70b_lora on 8 GPUs (7,158 W) and gpt3 on 512
  (6,849 W), are met best with the shares of the three states that this model gives them: -1 and +1 %;
- idle: 2,256 W, the lowest readings, GPUs initialised: an upper bound;
- communication: no row shows it alone. Assumed: half-way between idle and compute; with compute fitted again for either
  end, the rows move by 0.4 %.

Air-cooled nodes draw 1.25 times that: the same run on 8 Dell XE9680 and on 8 immersion-cooled nodes (mean of a run
1.22, median reading 1.28). All are of 8 H100 with a nameplate of 10,200 W (DGX H100). Other generations have no rows:
the same shares of their own nameplate, and a wider interval. Switches outside the nodes are not in it (86 W per node
where logged), nor is the facility (`carbon`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from fmctl.domain.hardware import Instance
from fmctl.domain.result import FloatArray, Terms
from fmctl.domain.terms import Kind, names

# GPU power of sustained training over its limit; published node logs of LLM training draw 80-95 % of GPU nameplate.
TRAINING_POWER_SHARE = 0.88
# GPU power of an initialised GPU without work over its limit. assumed: H100 boards read 70-120 W of 700 W.
IDLE_POWER_SHARE = 0.12
# Node power over nameplate, immersion-cooled, AC side. Source and judgements: module docstring.
_NAMEPLATE_W = 10_200.0
# Same benchmark on 8 air-cooled over 8 immersion-cooled nodes, middle of the ratios of run means (7,104.9 / 5,815.1)
# and of median readings (7,994 / 6,253). Source: MLPerf Training v4.1 (Dell), v4.0 (SMC).
AIR_OVER_IMMERSION = 1.25
# Power behind the power supplies over power in front. Source: DC and AC side of llama2_70b_lora on one node.
SUPPLY_EFFICIENCY = 7087.0 / 7265.0


@dataclass(slots=True, eq=False, repr=False)
class Levels:
    """Power of a node over its nameplate while its GPUs compute, move memory, wait for exposed communication, idle."""

    compute: float
    memory_bound: float
    communication: float
    idle: float

    def times(self, factor: float) -> Levels:
        """All four times `factor`."""
        parts = (self.compute, self.memory_bound, self.communication, self.idle)
        return Levels(*(part * factor for part in parts))


IMMERSION = Levels(7417.0, 7090.0, (7417.0 + 2256.0) / 2.0, 2256.0).times(1.0 / _NAMEPLATE_W)
AIR = IMMERSION.times(AIR_OVER_IMMERSION)
# Ends of the 80 % interval over the prediction. Rows of LLM training lie at 0.87-1.03 of it; no node draws more than
# its nameplate, which is 1.10 times the level of compute. Assumed, where a generation has no rows: a quarter down.
_MEASURED: Mapping[str, tuple[float, float]] = {"hopper": (0.87, 1.10)}
_NO_ROWS = (0.75, 1.10)


def nameplate_w(instance: Instance) -> float:
    """Most that one node may draw, W: GPUs x limit + host. Never the power under load."""
    return instance.gpus * instance.accelerator.power_w + instance.host_power_w


def busy_w(
    nameplate: float,
    compute_s: FloatArray,
    memory_bound_s: FloatArray,
    exposed_s: FloatArray,
    step_s: FloatArray,
    levels: Levels = AIR,
) -> FloatArray:
    """Mean power of one node over a step, W: nameplate x sum of time in a state x its level / step.

    compute_s, memory_bound_s, exposed_s (communication not hidden), step_s: shape [n]. The rest of the step is idle:
    bubble, host, stragglers. Source: module docstring. Valid: steady training; AIR for AWS instances is assumed.
    """
    told_s = compute_s + memory_bound_s + exposed_s
    whole_s = np.maximum(step_s, told_s)
    drawn = compute_s * levels.compute + memory_bound_s * levels.memory_bound + exposed_s * levels.communication
    return np.asarray(nameplate * (drawn + (whole_s - told_s) * levels.idle) / whole_s)


def idle_w(nameplate: float, levels: Levels = AIR) -> float:
    """Power of one node that waits: for a restart, a save, or as a spare, W. An upper bound (GPUs initialised)."""
    return nameplate * levels.idle


def states_s(terms: Mapping[str, FloatArray] | Terms) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Time of a step in compute, in memory-bound work and in exposed communication, s, shape [n].

    terms: columns of `domain.terms.TERMS`, added up by their kind. Memory-bound: with the optimizer step. What is left
    of the step waits: bubble, launches, overhead, stragglers.
    """
    kinds: tuple[tuple[Kind, ...], ...] = (("compute",), ("stream", "update"), ("exchange", "send", "reduce"))
    compute_s, memory_s, exposed_s = (reduce(add, (terms[name] for name in names(*kind))) for kind in kinds)
    return compute_s, memory_s, exposed_s


def step_power_w(instance: Instance, terms: Mapping[str, FloatArray] | Terms) -> FloatArray:
    """Mean power of one node over a step from the step's terms, W, shape [n]. Source: `busy_w`, `states_s`."""
    compute_s, memory_s, exposed_s = states_s(terms)
    return busy_w(nameplate_w(instance), compute_s, memory_s, exposed_s, terms["step_s"])


def node_w_by_gpus(instance: Instance, gpus_w: float, levels: Levels = AIR) -> float:
    """Power of one node whose GPUs together draw `gpus_w`, W: where only they are metered.

    Linear between the two states whose GPU power is known: waiting (IDLE_POWER_SHARE) and computing
    (TRAINING_POWER_SHARE of the limit). The rest of the node is the model's, not metered: two such figures differ by
    what GPUs draw alone.
    """
    share = gpus_w / (instance.gpus * instance.accelerator.power_w)
    busy = (share - IDLE_POWER_SHARE) / (TRAINING_POWER_SHARE - IDLE_POWER_SHARE)
    return nameplate_w(instance) * (levels.idle + (levels.compute - levels.idle) * busy)


def power_ends(architecture: str) -> tuple[float, float]:
    """Low and high end of the 80 % interval of node power over its value, by GPU generation."""
    return _MEASURED.get(architecture, _NO_ROWS)


def run_power_w(step_w: FloatArray, waiting_w: FloatArray, waiting_share: FloatArray) -> FloatArray:
    """Mean power over the wall time of a run, W: steps draw one power, saves and recoveries (a share) another."""
    return step_w * (1.0 - waiting_share) + waiting_w * waiting_share


def wh_per_million_tokens(power_w: FloatArray, tokens_per_s: FloatArray) -> FloatArray:
    """Energy per 10^6 tokens, Wh: P / rate x 10^6 / 3600. Facility overhead (PUE) is not in it."""
    return power_w / tokens_per_s * 1e6 / 3600.0
