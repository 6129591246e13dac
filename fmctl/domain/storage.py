"""Where checkpoints and data lie: file systems, disks, buckets. Nothing computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GIB_PER_TIB = 1000.0  # AWS's own: capacities of FSx are multiples of 1,200 GiB and are called 1.2 TiB
Deployment = Literal["scratch-2", "persistent-1", "persistent-2", "intelligent-tiering"]


@dataclass(frozen=True, slots=True)
class LustreConfig:
    """FSx for Lustre."""

    deployment: Deployment
    capacity_tib: float  # as AWS counts it, 1.2 TiB for 1,200 GiB
    # the throughput tier (50, 100, 200 of persistent-1; 125, 250, 500, 1000 of persistent-2; 200 of scratch-2; 0 for
    # intelligent-tiering)
    mb_per_s_per_tib: int = 0
    throughput_mb_per_s: float = 0.0  # of intelligent-tiering, whose throughput is bought apart from its capacity
    efa: bool = False  # with gds: chosen at creation, persistent-2 and intelligent-tiering only
    gds: bool = False
    metadata_iops: int = 0  # user-provisioned; 0 leaves it to AWS


@dataclass(frozen=True, slots=True)
class NvmeDisks:
    """The local disks of one instance: gone when it stops or fails."""

    disks: int
    total_bytes: float


@dataclass(frozen=True, slots=True)
class S3Bucket:
    """S3 with keys spread over `prefixes` partitioned prefixes, written and read in parts of `part_bytes`."""

    prefixes: int = 1
    part_bytes: float = 64.0 * 2**20
