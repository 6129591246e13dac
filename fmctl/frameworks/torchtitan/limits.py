"""Which layouts torchtitan can run."""

from __future__ import annotations

from fmctl.domain.framework import Limits
from fmctl.domain.layout import Recompute

LIMITS = Limits(
    schedules=("1f1b", "interleaved"),
    shardings=("none", "zero2", "zero3"),
    recomputes=Recompute.labels(),
    cp_comms=("ring", "all-gather"),
    precisions=("bf16", "fp8", "mxfp8"),
    sequence_parallel=True,
    uneven_stages=True,
    expert_tp=True,
    partial="every-kth",
    replicas="data",
    whole_alone=True,
    alike_chunks=True,
    data_groups=False,
    sharded_stages=True,
)
