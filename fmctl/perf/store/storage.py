"""What clients write and read per second on disks and S3, and the stall, drain and load times that follow.

A save has three legs: GPU memory to host memory (staging), host memory to the target (drain), and, where the target is
local, target to durable storage. A synchronous save stalls training for the slowest of its legs, an asynchronous one
for the staging and for whatever of the save before is not yet drained.

Valid: shards of equal size on all clients; large sequential files. FSx for Lustre is in `perf.store.lustre`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.hardware import Instance
from fmctl.domain.result import FloatArray
from fmctl.domain.storage import NvmeDisks, S3Bucket

# GPU to host memory for an asynchronous save, per GPU: pageable copies and the planning around them. Fitted on one row
# (PyTorch blog on asynchronous checkpointing, 2024: a 7B model stalls for 6.3 s), read as 12 bytes per parameter on 8
# GPUs, which the row does not state.
STAGING_BYTES_PER_S = 1.6e9
# One process that serialises or deserialises tensors through host memory. Fitted on one row: 800 GB of weights on the
# ordinary CPU path load in 10 to 20 minutes (AWS Machine Learning blog, 2026-06-01). Taken for writing too.
PROCESS_BYTES_PER_S = 0.9e9
# assumed: one local NVMe disk, sequential; AWS publishes sizes and no sequential rates.
NVME_READ_BYTES_PER_S = 2.0e9
NVME_WRITE_BYTES_PER_S = 1.0e9
# S3: at least so many requests per second and partitioned prefix (S3 User Guide, optimizing performance).
S3_PUT_PER_S = 3500.0
S3_GET_PER_S = 5500.0
# What AWS's CRT client aims at on p5.48xlarge, 400 Gbit/s: a client setting that stands for the limit of one client.
S3_CLIENT_BYTES_PER_S = 50e9
# assumed: every type has one 100 Gbit/s card at least; where ENA is not published, rates are lower bounds.
LEAST_ENA_BYTES_PER_S = 12.5e9
# assumed: EFA of the first generation (Nitro v3) does not mount file systems over EFA.
OLD_EFA = "1"


@dataclass(slots=True, eq=False, repr=False)
class ClientLimits:
    """What one EC2 instance (a member of an UltraServer) can move, bytes/s in one direction, and what it holds."""

    gpus: float
    ram_bytes: float
    ena_bytes_per_s: float
    efa_bytes_per_s: float
    nvme_read_bytes_per_s: float
    nvme_write_bytes_per_s: float
    nvme_bytes: float
    lustre_efa: float  # with gds: 1.0 where FSx for Lustre may be mounted over EFA, and with GPUDirect Storage
    gds: float


def nvme_disks(instance: Instance) -> NvmeDisks:
    """Local disks of one member of `instance`."""
    members = instance.member_count
    return NvmeDisks(instance.nvme_disks // members, instance.nvme_bytes / members)


def client_limits(instance: Instance) -> ClientLimits:
    """Limits of one member of `instance`; an ENA rate nobody publishes is taken as 100 Gbit/s. Sources: constants."""
    members = float(instance.member_count)
    ena = LEAST_ENA_BYTES_PER_S if instance.ena_bits_per_s is None else instance.ena_bits_per_s / 8.0 / members
    local = nvme_disks(instance)
    return ClientLimits(
        gpus=instance.gpus / members,
        ram_bytes=instance.ram_bytes / members,
        ena_bytes_per_s=ena,
        efa_bytes_per_s=instance.efa_bits_per_s / 8.0 / members,
        nvme_read_bytes_per_s=local.disks * NVME_READ_BYTES_PER_S,
        nvme_write_bytes_per_s=local.disks * NVME_WRITE_BYTES_PER_S,
        nvme_bytes=local.total_bytes,
        lustre_efa=float(instance.efa_bits_per_s > 0.0 and instance.efa_version != OLD_EFA),
        gds=float(instance.fabric.gds),
    )


def staging_bytes_per_s(c: ClientLimits, clients: FloatArray) -> FloatArray:
    """GPU to host memory of all clients, bytes/s: clients x GPUs x 1.6e9. clients [n]. Source: STAGING_BYTES_PER_S."""
    return clients * c.gpus * STAGING_BYTES_PER_S


def processes_bytes_per_s(processes: FloatArray) -> FloatArray:
    """Serialisation, bytes/s: processes x 0.9e9; one process writes a consolidated file. Source: the constant."""
    return processes * PROCESS_BYTES_PER_S


def s3_write_bytes_per_s(c: ClientLimits, clients: FloatArray, bucket: S3Bucket) -> FloatArray:
    """Uploads, bytes/s: min(clients x client limit, prefixes x 3,500 x part size). clients [n]. Source: constants."""
    requests = bucket.prefixes * S3_PUT_PER_S * bucket.part_bytes
    return np.minimum(clients * min(c.ena_bytes_per_s, S3_CLIENT_BYTES_PER_S), requests)


def drain_s(total_bytes: FloatArray, *rates_bytes_per_s: FloatArray) -> FloatArray:
    """Time of pipelined legs, s: bytes / slowest rate. The shortest interval between saves that the target keeps."""
    return total_bytes / _slowest(rates_bytes_per_s)


def load_s(read_bytes: FloatArray, *rates_bytes_per_s: FloatArray, first_byte_s: float = 0.0) -> FloatArray:
    """Load, s: first byte + bytes / slowest rate of storage, network and processes.

    read_bytes: what all ranks together ask for (`checkpoint.copied_bytes`), at the start and after a failure alike.
    GPUDirect Storage passes no process. first_byte_s: S3_FIRST_BYTE_S for S3.
    """
    return first_byte_s + read_bytes / _slowest(rates_bytes_per_s)


def _slowest(rates_bytes_per_s: tuple[FloatArray, ...]) -> FloatArray:
    """Of rates in a row, the smallest per element."""
    slowest = rates_bytes_per_s[0]
    for rate in rates_bytes_per_s[1:]:
        slowest = np.minimum(slowest, rate)
    return slowest


def sync_stall_s(staging_s: FloatArray, write_s: FloatArray) -> FloatArray:
    """Stall of a synchronous save, s: max(staging, write): copy and write of successive tensors overlap."""
    return np.maximum(staging_s, write_s)


def stall_share(stall_s: FloatArray, interval_s: FloatArray) -> FloatArray:
    """Share of wall time lost to saves: stall / (interval + stall), the interval being training alone."""
    return stall_s / (interval_s + stall_s)


def longest_stall_s(share: FloatArray, interval_s: FloatArray) -> FloatArray:
    """The stall that a target share allows, s: interval x share / (1 - share). Inverse of `stall_share`."""
    return interval_s * share / (1.0 - share)
