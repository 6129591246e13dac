"""One whole run written out in plain Python, without a call into the model: failures, saves, finish, bill, energy.

Llama 3.1 70B for 2T tokens on 16 p5.48xlarge, bought on demand in us-east-1. The step, its interval and its power are
taken from the plan's row; everything that follows from them is worked out here, from the published figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import NormalDist
from typing import Any

import pytest

from fmctl.buying.offers import offers
from fmctl.catalog import find_price, load_instance, load_model
from fmctl.domain.result import Estimate, PlanRequest
from fmctl.domain.run import RunRequest
from fmctl.plan.rank import search

START = datetime(2027, 1, 4, tzinfo=UTC)
TOKENS, SEQ, BATCH, NODES, GPUS = 2e12, 8192, 512, 16, 128
PARAMS = 70_553_706_496
NODE_USD = 55.04  # an hour of p5.48xlarge on demand
MONTH_H = 730.0
Z80 = NormalDist().inv_cdf(0.9)
# Price per GB-month, MB/s written and over the network per TiB, TiB of a server without and with EFA.
TIERS = {125: (0.145, 125.0, 320.0, 38.4), 1000: (0.600, 1000.0, 2600.0, 4.8)}


def planned(run: RunRequest) -> Estimate:
    on, name = START.date(), "p5.48xlarge"
    sold = tuple(one for one in offers(name, "us-east-1", on) if one.option == "on-demand")
    price = find_price(name, "us-east-1", "on-demand", on)
    asked = PlanRequest(
        load_model("llama-3.1-70b"), SEQ, (load_instance(name),), (NODES,), {name: price}, global_batch=BATCH,
        tokens=TOKENS, offers={name: sold}, run=run,
    )  # fmt: skip
    return search(asked).rows[0]


@pytest.fixture(scope="module")
def row() -> Estimate:
    return planned(RunRequest(START))


@dataclass
class Saves:
    """How the job saves: on what, and how often; M is the mean time between failures, R a recovery."""

    usd_per_month: float
    tib: float
    drain: float
    stall: float
    interval: float
    mtbf: float
    recovery: float
    short: float  # a recovery on nodes that stand ready
    load: float

    @property
    def cycle(self) -> float:
        return self.interval + self.stall

    @property
    def goodput(self) -> float:
        """Saves that become durable between two failures, one by one: each lets one more interval through."""
        first = self.recovery + self.drain
        durable = sum(math.exp(-(first + k * self.cycle) / self.mtbf) for k in range(1, 40_000))
        return self.interval * durable / self.mtbf

    @property
    def trained(self) -> float:
        """Mean training from a recovery to the next failure: each cycle's training, if it is lived to see."""
        alive = sum(math.exp(-k * self.cycle / self.mtbf) for k in range(40_000))
        return self.mtbf * (1.0 - math.exp(-self.interval / self.mtbf)) * alive


CHECKPOINT = PARAMS * (2.0 + 12.0) + GPUS * (1e6 + 16e3)
# 12.629 / 3 interruptions per 1,000 days of a node of 8 GPUs; nodes are in service for 60 days and weeded.
RATE_PER_H = (6.50 + 2.34 + 3.789) / 3.0 / 1000.0 / 24.0 * NODES


def systems(longest: float) -> Iterator[tuple[float, float, float, float]]:
    """(USD per month, TiB, write s, read s) of each file system that writes a checkpoint in time."""
    rate = CHECKPOINT / longest
    held = 3.0 * CHECKPOINT / (0.85 * 1000.0 * 2.0**30)
    flows = math.ceil(rate / NODES / 0.625e9)
    for efa in (False, True):
        for usd, write, network, efa_server in TIERS.values():
            server = efa_server if efa else 2.4
            enough = max(held, rate / (write * 1e6), 0.0 if efa or flows < 2 else flows * server)
            tib = 1.2 if not efa and enough <= 1.2 else math.ceil(enough / server - 1e-9) * server
            client = 87.5e9 if efa else min(12.5e9, max(1, math.ceil(tib / server - 1e-9)) * 0.625e9)
            moved = min(tib * write * 1e6, tib * network * 1e6, NODES * client, GPUS * 0.9e9)
            yield tib * 1000.0 * usd, tib, CHECKPOINT / moved, CHECKPOINT / moved


