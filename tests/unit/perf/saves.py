"""Checkpoints on each kind of storage: what holds the constants of storage to measured stalls, drains and loads.

Puts together `perf.store.storage` and `perf.store.lustre`. Writers are processes, one per GPU for sharded checkpoints
and one for a consolidated file. On local targets a save is safe from a lost process at once and durable after its
drain.
Valid: as in `perf.store.storage`; on local targets each client reloads what it wrote, and data-parallel replicas that
share a deduplicated shard get it over EFA, which is fast beside the disks and is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.result import FloatArray
from fmctl.domain.storage import LustreConfig, S3Bucket
from fmctl.perf.store import lustre, storage
from fmctl.perf.store.lustre import NAN, TIERS, LustreRates, TierSpec, lustre_client_bytes_per_s, server_tib, tier_rates
from fmctl.perf.store.storage import S3_CLIENT_BYTES_PER_S, S3_GET_PER_S, ClientLimits

# Share of the EFA rate that point-to-point copies reach: that of pipeline sends, perf.ops.collectives.
PEER_SHARE = 0.85
S3_FIRST_BYTE_S = 0.2  # the upper end of 100-200 ms (S3 User Guide)
# Intelligent-Tiering, per step of 4,000 MB/s. That writes reach the whole step is assumed.
TIERING_STEP_MB_PER_S = 4000.0
TIERING = TierSpec(12500.0, NAN, 4000.0, 4000.0, NAN, 76.8e9 / 2.0**30)
# What can be provisioned: 1,500, 3,000, 6,000 and multiples of 12,000 up to 192,000; Intelligent-Tiering has two.
METADATA_IOPS = (1500.0, 3000.0, 6000.0, *(12000.0 * step for step in range(1, 17)))
TIERING_METADATA_IOPS = (6000.0, 12000.0)


@dataclass(frozen=True, slots=True)
class PeerMemory:
    """Host memory of other instances: `copies` of each shard, on instances that do not fail together."""

    copies: int = 1


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SaveJob:
    """What is saved and loaded, arrays of shape [n].

    total_bytes: written once; read_bytes: what all ranks together read (`checkpoint.copied_bytes`); clients: EC2
    instances; processes: that serialise; interval_s: training between two saves; lost: clients that a failure takes.
    """

    total_bytes: FloatArray
    read_bytes: FloatArray
    clients: FloatArray
    processes: FloatArray
    interval_s: FloatArray
    lost: FloatArray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SaveTimes:
    """Seconds, arrays of shape [n].

    sync_stall_s, async_stall_s: training stands still. drain_s: until the checkpoint is durable, counted from the end
    of an asynchronous save's stall: the shortest interval. load_s: at the start of a job; reload_s: after a failure.
    """

    sync_stall_s: FloatArray
    async_stall_s: FloatArray
    drain_s: FloatArray
    load_s: FloatArray
    reload_s: FloatArray


def lustre_rates(config: LustreConfig) -> LustreRates:
    """Rates of one configuration. KeyError: no such deployment and tier, or a tier that cannot have EFA."""
    efa, gds = float(config.efa), float(config.gds and config.efa)
    if config.deployment == "intelligent-tiering":
        steps = np.asarray(config.throughput_mb_per_s / TIERING_STEP_MB_PER_S)
        return tier_rates(TIERING, steps, 1.0, efa, gds)
    spec = TIERS[config.deployment, config.mb_per_s_per_tib]
    step = server_tib(config.deployment, config.mb_per_s_per_tib, config.efa)
    return tier_rates(spec, np.asarray(config.capacity_tib), step, efa, gds)


def lustre_limits(fs: LustreRates, c: ClientLimits, clients: FloatArray) -> dict[str, FloatArray]:
    """Limits of reading from FSx for Lustre, bytes/s: disks (data larger than the cache), servers, clients."""
    return {
        "file system disks": fs.read_bytes_per_s,
        "file system network": fs.network_bytes_per_s,
        "client network": clients * lustre_client_bytes_per_s(fs, c),
    }


def s3_read_bytes_per_s(c: ClientLimits, clients: FloatArray, bucket: S3Bucket) -> FloatArray:
    """Downloads, bytes/s: min(clients x client limit, prefixes x 5,500 x part size). clients [n]. Source: constants."""
    requests = bucket.prefixes * S3_GET_PER_S * bucket.part_bytes
    return np.minimum(clients * min(c.ena_bytes_per_s, S3_CLIENT_BYTES_PER_S), requests)


def peer_write_bytes_per_s(c: ClientLimits, clients: FloatArray, peers: PeerMemory) -> FloatArray:
    """Shards into other instances' memory over EFA, bytes/s: clients x 0.85 EFA / copies. clients [n], 2 or more."""
    return clients * PEER_SHARE * c.efa_bytes_per_s / peers.copies


