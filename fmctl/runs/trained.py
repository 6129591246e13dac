"""How a run trains, whoever sells the nodes: failures, saves and the file system for them, time, power, data reading.

One instance type, with node counts and step times as columns [n].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance
from fmctl.domain.model import ModelArch
from fmctl.domain.result import FloatArray
from fmctl.domain.run import RunRequest
from fmctl.domain.storage import S3Bucket
from fmctl.perf.layer.counts import parameters
from fmctl.perf.run import carbon, energy, finish, goodput, recovery, reliability
from fmctl.perf.run.goodput import Process
from fmctl.perf.run.reliability import Rate
from fmctl.perf.store import reading, saving, storage
from fmctl.perf.store.checkpoint import StateFormat, contents
from fmctl.perf.store.saving import Saving, SavingJob
from fmctl.perf.store.sizing import Prices

PERCENTILES = (10.0, 50.0, 90.0)
HOUR_S = 3600.0
_DAY_S = 24.0 * HOUR_S


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rows:
    """Clusters of one instance type, [n]: nodes, step time with its 80 % interval, steps, power of a node in a step."""

    nodes: FloatArray
    step_s: FloatArray
    step_low_s: FloatArray
    step_high_s: FloatArray
    steps: FloatArray
    copies: FloatArray  # data-parallel copies of the weights that are read back (1 under ZeRO-3)
    node_w: FloatArray

    @property
    def work_s(self) -> FloatArray:
        """Training alone, s."""
        return self.steps * self.step_s


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Setting:
    """What all rows share."""

    arch: ModelArch
    instance: Instance
    framework: Framework
    tokens: float
    request: RunRequest
    # of one node, the least that is known, None where no price is: file systems are sized by it, once for all ways to
    # buy
    node_usd_per_h: float | None
    storage_prices: Prices  # USD per GB-month


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Trained:
    """Runs before they are bought, [n]."""

    setting: Setting
    rows: Rows
    rate: Rate
    job: SavingJob
    saving: Saving
    start_s: FloatArray  # from the first node to the first step
    train_s: FloatArray  # from the first node to the last save, P10, P50 and P90, [n, 3]
    power: carbon.Range  # of all nodes over the run, W
    reading: reading.ReadingBound


def train(setting: Setting, rows: Rows) -> Trained:
    """How all rows train."""
    job, rate = _job(setting, rows)
    saved = _saving(setting, rows, job)
    p, work_s = _capped(saved.process, rows.work_s), rows.work_s
    start_s = recovery.REPLACEMENT_S + recovery.restart_s(recovery.Recovery(detection_s=0.0), job.gpus, saved.load_s)
    sigma = finish.step_sigma(rows.step_low_s, rows.step_high_s)
    shape = np.broadcast_to(rate.shape, work_s.shape)
    train_s = finish.finish_s(p, work_s, shape, sigma, PERCENTILES) + start_s[:, None]
    saved, power = replace(saved, process=p), _power(setting, rows, p)
    return Trained(setting, rows, rate, job, saved, start_s, train_s, power, _reading(setting, rows, job))


def _job(setting: Setting, rows: Rows) -> tuple[SavingJob, Rate]:
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


def _capped(p: Process, work_s: FloatArray) -> Process:
    """Jobs that hardly fail save at the end all the same: no interval is longer than the work."""
    return replace(p, interval_s=np.minimum(p.interval_s, np.maximum(work_s, p.drain_s)))


def _saving(setting: Setting, rows: Rows, job: SavingJob) -> Saving:
    """Of the drains that are looked at the one that costs least, file system and lost time of the nodes together."""
    limits = storage.client_limits(setting.instance)
    best: Saving | None = None
    least = np.full(rows.nodes.shape, np.inf)
    for drain_s in saving.DRAINS_S:
        one = saving.saving(job, limits, setting.storage_prices, drain_s)
        score = rows.work_s / HOUR_S / np.maximum(one.goodput, 1e-9)
        if setting.node_usd_per_h is not None:  # else time is all that is left to compare
            score = score * (setting.node_usd_per_h * rows.nodes + one.choice.usd_per_month / 730.0)
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


def _power(setting: Setting, rows: Rows, p: Process) -> carbon.Range:
    """Power of all nodes over the run, W: steps draw one power, saves, recoveries and spares another."""
    instance = setting.instance
    idle_w = np.asarray(energy.idle_w(energy.nameplate_w(instance)))
    busy_w = energy.run_power_w(rows.node_w, idle_w, goodput.waiting_share(p))
    total_w = busy_w * rows.nodes + idle_w * setting.request.spares
    low, high = energy.power_ends(instance.accelerator.architecture)
    return carbon.Range(total_w, total_w * low, total_w * high)


def stored_bytes(setting: Setting) -> float:
    """Bytes of stored training data per token: the user's, else a token id."""
    own = setting.request.bytes_per_token
    return float(reading.token_id_bytes(np.asarray(float(setting.arch.vocab)))) if own is None else own


def _reading(setting: Setting, rows: Rows, job: SavingJob) -> reading.ReadingBound:
    """Training data out of S3 by every instance, against the limits of S3 and of its clients."""
    limits = storage.client_limits(setting.instance)
    each = np.asarray(stored_bytes(setting))
    tokens_per_s = setting.tokens / rows.work_s
    demand = reading.text_bytes_per_s(tokens_per_s, each)
    return reading.reading_bound(demand, reading.s3_limits(limits, job.clients, S3Bucket(prefixes=16)))
