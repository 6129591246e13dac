"""The cheapest FSx for Lustre file system that takes a checkpoint in time, and when local disks do better.

Capacity follows in closed form from what is asked (bytes held, bytes per second, TCP flows), and is rounded up to what
is on sale, for every tier at once; the cheapest tier with a known price wins. Only the baseline counts, no burst, and
no GPUDirect Storage: saves pass through host memory.

Scratch file systems are not chosen: a failed server loses their data, checkpoints among them.
Source: `perf.store.lustre`; prices by `pricing/storage.csv`, USD per GB-month (FSx: of provisioned capacity, 2^30 B).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmctl.domain.result import FloatArray
from fmctl.domain.storage import GIB_PER_TIB, Deployment, LustreConfig, S3Bucket
from fmctl.perf.store import lustre, storage
from fmctl.perf.store.lustre import LustreRates, TierSpec
from fmctl.perf.store.storage import ClientLimits

Prices = Mapping[str, float | None]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]
# assumed: how full a file system may get; Lustre slows down and runs out of single targets well before 100 %.
FULL_SHARE = 0.85
GIB = 2.0**30


@dataclass(frozen=True, slots=True)
class Store:
    """A kind of file system that can be bought. assumed: EFA itself costs nothing."""

    item: str  # its name in the price table: USD per GB-month of what is provisioned
    deployment: Deployment
    tier: TierSpec  # per TiB
    step_tib: float  # one server, and the step in which it is sold
    mb_per_s_per_tib: int  # how it is asked for
    efa: bool

    def rates(self, capacity_tib: FloatArray) -> LustreRates:
        """What so many TiB of it give. GPUDirect Storage is left out: saves pass through host memory."""
        return lustre.tier_rates(self.tier, capacity_tib, self.step_tib, float(self.efa), 0.0)


def persistent(mb_per_s_per_tib: int, efa: bool) -> Store:
    """A tier of persistent-2."""
    tier = lustre.TIERS["persistent-2", mb_per_s_per_tib]
    step_tib = lustre.server_tib("persistent-2", mb_per_s_per_tib, efa)
    item = f"fsx-lustre/persistent-2-{mb_per_s_per_tib}"
    return Store(item, "persistent-2", tier, step_tib, mb_per_s_per_tib, efa)


# What is compared, in this order: a further kind of file system is one entry, and the price of its item.
OPTIONS: tuple[Store, ...] = tuple(persistent(tier, efa) for efa in (False, True) for tier in (125, 250, 500, 1000))


@dataclass(slots=True, eq=False, repr=False)
class Need:
    """What is asked of a file system: arrays of shape [n]."""

    total_bytes: FloatArray  # one checkpoint
    kept_bytes: FloatArray  # everything that lies there
    clients: FloatArray  # EC2 instances that write
    processes: FloatArray  # that serialise, one per GPU for sharded checkpoints, 1 for a consolidated file
    allowed_s: FloatArray  # the longest write; NaN where no file system will do


def async_allowed_s(share: FloatArray, interval_s: FloatArray, staging_s: FloatArray) -> FloatArray:
    """Longest write of an asynchronous save: the interval, so that no save waits for the one before; NaN as above."""
    stall_s = storage.longest_stall_s(share, interval_s)
    result: FloatArray = np.where(staging_s <= stall_s, interval_s, np.nan)
    return result


@dataclass(slots=True, eq=False, repr=False)
class LustreChoice:
    """The cheapest option per row: index into OPTIONS (-1: none), TiB, USD per month and write time, NaN where none."""

    option: IntArray
    capacity_tib: FloatArray
    usd_per_month: FloatArray
    write_s: FloatArray
    unpriced: tuple[str, ...]  # items that could not be compared, because no price is on file

    def config(self, row: int) -> LustreConfig | None:
        """What to create for one row; None where nothing priced is fast enough."""
        if self.option[row] < 0:
            return None
        chosen = OPTIONS[self.option[row]]
        tib = round(float(self.capacity_tib[row]), 1)  # 6 x 2.4 is 14.399...
        return LustreConfig(chosen.deployment, tib, chosen.mb_per_s_per_tib, efa=chosen.efa)

    def word(self) -> str:
        """What the choice leaves out, as a sentence; empty where every tier has a price."""
        return f"no price on file for {', '.join(self.unpriced)}: not compared" if self.unpriced else ""


def wanted_tib(option: Store, need: Need, c: ClientLimits) -> FloatArray:
    """Capacity an option needs, TiB: max(bytes held / 0.85, rate / tier, TCP servers x step); inf: no size will do."""
    rate = need.total_bytes / need.allowed_s
    over_efa = option.efa and c.lustre_efa > 0.0
    flows = np.ceil(rate / need.clients / lustre.TCP_FLOW_BYTES_PER_S)
    for_flows = np.where((flows > 1) & (not over_efa), flows * option.step_tib, 0.0)
    held = need.kept_bytes / (FULL_SHARE * GIB_PER_TIB * GIB)
    enough = np.maximum(np.maximum(held, rate / (option.tier.write * lustre.MB)), for_flows)
    result: FloatArray = np.where(_reachable(option, need, c), enough, np.inf)
    return result


def _reachable(option: Store, need: Need, c: ClientLimits) -> BoolArray:
    """Whether clients and processes can write in time to a file system as wide as need be; 1,024 EFA connections."""
    rate = need.total_bytes / need.allowed_s
    wide = lustre.LustreRates(*(np.asarray(np.inf),) * 7, efa=float(option.efa), gds=0.0)
    network = need.clients * lustre.lustre_client_bytes_per_s(wide, c)
    enough = np.minimum(network, storage.processes_bytes_per_s(need.processes)) >= rate
    crowded = (need.clients > lustre.EFA_CONNECTIONS) & (option.efa and c.lustre_efa > 0.0)
    return np.asarray(enough & ~crowded)


def option_tib(option: Store, need: Need, c: ClientLimits) -> FloatArray:
    """Capacity to buy of one option, TiB [n]: the smallest on sale that is enough."""
    return lustre.provisioned_tib(wanted_tib(option, need, c), option.step_tib)


def option_write_s(option: Store, capacity_tib: FloatArray, need: Need, c: ClientLimits) -> FloatArray:
    """Time to write one checkpoint to a capacity of one option, s [n]: bytes / rate of `perf.store.lustre`."""
    write = lustre.lustre_write_bytes_per_s(option.rates(capacity_tib), c, need.clients)
    return storage.drain_s(need.total_bytes, write, storage.processes_bytes_per_s(need.processes))


def cheapest_lustre(need: Need, c: ClientLimits, prices: Prices) -> LustreChoice:
    """The cheapest priced option per row: argmin over OPTIONS of TiB x 1000 x USD per GB-month. Ties: without EFA."""
    known = [(k, o, p) for k, o in enumerate(OPTIONS) if (p := prices.get(o.item)) is not None]
    unpriced = tuple(dict.fromkeys(o.item for o in OPTIONS if prices.get(o.item) is None))
    nothing = np.full_like(need.total_bytes, np.inf, dtype=np.float64)
    index, tib, usd, write = np.full(nothing.shape, -1, dtype=np.intp), nothing, nothing, nothing
    for k, option, price in known:
        size = option_tib(option, need, c)
        cost = size * GIB_PER_TIB * price
        cheaper = cost < usd
        seconds = option_write_s(option, np.where(np.isfinite(size), size, np.nan), need, c)
        index, tib = np.where(cheaper, k, index), np.where(cheaper, size, tib)
        usd, write = np.where(cheaper, cost, usd), np.where(cheaper, seconds, write)
    none = index < 0
    tib, usd, write = (np.where(none, np.nan, column) for column in (tib, usd, write))
    return LustreChoice(index, tib, usd, write, unpriced)


@dataclass(slots=True, eq=False, repr=False)
class LocalSaves:
    """Saves to local NVMe that drain to S3 behind training: stall, drain to S3 (s), USD per month, whether it works."""

    stall_s: FloatArray
    drain_s: FloatArray
    usd_per_month: FloatArray
    works: BoolArray


def nvme_then_s3(need: Need, interval_s: FloatArray, c: ClientLimits, bucket: S3Bucket, prices: Prices) -> LocalSaves:
    """Synchronous save to NVMe, then upload: stall max(staging, NVMe write) + max(0, drain - interval).

    Works where two checkpoints (one whole, one being written) fit on the disks and the drain keeps the interval.
    A node that fails before its drain has ended loses that checkpoint: the one before counts.
    """
    with np.errstate(divide="ignore"):
        disks = need.clients * c.nvme_write_bytes_per_s
        write_s = storage.drain_s(need.total_bytes, disks, storage.processes_bytes_per_s(need.processes))
        read = need.clients * c.nvme_read_bytes_per_s
        drain_s = storage.drain_s(need.total_bytes, read, storage.s3_write_bytes_per_s(c, need.clients, bucket))
    staging_s = need.total_bytes / storage.staging_bytes_per_s(c, need.clients)
    stall_s = storage.sync_stall_s(staging_s, write_s) + np.maximum(0.0, drain_s - interval_s)
    fits = 2.0 * need.total_bytes <= FULL_SHARE * c.nvme_bytes * need.clients
    return LocalSaves(stall_s, drain_s, s3_usd_per_month(need.kept_bytes, prices), fits & (drain_s <= interval_s))


def local_beats(local: LocalSaves, lustre_stall_s: FloatArray, choice: LustreChoice) -> BoolArray:
    """Whether NVMe + S3 stalls no longer and costs less per month; True where it works and no Lustre does.

    An unknown S3 price beats nothing that has a price.
    """
    better = (local.stall_s <= lustre_stall_s) & (local.usd_per_month < choice.usd_per_month)
    return np.asarray(local.works & (better | (choice.option < 0)))


def s3_usd_per_month(kept_bytes: FloatArray, prices: Prices) -> FloatArray:
    """S3 Standard, USD per month: GB in each price band x its price (first 50 TB, next 450, over 500); NaN unknown.

    A GB is 2^30 bytes, a TB 1,024 of them. Requests are not in it: no price is on file.
    """
    gb = kept_bytes / GIB
    edges = (0.0, 50.0 * 1024.0, 500.0 * 1024.0, np.inf)
    items = ("s3/standard-first-50tb", "s3/standard-next-450tb", "s3/standard-over-500tb")
    total = np.zeros_like(gb)
    for item, low, high in zip(items, edges[:-1], edges[1:], strict=True):
        price = prices.get(item)
        inside = np.clip(gb, low, high) - low
        total = total + np.where(inside > 0.0, inside * (np.nan if price is None else price), 0.0)
    return total
