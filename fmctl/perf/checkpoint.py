"""Checkpoint size and the time of a plain, synchronous save."""

from __future__ import annotations

from functools import lru_cache

from fmctl.domain.model import ModelArch
from fmctl.domain.result import FloatArray
from fmctl.perf.counts import parameters

# Weights in bf16 (2) with fp32 master weights and two Adam moments (12): 14 bytes per parameter. Published benchmark
# checkpoints (8B 105, 70B 912, 405B 5,290 GiB) agree within 1 % when read as GiB. Source: MLPerf Storage v2 rules.
BYTES_PER_PARAM = 14.0
# What one node writes to FSx for Lustre without EFA: 100 Gbit/s (FSx for Lustre user guide, per-client limit).
CLIENT_BYTES_PER_S = 12.5e9


@lru_cache(maxsize=256)
def checkpoint_bytes(arch: ModelArch) -> float:
    """Bytes of a full training checkpoint, deduplicated over data-parallel replicas: 14 x parameters."""
    count = parameters(arch)
    return BYTES_PER_PARAM * float(count.total + count.mtp)


def save_s(total_bytes: float, clients: FloatArray) -> FloatArray:
    """Time for all instances to write their share at the per-client limit, s; the file system is assumed wide enough.

    clients: instances (an UltraServer counts its members), shape [n].
    """
    return total_bytes / (clients * CLIENT_BYTES_PER_S)
