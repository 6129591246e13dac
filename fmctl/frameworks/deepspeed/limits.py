"""Which layouts DeepSpeed can run."""

from __future__ import annotations

from fmctl.domain.framework import Limits
from fmctl.domain.layout import Sharding

LIMITS = Limits(
    schedules=("1f1b",),
    shardings=Sharding.labels(),
    recomputes=("none", "full"),
    cp_comms=("all-to-all",),
    precisions=("bf16", "fp8"),
    sequence_parallel=True,
    uneven_stages=True,
    expert_tp=False,
    partial="one-stage",
    replicas="none",
    whole_alone=False,
    alike_chunks=False,
    data_groups=True,
)
