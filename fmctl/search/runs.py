"""Whole runs: step time, failures, checkpoints, purchase, money and energy of many clusters at once.

One instance type bought in one way, with node counts and step times as columns [n]. Wall time rises with step time, all
else equal, so that the fastest layout of a cluster is the best for every way to buy it: layouts are searched once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from fmctl.buying.bills import Bill
from fmctl.buying.blocks import MOST_IN_ORGANISATION, next_start
from fmctl.buying.durations import Chains, chains
from fmctl.buying.lines import Hours, Parts, bill, block_hours
from fmctl.buying.offers import BLOCK, Offer
from fmctl.domain.block_end import taken_down
from fmctl.domain.framework import Framework
from fmctl.domain.grid import Grid
from fmctl.domain.hardware import Instance
from fmctl.domain.model import ModelArch
from fmctl.domain.result import FloatArray
from fmctl.domain.run import RunRequest
from fmctl.domain.storage import S3Bucket
from fmctl.perf import carbon, energy, finish, goodput, reading, recovery, reliability, saving, storage
from fmctl.perf.checkpoint import StateFormat, contents
from fmctl.perf.counts import parameters
from fmctl.perf.goodput import Process
from fmctl.perf.reliability import Rate
from fmctl.perf.saving import Saving, SavingJob
from fmctl.perf.sizing import OPTIONS, Prices

PERCENTILES = (10.0, 50.0, 90.0)
HOUR_S = 3600.0
_DAY_S = 24.0 * HOUR_S


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rows:
    """Clusters of one instance type, [n]: nodes, step time with its 80 % interval, steps, power of one node in a step.

    copies: data-parallel copies of the weights that are read back (1 under ZeRO-3).
    """

    nodes: FloatArray
    step_s: FloatArray
    step_low_s: FloatArray
    step_high_s: FloatArray
    steps: FloatArray
    copies: FloatArray
    node_w: FloatArray

    @property
    def work_s(self) -> FloatArray:
        """Training alone, s."""
        return self.steps * self.step_s


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Setting:
    """What all rows share. storage_prices: USD per GB-month, by which file systems are compared."""

    arch: ModelArch
    instance: Instance
    framework: Framework
    tokens: float
    request: RunRequest
    storage_prices: Prices


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Runs:
    """Whole runs, [n] each; wall_s is [n, 3] for P10, P50 and P90, from the start of the run on.

    up_s: from the first node to the last save at P50, without a wait for the first block. sold: whether the count can
    be bought so at all. ready_s: until the first node is there.
    """

    setting: Setting
    offer: Offer
    rows: Rows
    rate: Rate
    saving: Saving
    start_s: FloatArray
    wall_s: FloatArray
    up_s: FloatArray
    bill: Bill
    high_usd: FloatArray
    footprint: carbon.Footprint
    reading: reading.ReadingBound
    chains: Chains | None
    sold: np.ndarray
    ready_s: float

    @property
    def possible(self) -> np.ndarray:
        """Rows that can be bought, saved and finished."""
        found: np.ndarray = self.sold & np.isfinite(self.wall_s[:, 1])
        return found

    @property
    def comparable_usd(self) -> FloatArray:
        """Total with unknown lines at the prices of us-east-1, USD [n]: a region must not win by what nobody knows."""
        return self.bill.total_usd + _indicative(self.bill)


def job_of(setting: Setting, rows: Rows) -> tuple[SavingJob, Rate]:
    """What fails and what is saved; the run's length, which the age of nodes needs, is taken at a goodput of 0.9."""
    instance, asked = setting.instance, setting.request
    nodes = rows.nodes
    gpus, clients = nodes * instance.gpus, nodes * instance.member_count
    run_days = rows.work_s / 0.9 / _DAY_S
    if asked.per_1000_node_days is None:
        age = np.asarray(asked.age_days)
        rate = reliability.interruption_rate(instance.accelerator.architecture, gpus, clients, age, run_days)
    else:
        own = clients * (asked.per_1000_node_days / 1000.0 / 24.0)
        rate = reliability.rate_of(own, np.asarray(np.inf))
    count = parameters(setting.arch)
    states = StateFormat(setting.framework.param_bytes, 0.0, setting.framework.optimizer_bytes)
    held = contents(float(count.total + count.mtp), gpus, states)
    job = SavingJob(held, rows.copies, clients, gpus, nodes, rate, asked.spares, float(asked.kept), asked.stall_share)
    return job, rate


