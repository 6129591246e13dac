"""Which layouts Megatron-Core can run."""

from __future__ import annotations

from fmctl.domain.framework import Limits
from fmctl.domain.layout import ContextComm, Precision, Recompute

LIMITS = Limits(
    schedules=("1f1b", "interleaved"),
    shardings=("none", "zero1", "zero3"),
    recomputes=Recompute.labels(),
    cp_comms=ContextComm.labels(),
    precisions=Precision.labels(),
    sequence_parallel=True,
    uneven_stages=True,
    expert_tp=True,
    partial="chunks",
    replicas="ranks",
    whole_alone=False,
    alike_chunks=False,
    data_groups=False,
)