def local_reload_s(
    total_bytes: FloatArray,
    clients: FloatArray,
    lost: FloatArray,
    local_bytes_per_s: FloatArray | float,
    fetch_bytes_per_s: FloatArray | float,
) -> FloatArray:
    """Load after `lost` clients failed, s: max(own shard from local copy, lost shards from where they still are).

    Formula: max(S / n / local, lost S / n / fetch). local_bytes_per_s: of one client (NVMe or memory).
    fetch_bytes_per_s: what all replaced clients together get from peers or from durable storage. All [n].
    """
    shard = total_bytes / clients
    result: FloatArray = np.maximum(shard / local_bytes_per_s, lost * shard / fetch_bytes_per_s)
    return result


def async_stall_s(staging_s: FloatArray, write_s: FloatArray, interval_s: FloatArray) -> FloatArray:
    """Stall of an asynchronous save, s: staging + max(0, drain - interval).

    interval_s: training between the end of one stall and the next save [n]; a save waits until the one before is
    durable, because one staging buffer is kept.
    """
    return staging_s + np.maximum(0.0, write_s - interval_s)


def staging_s(job: SaveJob, c: ClientLimits) -> FloatArray:
    """GPU to host memory, s: bytes / (clients x GPUs x 1.6e9)."""
    return job.total_bytes / storage.staging_bytes_per_s(c, job.clients)


def on_lustre(fs: LustreRates, c: ClientLimits, job: SaveJob) -> SaveTimes:
    """FSx for Lustre. Loads with GPUDirect Storage pass no process; saves always do."""
    process = storage.processes_bytes_per_s(job.processes)
    write = lustre.lustre_write_bytes_per_s(fs, c, job.clients)
    read = lustre.lustre_read_bytes_per_s(fs, c, job.clients, job.total_bytes, job.read_bytes)
    readers: FloatArray = np.where(fs.gds * c.gds > 0.0, np.inf, process)
    return _shared(job, c, np.minimum(write, process), storage.load_s(job.read_bytes, read, readers))


def on_s3(bucket: S3Bucket, c: ClientLimits, job: SaveJob) -> SaveTimes:
    """S3, written and read by the processes that hold the tensors."""
    process = storage.processes_bytes_per_s(job.processes)
    write = storage.s3_write_bytes_per_s(c, job.clients, bucket)
    read = s3_read_bytes_per_s(c, job.clients, bucket)
    load = storage.load_s(job.read_bytes, read, process, first_byte_s=S3_FIRST_BYTE_S)
    return _shared(job, c, np.minimum(write, process), load)


def _shared(job: SaveJob, c: ClientLimits, write_bytes_per_s: FloatArray, load_s: FloatArray) -> SaveTimes:
    """A durable target that all clients reach: a failed job reads everything again."""
    drain, staging = storage.drain_s(job.total_bytes, write_bytes_per_s), staging_s(job, c)
    sync = storage.sync_stall_s(staging, drain)
    return SaveTimes(sync, async_stall_s(staging, drain, job.interval_s), drain, load_s, load_s)


def on_nvme(c: ClientLimits, job: SaveJob, durable: SaveTimes, fetch_bytes_per_s: FloatArray) -> SaveTimes:
    """Local NVMe, drained to a durable target behind training.

    durable: what `on_lustre` or `on_s3` says of that target. fetch_bytes_per_s: what the replaced clients read from it.
    Drain: max(NVMe write, NVMe read, durable write); the stall of a synchronous save ends with the local write.
    """
    disks = job.clients * c.nvme_write_bytes_per_s
    local = storage.drain_s(job.total_bytes, disks, storage.processes_bytes_per_s(job.processes))
    drain = np.maximum(local, np.maximum(job.total_bytes / (job.clients * c.nvme_read_bytes_per_s), durable.drain_s))
    sync = storage.sync_stall_s(staging_s(job, c), local) + np.maximum(0.0, drain - job.interval_s)
    reload = local_reload_s(job.total_bytes, job.clients, job.lost, c.nvme_read_bytes_per_s, fetch_bytes_per_s)
    behind = async_stall_s(staging_s(job, c), drain, job.interval_s)
    return SaveTimes(sync, behind, drain, durable.load_s, reload)


def on_peers(peers: PeerMemory, c: ClientLimits, job: SaveJob, durable: SaveTimes) -> SaveTimes:
    """Memory of other instances over EFA, drained to a durable target behind training.

    A synchronous save ends when the peers have it: max(staging, copy). Replaced clients fetch their shards from peers.
    """
    copy = job.total_bytes / peer_write_bytes_per_s(c, job.clients, peers)
    drain = np.maximum(copy, durable.drain_s)
    staging = staging_s(job, c)
    sync = storage.sync_stall_s(staging, copy) + np.maximum(0.0, drain - job.interval_s)
    fetch = np.maximum(job.lost, 1.0) * PEER_SHARE * c.efa_bytes_per_s
    to_gpus = c.gpus * storage.STAGING_BYTES_PER_S
    reload = local_reload_s(job.total_bytes, job.clients, job.lost, to_gpus, fetch)
    return SaveTimes(sync, async_stall_s(staging, drain, job.interval_s), drain, durable.load_s, reload)
