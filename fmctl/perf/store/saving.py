"""How a run saves: for a longest drain the cheapest file system, and the stall, interval, load and goodput that follow.

Saves are asynchronous: training waits for the copy to host memory, and the file system takes the rest behind it. A
longer drain buys a smaller file system and loses more work at a failure: whoever pays weighs the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.result import FloatArray
from fmctl.domain.storage import GIB_PER_TIB, S3Bucket
from fmctl.perf.run import goodput, recovery, spares
from fmctl.perf.run.goodput import Process
from fmctl.perf.run.recovery import Recovery
from fmctl.perf.run.reliability import Rate
from fmctl.perf.store import lustre, sizing, storage
from fmctl.perf.store.checkpoint import Contents, copied_bytes
from fmctl.perf.store.sizing import OPTIONS, LustreChoice, Prices
from fmctl.perf.store.storage import ClientLimits

# Longest drains that are looked at, s: from what keeps up with a checkpoint every five minutes to one every four hours.
DRAINS_S = (300.0, 600.0, 1200.0, 2400.0, 4800.0, 14400.0)


@dataclass(slots=True, eq=False, repr=False)
class SavingJob:
    """A job that saves, [n]: what a checkpoint holds, copies of weights that are read, instances, GPUs, spare nodes."""

    contents: Contents
    weight_copies: FloatArray
    clients: FloatArray
    gpus: FloatArray
    nodes: FloatArray  # units that are replaced
    rate: Rate  # interruptions of the job
    spares: int
    kept: float  # checkpoints that stay
    share: float  # most of the wall time that saves may take

    @property
    def total_bytes(self) -> FloatArray:
        """One checkpoint, written once."""
        return np.broadcast_to(np.asarray(self.contents.total_bytes, np.float64), self.clients.shape)

    @property
    def read_bytes(self) -> FloatArray:
        """What all ranks together read of it."""
        return np.broadcast_to(copied_bytes(self.contents, self.weight_copies, 1.0), self.clients.shape)


@dataclass(slots=True, eq=False, repr=False)
class Saving:
    """How the job saves, [n]."""

    process: Process  # at the interval of the largest goodput that the drain allows
    goodput: FloatArray
    load_s: FloatArray
    short_s: FloatArray  # recovery on nodes that stand ready
    choice: LustreChoice
    disks: sizing.LocalSaves  # local NVMe drained to S3
    disks_win: sizing.BoolArray  # whether it stalls no longer and costs less


def saving(job: SavingJob, limits: ClientLimits, prices: Prices, drain_s: float) -> Saving:
    """The cheapest file system that drains a checkpoint in `drain_s`, and what it makes of the job."""
    drains = np.full(job.clients.shape, drain_s)
    staging_s = job.total_bytes / storage.staging_bytes_per_s(limits, job.clients)
    allowed_s = sizing.async_allowed_s(np.asarray(job.share), drains, staging_s)
    need = sizing.Need(job.total_bytes, job.total_bytes * job.kept, job.clients, job.gpus, allowed_s)
    choice = sizing.cheapest_lustre(need, limits, prices)
    load_s = _load_s(job, limits, choice)
    mtbf_s = goodput.mtbf_s(job.rate.per_h)
    short_s = recovery.restart_s(Recovery(), job.gpus, load_s)
    whole_s = spares.recovery_s(short_s, np.full_like(short_s, recovery.REPLACEMENT_S), mtbf_s)[..., job.spares]
    process = goodput.best_process(staging_s, choice.write_s, mtbf_s, whole_s)
    bucket = S3Bucket(prefixes=16)
    disks = sizing.nvme_then_s3(need, process.interval_s, limits, bucket, prices)
    win = sizing.local_beats(disks, staging_s, choice)
    return Saving(process, goodput.goodput(process), load_s, short_s, choice, disks, win)


def _load_s(job: SavingJob, limits: ClientLimits, choice: LustreChoice) -> FloatArray:
    """Reading a checkpoint back from the file system that was chosen, s; NaN where none was."""
    found = np.full(job.clients.shape, np.nan)
    process = storage.processes_bytes_per_s(job.gpus)
    for index in np.unique(choice.option[choice.option >= 0]):
        option = OPTIONS[int(index)]
        fs = option.rates(choice.capacity_tib)
        read = lustre.lustre_read_bytes_per_s(fs, limits, job.clients, job.total_bytes, job.read_bytes)
        found = np.where(choice.option == index, storage.load_s(job.read_bytes, read, process), found)
    return found


def gib(choice: LustreChoice, index: int) -> FloatArray:
    """GiB of one option per row, 0 where another was chosen."""
    chosen = choice.option == index
    return np.asarray(np.where(chosen, np.where(chosen, choice.capacity_tib, 0.0) * GIB_PER_TIB, 0.0))
