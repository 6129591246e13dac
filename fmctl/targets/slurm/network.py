"""What an all-reduce should reach on the nodes of a job, by the plan's own model of collectives."""

from __future__ import annotations

import numpy as np

from fmctl.domain.hardware import Instance
from fmctl.perf.ops.collectives import all_reduce_s, fabric_rates

TESTED_BYTES = 2.0**30


def bus_bytes_per_s(instance: Instance, nodes: int) -> float:
    """Bus bandwidth of an all-reduce of 1 GiB over `nodes` EC2 instances, bytes/s; 0 for one GPU.

    S / t x 2 (n - 1) / n over n GPUs, as nccl-tests count it. Source: perf.ops.collectives.
    """
    gpus = nodes * (instance.gpus // instance.member_count)
    if gpus < 2:
        return 0.0
    local = min(gpus, instance.fabric.domain_gpus)
    args = (np.array([value]) for value in (TESTED_BYTES, float(gpus), float(local)))
    return TESTED_BYTES / float(all_reduce_s(fabric_rates(instance.fabric), *args)[0]) * 2.0 * (gpus - 1) / gpus
