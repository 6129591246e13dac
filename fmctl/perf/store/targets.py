"""Checkpoints on one kind of storage: stall of both kinds of save, drain, load at the start, load after a failure.

Puts together `perf.storage` and `perf.lustre`. Writers are processes, one per GPU for sharded checkpoints and one for a
consolidated file. On local targets a save is safe from a lost process at once and durable after its drain.
Valid: as in `perf.storage`; on local targets each client reloads what it wrote, and data-parallel replicas that share a
deduplicated shard get it over EFA, which is fast beside the disks and is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.result import FloatArray
from fmctl.domain.storage import PeerMemory, S3Bucket
from fmctl.perf.store import lustre, storage
from fmctl.perf.store.lustre import LustreRates
from fmctl.perf.store.storage import ClientLimits


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
    read = storage.s3_read_bytes_per_s(c, job.clients, bucket)
    load = storage.load_s(job.read_bytes, read, process, first_byte_s=storage.S3_FIRST_BYTE_S)
    return _shared(job, c, np.minimum(write, process), load)


def _shared(job: SaveJob, c: ClientLimits, write_bytes_per_s: FloatArray, load_s: FloatArray) -> SaveTimes:
    """A durable target that all clients reach: a failed job reads everything again."""
    drain, staging = storage.drain_s(job.total_bytes, write_bytes_per_s), staging_s(job, c)
    sync = storage.sync_stall_s(staging, drain)
    return SaveTimes(sync, storage.async_stall_s(staging, drain, job.interval_s), drain, load_s, load_s)


def on_nvme(c: ClientLimits, job: SaveJob, durable: SaveTimes, fetch_bytes_per_s: FloatArray) -> SaveTimes:
    """Local NVMe, drained to a durable target behind training.

    durable: what `on_lustre` or `on_s3` says of that target. fetch_bytes_per_s: what the replaced clients read from it.
    Drain: max(NVMe write, NVMe read, durable write); the stall of a synchronous save ends with the local write.
    """
    disks = job.clients * c.nvme_write_bytes_per_s
    local = storage.drain_s(job.total_bytes, disks, storage.processes_bytes_per_s(job.processes))
    drain = np.maximum(local, np.maximum(job.total_bytes / (job.clients * c.nvme_read_bytes_per_s), durable.drain_s))
    sync = storage.sync_stall_s(staging_s(job, c), local) + np.maximum(0.0, drain - job.interval_s)
    reload = storage.local_reload_s(job.total_bytes, job.clients, job.lost, c.nvme_read_bytes_per_s, fetch_bytes_per_s)
    behind = storage.async_stall_s(staging_s(job, c), drain, job.interval_s)
    return SaveTimes(sync, behind, drain, durable.load_s, reload)


def on_peers(peers: PeerMemory, c: ClientLimits, job: SaveJob, durable: SaveTimes) -> SaveTimes:
    """Memory of other instances over EFA, drained to a durable target behind training.

    A synchronous save ends when the peers have it: max(staging, copy). Replaced clients fetch their shards from peers.
    """
    copy = job.total_bytes / storage.peer_write_bytes_per_s(c, job.clients, peers)
    drain = np.maximum(copy, durable.drain_s)
    staging = staging_s(job, c)
    sync = storage.sync_stall_s(staging, copy) + np.maximum(0.0, drain - job.interval_s)
    fetch = np.maximum(job.lost, 1.0) * storage.PEER_SHARE * c.efa_bytes_per_s
    to_gpus = c.gpus * storage.STAGING_BYTES_PER_S
    reload = storage.local_reload_s(job.total_bytes, job.clients, job.lost, to_gpus, fetch)
    return SaveTimes(sync, storage.async_stall_s(staging, drain, job.interval_s), drain, durable.load_s, reload)