def compose(setting: Setting, offer: Offer, rows: Rows, grid: Grid) -> Runs:
    """Runs of all rows, bought by one offer."""
    job, rate = job_of(setting, rows)
    saved = _saving(setting, offer, rows, job)
    p, work_s = _capped(saved.process, rows.work_s), rows.work_s
    start_s = recovery.REPLACEMENT_S + recovery.restart_s(recovery.Recovery(detection_s=0.0), job.gpus, saved.load_s)
    sigma = finish.step_sigma(rows.step_low_s, rows.step_high_s)
    shape = np.broadcast_to(rate.shape, work_s.shape)
    train_s = finish.finish_s(p, work_s, shape, sigma, PERCENTILES) + start_s[:, None]
    wall_s, found, ready_s, sold = _bought(setting, offer, rows, saved, start_s, train_s)
    hours = _hours(train_s, found, work_s, ready_s)
    bills = [_bill(setting, offer, job, saved, one) for one in hours]
    return Runs(
        setting, offer, rows, rate, replace(saved, process=p), start_s, wall_s, train_s[:, 1], bills[0],
        bills[1].total_usd, _footprint(setting, rows, p, train_s, grid), _reading(setting, rows, job), found, sold,
        ready_s,
    )  # fmt: skip


def _capped(p: Process, work_s: FloatArray) -> Process:
    """Jobs that hardly fail save at the end all the same: no interval is longer than the work."""
    return replace(p, interval_s=np.minimum(p.interval_s, np.maximum(work_s, p.drain_s)))


def _saving(setting: Setting, offer: Offer, rows: Rows, job: SavingJob) -> Saving:
    """Of the drains that are looked at the one that costs least, file system and lost time of the nodes together."""
    limits = storage.client_limits(setting.instance)
    usd_per_h = np.nan if offer.usd_per_h is None else offer.usd_per_h
    best: Saving | None = None
    least = np.full(rows.nodes.shape, np.inf)
    for drain_s in saving.DRAINS_S:
        one = saving.saving(job, limits, setting.storage_prices, drain_s)
        wall_h = rows.work_s / HOUR_S / np.maximum(one.goodput, 1e-9)
        nodes_usd = np.where(np.isnan(usd_per_h), 0.0, usd_per_h) * rows.nodes
        whole = wall_h * (nodes_usd + one.choice.usd_per_month / 730.0)
        # Without a price of the nodes time is all that is left to compare.
        score = np.where(np.isnan(usd_per_h), wall_h, whole)
        score = np.where(np.isnan(score), np.inf, score)
        best = one if best is None else _merged(best, one, score < least)
        least = np.minimum(least, score)
    assert best is not None
    return best


def _merged(a: Saving, b: Saving, take_b: np.ndarray) -> Saving:
    """Rows of b where `take_b`, of a elsewhere."""

    def pick(x: Any, y: Any) -> Any:
        if isinstance(x, np.ndarray):
            return np.where(take_b, np.broadcast_to(y, take_b.shape), np.broadcast_to(x, take_b.shape))
        if isinstance(x, tuple):
            return x
        return type(x)(*(pick(getattr(x, name), getattr(y, name)) for name in x.__dataclass_fields__))

    return Saving(*(pick(getattr(a, name), getattr(b, name)) for name in Saving.__dataclass_fields__))