def best_interval(stall: float, mtbf: float) -> float:
    """The root of 1 - x = e^(-x - s / M), by halving."""
    low, high = 0.0, 1.0
    for _ in range(200):
        x = (low + high) / 2.0
        low, high = (x, high) if 1.0 - x > math.exp(-x - stall / mtbf) else (low, x)
    return low * mtbf


def saves(work: float) -> Saves:
    """Of the drains that are looked at, the one whose file system and lost time cost least."""
    stall = CHECKPOINT / (GPUS * 1.6e9)
    mtbf, best, least = 3600.0 / RATE_PER_H, None, math.inf
    for longest in (300.0, 600.0, 1200.0, 2400.0, 4800.0, 14400.0):
        if stall > longest * 0.01 / 0.99:  # saves may take a hundredth of the wall time
            continue
        usd, tib, drain, load = min(systems(longest))
        # Detection, requeue, imports, communicators; where a node is broken (78 of 100) another one must boot.
        short = 150.0 + 60.0 + 60.0 + 10.0 + 0.002 * GPUS + load
        recovery = short - mtbf * math.log(1.0 - 0.78 + 0.78 * math.exp(-1050.0 / mtbf))
        interval = max(best_interval(stall, mtbf), drain)
        found = Saves(usd, tib, drain, stall, interval, mtbf, recovery, short, load)
        cost = work / 3600.0 / found.goodput * (NODE_USD * NODES + usd / MONTH_H)
        if cost < least:
            best, least = found, cost
    assert best is not None
    return best


def gamma(mean: float, shape: float, z: float) -> float:
    return mean * max(1.0 - 1.0 / (9.0 * shape) + z / (3.0 * math.sqrt(shape)), 0.0) ** 3


def finish(s: Saves, work: float, low: float, high: float) -> list[float]:
    """P10, P50 and P90 of the training time, over 509 equally likely points of rate, failures and step."""
    sigma, points = math.log(high / low) / (2.0 * Z80), []
    for i in range(509):
        rate, failures, step = (NormalDist().inv_cdf((i * g % 509 + 0.5) / 509) for g in (1, 118, 181))
        mtbf = 1.0 / max(gamma(1.0 / s.mtbf, 3.0, rate), 1e-15)
        x, y = s.cycle / mtbf, (s.recovery + s.drain) / mtbf
        whole = work * math.exp(sigma * step)
        least = whole * s.cycle / s.interval + s.drain
        per_failure = s.interval * math.exp(-y) / math.expm1(x)
        excess = max(whole / per_failure * mtbf + s.drain - least, 1e-9)
        e = math.expm1(x)
        scatter = (e - 2.0 * x + 2.0 * (1.0 - x / e)) + 2.0 * (math.expm1(y) - y) + e * math.expm1(y)
        variance = whole / s.interval * e * math.exp(y) * scatter * mtbf * mtbf
        points.append(least + gamma(excess, excess * excess / max(variance, 1e-18), failures))
    points.sort()
    found = []
    for share in (0.1, 0.5, 0.9):
        at = share * 508
        lower = points[int(at)]
        found.append(lower + (at - int(at)) * (points[int(at) + 1] - lower))
    return found


def usd(hours: float, s: Saves) -> dict[str, float]:
    """The bill of so many hours: 16 nodes and a head node of 16 vCPUs, 200 GiB of disk each, 2T token ids in S3."""
    months = hours / MONTH_H
    return {
        "compute nodes": NODES * hours * NODE_USD,
        "head node": hours * 0.768,
        "compute root volumes": NODES * 200.0 * months * 0.08,
        "head root volume": 200.0 * months * 0.08,
        "file system": s.tib * 1000.0 * months * 0.145,
        "S3 storage": TOKENS * 4.0 / 2.0**30 * months * 0.023,
        "NAT gateways": hours * 0.045,
    }


@pytest.fixture(scope="module")
def by_hand(row: Estimate) -> dict[str, Any]:
    work = TOKENS / (SEQ * BATCH) * row.terms["step_s"]
    s = saves(work)
    start = 1050.0 + 60.0 + 60.0 + 10.0 + 0.002 * GPUS + s.load  # the first boot, then as after a failure
    walls = [wall + start for wall in finish(s, work, row.terms["step_low_s"], row.terms["step_high_s"])]
    return {"work": work, "saves": s, "walls": walls, "start": start}


