"""What one interruption costs before training runs again: detection, queue, node, restart, reload.

Lost work is not in it: `goodput` has it exactly. The published whole (restart overhead 5-20 minutes, arXiv 2410.21680)
bounds the parts; the parts themselves are judgements, to be replaced by what a user's own cluster takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.result import FloatArray

# Half the period of health checks, 5 minutes (arXiv 2410.21680): a failure falls anywhere between two checks.
DETECTION_S = 150.0
# assumed: a requeued job starts at the second scheduling cycle of Slurm, 60 s each at most.
REQUEUE_S = 60.0
# assumed: an instance starts, boots and joins the queue within half of ParallelCluster's bootstrap timeout of 2,100 s.
REPLACEMENT_S = 1050.0
# assumed: interpreter, imports, CUDA contexts and data index of one process.
IMPORT_S = 60.0
# assumed: rendezvous and communicators: a fixed part and one per GPU (half a minute at 10,000 GPUs).
INIT_S = 10.0
INIT_GPU_S = 0.002
# What a job costs that a person restarts: an hour at worst (AWS on HyperPod checkpointless recovery, "up to 1 h").
MANUAL_S = 3600.0


@dataclass(slots=True, eq=False, repr=False)
class Recovery:
    """Times of one recovery, s, each a number or shape [n]; the user's own replace any of them."""

    detection_s: float = DETECTION_S
    requeue_s: float = REQUEUE_S
    replacement_s: float = REPLACEMENT_S
    import_s: float = IMPORT_S
    init_s: float = INIT_S
    init_gpu_s: float = INIT_GPU_S


def init_s(recovery: Recovery, gpus: FloatArray) -> FloatArray:
    """Communicators of a job: fixed + per GPU x GPUs, s. Source: assumed, see `INIT_S`."""
    return recovery.init_s + recovery.init_gpu_s * np.asarray(gpus, dtype=np.float64)


def restart_s(recovery: Recovery, gpus: FloatArray, load_s: FloatArray) -> FloatArray:
    """From failure to training on nodes that stand ready: detection + requeue + imports + init(GPUs) + load, s.

    gpus, load_s (the checkpoint read by all ranks): shape [n]. Valid: automated restart.
    """
    return recovery.detection_s + recovery.requeue_s + recovery.import_s + init_s(recovery, gpus) + load_s


def effective_s(short_s: FloatArray, wait_s: FloatArray, share: FloatArray, mtbf_s: FloatArray) -> FloatArray:
    """One recovery time that stands for two: R - M ln(1 - w + w e^(-W / M)), s; exact in `goodput`.

    R: short_s without waiting, W: wait_s more in a share w of the cases, M: mtbf_s. A recovery succeeds when no failure
    falls into it; what is averaged is that probability, not the time.
    """
    return short_s - mtbf_s * np.log1p(share * np.expm1(-wait_s / mtbf_s))
