"""Which layouts nanotron can run."""

from __future__ import annotations

from fmctl.domain.framework import Limits

LIMITS = Limits(
    schedules=("1f1b",),
    shardings=("none", "zero1"),
    recomputes=("none", "full"),
    cp_comms=("ring",),
    precisions=("bf16",),
    sequence_parallel=True,
    uneven_stages=True,
    expert_tp=False,
    partial="none",
    replicas="none",
    whole_alone=False,
    alike_chunks=False,
    data_groups=False,
)
