"""Which layouts Composer can run."""

from __future__ import annotations

from fmctl.domain.framework import Limits
from fmctl.domain.layout import Recompute

LIMITS = Limits(
    schedules=("1f1b",),
    shardings=("none", "zero2", "zero3"),
    recomputes=Recompute.labels(),
    cp_comms=(),
    precisions=("bf16", "fp8"),
    sequence_parallel=False,
    uneven_stages=False,
    expert_tp=False,
    partial="any",
    replicas="ranks",
    whole_alone=False,
    alike_chunks=False,
    data_groups=False,
    pipeline=False,
    tensor=False,
)