def _bought(
    setting: Setting, offer: Offer, rows: Rows, saved: Saving, start_s: FloatArray, train_s: FloatArray
) -> tuple[FloatArray, Chains | None, float, np.ndarray]:
    """(wall time [n, 3] from the start that was asked for, blocks, wait for the first block s, whether it is sold)."""
    if offer.option != BLOCK:
        return train_s, None, 0.0, np.full(rows.nodes.shape, True)
    asked, members = setting.request, setting.instance.member_count
    ready_s = (next_start(asked.start) - asked.start).total_seconds()
    down_h = taken_down(members > 1).total_seconds() / HOUR_S
    # Every block begins with boot and load, and ends with a save that has become durable.
    spent_h = (start_s + saved.process.stall_s + saved.process.drain_s) / HOUR_S
    each = [
        chains(np.nan_to_num((train_s[:, i] - start_s) / HOUR_S, nan=-1.0), np.nan_to_num(spent_h), down_h,
               ahead_h=ready_s / HOUR_S, buy_later=True)
        for i in range(len(PERCENTILES))
    ]  # fmt: skip
    wall_s = np.stack([one.elapsed_h * HOUR_S + ready_s for one in each], axis=1)
    sold = (rows.nodes * members <= MOST_IN_ORGANISATION) & (each[-1].days > 0)
    return np.where(sold[:, None], wall_s, np.nan), each[-1], ready_s, sold


def _hours(train_s: FloatArray, found: Chains | None, work_s: FloatArray, ready_s: float) -> tuple[Hours, Hours]:
    """What is paid for at P50 and at P90; blocks hold the run at P90 and are paid for in any case."""
    run_h = work_s / HOUR_S
    if found is not None:
        hours = block_hours(run_h, found)
        return hours, hours
    return tuple(Hours(run_h, train_s[:, i] / HOUR_S, s3_h=train_s[:, i] / HOUR_S) for i in (1, 2))  # type: ignore[return-value]


def _bill(setting: Setting, offer: Offer, job: SavingJob, saved: Saving, hours: Hours) -> Bill:
    """All lines. The file system stands as long as the cluster; training data lie in S3 while it does."""
    systems: dict[str, FloatArray] = {}
    for index in np.unique(saved.choice.option[saved.choice.option >= 0]):
        item = OPTIONS[int(index)].item
        systems[item] = systems.get(item, 0.0) + saving.gib(saved.choice, int(index))
    data_gb = setting.tokens * float(reading.token_id_bytes(np.asarray(float(setting.arch.vocab)))) / 2.0**30
    parts = Parts(
        nodes=job.nodes, spare_nodes=float(setting.request.spares), members=setting.instance.member_count,
        arch=setting.instance.arch, file_systems=systems, s3_gb=data_gb, nat_gateways=1.0,
    )  # fmt: skip
    up_h = np.asarray(hours.before_h + hours.paid_h + hours.between_h + hours.after_h, np.float64)
    return bill(offer, parts, replace(hours, s3_h=up_h), setting.request.start.date())


def _footprint(setting: Setting, rows: Rows, p: Process, train_s: FloatArray, grid: Grid) -> carbon.Footprint:
    """Energy from the first node to the last save: steps draw one power, saves, recoveries and spares another."""
    instance = setting.instance
    idle_w = np.asarray(energy.idle_w(energy.nameplate_w(instance)))
    busy_w = energy.run_power_w(rows.node_w, idle_w, goodput.waiting_share(p))
    total_w = busy_w * rows.nodes + idle_w * setting.request.spares
    low, high = energy.power_ends(instance.accelerator.architecture)
    power = carbon.Range(total_w, total_w * low, total_w * high)
    return carbon.footprint(power, carbon.Range(train_s[:, 1], train_s[:, 0], train_s[:, 2]), grid)


def _reading(setting: Setting, rows: Rows, job: SavingJob) -> reading.ReadingBound:
    """Tokens out of S3 by every instance, against the limits of S3 and of its clients."""
    limits = storage.client_limits(setting.instance)
    each = reading.token_id_bytes(np.asarray(float(setting.arch.vocab)))
    tokens_per_s = setting.tokens / rows.work_s
    demand = reading.text_bytes_per_s(tokens_per_s, each)
    return reading.reading_bound(demand, reading.s3_limits(limits, job.clients, S3Bucket(prefixes=16)))


def _indicative(found: Bill) -> FloatArray:
    """What the lines without a price would cost in the region whose prices are on file, USD [n]."""
    there = np.where(found.unknown & ~np.isnan(found.indicative_usd), found.indicative_usd, 0.0)
    return np.asarray(there.sum(axis=0))


def begins(request: RunRequest, runs: Runs) -> datetime:
    """When the first node is there."""
    return next_start(request.start) if runs.offer.option == BLOCK else request.start