def test_the_file_system_and_the_saves(row: Estimate, by_hand: dict[str, Any]) -> None:
    s, found = by_hand["saves"], row.whole.checkpoints if row.whole else None
    assert found is not None
    assert found.total_bytes == pytest.approx(CHECKPOINT, rel=1e-12)
    assert (found.item, found.file_system.capacity_tib) == ("fsx-lustre/persistent-2-125", pytest.approx(s.tib))
    assert found.usd_per_month == pytest.approx(s.usd_per_month, rel=1e-9)
    assert (found.stall_s, found.drain_s, found.load_s) == pytest.approx((s.stall, s.drain, s.load), rel=1e-9)
    assert found.interval_s == pytest.approx(s.interval, rel=1e-9)


def test_the_failures(row: Estimate, by_hand: dict[str, Any]) -> None:
    s, run = by_hand["saves"], row.whole
    assert run is not None
    assert run.failures.mtbf_s == pytest.approx(s.mtbf, rel=1e-12)
    assert run.failures.recovery_s == pytest.approx(s.recovery, rel=1e-9)
    assert run.goodput.value == pytest.approx(s.goodput, rel=1e-9)
    assert run.failures.count.value == pytest.approx(RATE_PER_H * by_hand["walls"][1] / 3600.0, rel=1e-5)
    kept = s.interval * math.exp(-s.drain / s.mtbf) / math.expm1(s.cycle / s.mtbf)
    assert run.failures.lost_work_s == pytest.approx(s.trained - kept, rel=1e-6)


def test_nodes_that_are_new_fail_more_often() -> None:
    """Until 60 days are over bad nodes are still in: ln 0.86 / ln 0.96 = 3.69 times as many failures."""
    fresh = planned(RunRequest(START, age_days=20.0)).whole
    assert fresh is not None
    days = fresh.work_s / 0.9 / 86_400.0
    factor = 1.0 + (math.log(0.86) / math.log(0.96) - 1.0) * 40.0 / days
    assert fresh.failures.mtbf_s == pytest.approx(3600.0 / (RATE_PER_H * factor), rel=1e-9)


def test_the_finish(row: Estimate, by_hand: dict[str, Any]) -> None:
    run = row.whole
    assert run is not None
    assert run.work_s == pytest.approx(by_hand["work"], rel=1e-12)
    assert run.wall_s == pytest.approx(by_hand["walls"], rel=1e-5)
    ends = [START + timedelta(seconds=wall) for wall in by_hand["walls"]]
    assert all(abs((a - b).total_seconds()) < 300.0 for a, b in zip(run.finish, ends, strict=True))
    parts = dict(run.parts_s)
    s = by_hand["saves"]
    assert parts["saves"] == pytest.approx(by_hand["work"] / s.interval * s.stall, rel=1e-9)
    assert parts["start"] == pytest.approx(by_hand["start"], rel=1e-12)
    assert sum(parts.values()) == pytest.approx(run.wall_s[1], rel=1e-9)
    beside = by_hand["work"] + parts["saves"] + parts["start"]
    assert parts["failures"] == pytest.approx(run.wall_s[1] - beside, rel=1e-6)
    assert "between and in blocks" not in parts


def test_the_bill(row: Estimate, by_hand: dict[str, Any]) -> None:
    run = row.whole
    assert run is not None
    middle, late = (usd(run.wall_s[i] / 3600.0, by_hand["saves"]) for i in (1, 2))
    assert {line.name: line.usd for line in run.lines} == pytest.approx(middle, rel=1e-9)
    assert run.total_usd == pytest.approx(sum(middle.values()), rel=1e-9)
    assert run.high_usd == pytest.approx(sum(late.values()), rel=1e-9)
    # What is paid for and not trained: the same lines over the time that is not work.
    assert run.idle_usd == pytest.approx(sum(middle.values()) * (1.0 - run.work_s / run.wall_s[1]), rel=1e-9)


def test_the_energy(row: Estimate, by_hand: dict[str, Any]) -> None:
    """A node that waits draws 2,256 W in oil, 1.25 times that in air; the data centre 1.15 times all of it."""
    run, s = row.whole, by_hand["saves"]
    assert run is not None
    assert run.energy.average_t is not None
    waiting = 1.0 - math.exp(-s.recovery / s.mtbf) * s.trained / s.mtbf
    node_w = row.terms["power_w"] / NODES * (1.0 - waiting) + 2256.0 * 1.25 * waiting
    kwh = NODES * node_w * run.wall_s[1] / 3.6e6 * 1.15
    assert run.energy.kwh.value == pytest.approx(kwh, rel=1e-6)
    assert run.energy.average_t.value == pytest.approx(kwh * 396.25 / 1e6, rel=1e-6)
