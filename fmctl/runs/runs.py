"""Whole runs: what was trained, bought by an offer: calendar, bill, energy and carbon of many clusters at once.

Wall time rises with step time, all else equal, so that the fastest layout of a cluster is the best for every way to buy
it: layouts are searched once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fmctl.buying.bills import Bill
from fmctl.buying.blocks import MOST_IN_ORGANISATION, next_start
from fmctl.buying.durations import Chains, chains
from fmctl.buying.lines import Hours, Parts, bill, block_hours
from fmctl.domain.block_end import taken_down
from fmctl.domain.grid import Grid
from fmctl.domain.offer import Offer
from fmctl.domain.purchase import PURCHASES
from fmctl.domain.result import FloatArray
from fmctl.perf.run import carbon
from fmctl.perf.store import saving
from fmctl.perf.store.sizing import OPTIONS
from fmctl.runs.trained import HOUR_S, PERCENTILES, Trained, stored_bytes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Runs:
    """Whole runs, [n] each; wall_s is [n, 3] for P10, P50 and P90, from the start of the run on."""

    trained: Trained
    offer: Offer
    wall_s: FloatArray
    bill: Bill
    high_usd: FloatArray
    footprint: carbon.Footprint
    chains: Chains | None
    sold: np.ndarray  # whether the count can be bought so at all
    ready_s: float  # until the first node is there

    @property
    def possible(self) -> np.ndarray:
        """Rows that can be bought, saved and finished."""
        found: np.ndarray = self.sold & np.isfinite(self.wall_s[:, 1])
        return found

    @property
    def comparable_usd(self) -> FloatArray:
        """Total with unknown lines at the prices of us-east-1, USD [n]: a region must not win by what nobody knows."""
        there = np.where(self.bill.unknown & ~np.isnan(self.bill.indicative_usd), self.bill.indicative_usd, 0.0)
        total: FloatArray = self.bill.total_usd + there.sum(axis=0)
        return total


def compose(trained: Trained, offer: Offer, grid: Grid) -> Runs:
    """Runs of all rows, bought by one offer."""
    wall_s, found, ready_s, sold = _bought(trained, offer)
    bills = _bill(trained, offer, _hours(trained, found))
    n = len(trained.rows.nodes)
    middle = replace(
        bills, **{name: getattr(bills, name)[:, :n] for name in ("quantity", "usd", "idle_usd", "indicative_usd")}
    )
    train_s = trained.train_s
    run = carbon.Range(train_s[:, 1], train_s[:, 0], train_s[:, 2])
    footprint = carbon.footprint(trained.power, run, grid)
    return Runs(trained, offer, wall_s, middle, bills.total_usd[n:], footprint, found, sold, ready_s)


def _bought(trained: Trained, offer: Offer) -> tuple[FloatArray, Chains | None, float, np.ndarray]:
    """(wall time [n, 3] from the start that was asked for, blocks, wait for the first block s, whether it is sold)."""
    rows, train_s, start_s = trained.rows, trained.train_s, trained.start_s
    if not PURCHASES[offer.option].in_blocks:
        return train_s, None, 0.0, np.full(rows.nodes.shape, True)
    asked, members = trained.setting.request, trained.setting.instance.member_count
    ready_s = (next_start(asked.start) - asked.start).total_seconds()
    down_h = taken_down(members > 1).total_seconds() / HOUR_S
    # Every block begins with boot and load, and ends with a save that has become durable.
    p = trained.saving.process
    spent_h = np.nan_to_num((start_s + p.stall_s + p.drain_s) / HOUR_S)
    work_h = np.nan_to_num((train_s - start_s[:, None]) / HOUR_S, nan=-1.0)
    each = [
        chains(work_h[:, i], spent_h, down_h, ahead_h=ready_s / HOUR_S, buy_later=True) for i in range(len(PERCENTILES))
    ]
    wall_s = np.stack([one.elapsed_h * HOUR_S + ready_s for one in each], axis=1)
    sold = (rows.nodes * members <= MOST_IN_ORGANISATION) & (each[-1].days > 0)
    return np.where(sold[:, None], wall_s, np.nan), each[-1], ready_s, sold


def _hours(trained: Trained, found: Chains | None) -> Hours:
    """What is paid for at P50, then at P90, [2 n]; blocks hold the run at P90 and are paid for in any case."""
    run_h = np.tile(trained.rows.work_s / HOUR_S, 2)
    if found is None:
        return Hours(run_h, np.concatenate([trained.train_s[:, 1], trained.train_s[:, 2]]) / HOUR_S)
    one = block_hours(trained.rows.work_s / HOUR_S, found)
    return Hours(run_h, np.tile(one.paid_h, 2), one.before_h, np.tile(one.between_h, 2), one.after_h)


def _bill(trained: Trained, offer: Offer, hours: Hours) -> Bill:
    """All lines. The file system stands as long as the cluster; training data lie in S3 while it does."""
    setting, choice = trained.setting, trained.saving.choice
    systems: dict[str, FloatArray] = {}
    for index in np.unique(choice.option[choice.option >= 0]).tolist():
        item = OPTIONS[index].item
        systems[item] = systems.get(item, 0.0) + np.tile(saving.gib(choice, index), 2)
    data_gb = setting.tokens * stored_bytes(setting) / 2.0**30
    parts = Parts(
        nodes=np.tile(trained.job.nodes, 2), spare_nodes=float(setting.request.spares),
        members=setting.instance.member_count, arch=setting.instance.arch, file_systems=systems, s3_gb=data_gb,
        nat_gateways=1.0,
    )  # fmt: skip
    up_h = np.asarray(hours.before_h + hours.paid_h + hours.between_h + hours.after_h, np.float64)
    return bill(offer, parts, replace(hours, s3_h=up_h), setting.request.start.date())
