"""Whole runs: by hand, batch against single, monotone, and the search against loops over every layout and offer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmctl.buying.offers import offers
from fmctl.catalog import find_grid, find_price, load_instance, load_model
from fmctl.domain.layout import Layouts
from fmctl.domain.offer import Offer
from fmctl.domain.result import Estimate, PlanRequest
from fmctl.domain.run import RunRequest
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.plan import axes, space
from fmctl.plan.cluster import Cluster
from fmctl.plan.rank import search
from fmctl.plan.training import estimates
from fmctl.runs import whole
from fmctl.runs.levers import levers
from fmctl.runs.runs import Runs, compose
from fmctl.runs.trained import HOUR_S, Rows, Setting, train

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
P5 = load_instance("p5.48xlarge")
ARCH = load_model("llama-3.1-8b")
TOKENS = 1e12


def offer(option: str = "on-demand", usd: float | None = 50.0, region: str = "us-east-1") -> Offer:
    why = "" if usd is not None else "nobody knows"
    return Offer("p5.48xlarge", region, ("use1-az1",), option, usd, "listed", why, "2026-07-20", "x", "used", 0.0, "")


def setting(**changes: Any) -> Setting:
    asked = RunRequest(START, **changes)
    return Setting(ARCH, P5, FRAMEWORKS["megatron"], TOKENS, asked, 50.0, whole.storage_prices(asked))


def rows(nodes: Any, step_s: Any, steps: float = 1e5) -> Rows:
    n, step = np.broadcast_arrays(np.asarray(nodes, np.float64), np.asarray(step_s, np.float64))
    ones = np.ones_like(step)
    return Rows(n, step, step / 1.15, step * 1.15, ones * steps, ones, ones * 7000.0)


def run(found: Rows, bought: Offer | None = None, **changes: Any) -> Runs:
    return compose(train(setting(**changes), found), bought or offer(), find_grid("us-east-1"))


def test_by_hand_without_failures() -> None:
    """No failures: the time is work, saves and start; the bill is nodes x hours x rate and the lines beside it."""
    found = run(rows([8.0], [2.0]), per_1000_node_days=0.0)
    work_s = 2.0 * 1e5
    saved = found.trained.saving
    p = saved.process
    assert p.mtbf_s[0] >= 1e12
    assert saved.goodput[0] == pytest.approx(p.interval_s[0] / (p.interval_s[0] + p.stall_s[0]), rel=1e-4)
    least = work_s * (1.0 + p.stall_s[0] / p.interval_s[0]) + p.drain_s[0] + found.trained.start_s[0]
    assert found.wall_s[0, 1] == pytest.approx(least, rel=2e-3)
    nodes = next(line for line in found.bill.lines(0) if line.name == "compute nodes")
    assert nodes.usd == pytest.approx(8 * 50.0 * found.wall_s[0, 1] / HOUR_S)
    assert found.bill.total_usd[0] > nodes.usd
    # 7 kW of 8 nodes at the fleet's PUE, for the whole time.
    kwh = 8 * 7.0 * found.wall_s[0, 1] / HOUR_S
    assert found.footprint.it_kwh.value[0] == pytest.approx(kwh, rel=0.01)


def test_a_rate_of_one_s_own_by_hand() -> None:
    """10 interruptions per 1,000 node-days on 100 nodes are one a day."""
    found = run(rows([100.0], [2.0]), per_1000_node_days=10.0)
    assert found.trained.saving.process.mtbf_s[0] == pytest.approx(86_400.0)
    assert found.wall_s[0, 1] > run(rows([100.0], [2.0]), per_1000_node_days=0.0).wall_s[0, 1]


def test_batch_is_single() -> None:
    nodes, steps = np.array([2.0, 16.0, 64.0, 100.0]), np.array([9.0, 2.0, 0.7, 0.5])
    for bought in (offer(), offer("capacity-block"), offer("on-demand", None, "us-west-2")):
        together = run(rows(nodes, steps), bought)
        for i in range(len(nodes)):
            alone = run(rows(nodes[i : i + 1], steps[i : i + 1]), bought)
            np.testing.assert_array_equal(together.wall_s[i], alone.wall_s[0])
            np.testing.assert_array_equal(together.bill.usd[:, i], alone.bill.usd[:, 0])
            assert together.trained.saving.choice.config(i) == alone.trained.saving.choice.config(0)


@settings(max_examples=40, deadline=None)
@given(
    step_s=st.floats(0.05, 60.0), more=st.floats(1.001, 3.0), nodes=st.sampled_from([1, 4, 16, 64, 256, 1024]),
    option=st.sampled_from(["on-demand", "capacity-block"]),
)  # fmt: skip
def test_a_longer_step_is_never_sooner_or_cheaper(step_s: float, more: float, nodes: int, option: str) -> None:
    """What the pruning rests on: the fastest layout of a cluster is the best for every way to buy it."""
    found = run(rows([nodes, nodes], [step_s, step_s * more]), offer(option))
    if not found.possible.all():
        assert not found.possible[1] or option == "capacity-block"
        return
    assert found.wall_s[1, 1] >= found.wall_s[0, 1] * (1.0 - 1e-9)
    assert found.bill.total_usd[1] >= found.bill.total_usd[0] * (1.0 - 1e-9)


def test_percentiles_are_in_order_and_failures_widen_them() -> None:
    calm, rough = (run(rows([64.0], [1.0]), per_1000_node_days=rate) for rate in (0.0, 50.0))
    for one in (calm, rough):
        assert one.wall_s[0, 0] < one.wall_s[0, 1] < one.wall_s[0, 2]
    assert rough.wall_s[0, 2] > calm.wall_s[0, 2]
    assert rough.trained.saving.goodput[0] < calm.trained.saving.goodput[0]
    assert rough.trained.saving.process.interval_s[0] < calm.trained.saving.process.interval_s[0]


def test_blocks_are_paid_whole_and_not_for_more_than_an_organisation_has() -> None:
    found = run(rows([64.0, 256.0, 257.0], [1.0, 1.0, 1.0]), offer("capacity-block"))
    assert found.possible.tolist() == [True, True, False]
    nodes = next(line for line in found.bill.lines(0) if line.name == "compute nodes")
    assert nodes.quantity is not None
    assert nodes.quantity % (64 * 24.0) == 0.0, "whole days"
    assert nodes.quantity >= 64 * found.wall_s[0, 1] / HOUR_S - 64 * 24.0
    # 9:00: the first block starts at 11:30.
    assert found.ready_s == 2.5 * HOUR_S
    assert found.wall_s[0, 1] > run(rows([64.0], [1.0])).wall_s[0, 1]


def test_blocks_are_sold_where_eight_of_them_hold_the_slow_case_too() -> None:
    """Eight blocks of 182 days: around 1,456 days the median fits and the slow case does not."""
    steps = np.linspace(1.0e8, 1.3e8, 61)
    found = run(rows(np.full(61, 64.0), np.ones(61), steps), offer("capacity-block"))  # type: ignore[arg-type]
    fits = np.isfinite(run(rows(np.full(61, 64.0), np.ones(61), steps)).wall_s).all(axis=1)  # type: ignore[arg-type]
    whole_case = np.isfinite(found.wall_s).all(axis=1)
    assert fits.all() and whole_case.any() and not whole_case.all()
    assert found.possible.tolist() == whole_case.tolist()
    assert found.sold.tolist() == whole_case.tolist()
    days = run(rows(np.full(61, 64.0), np.ones(61), steps)).wall_s / (24 * HOUR_S)  # type: ignore[arg-type]
    assert ((days[:, 1] < 1456) & ~found.sold).any(), "the slow case decides"


def test_a_price_that_nobody_knows_stays_unknown() -> None:
    found = run(rows([8.0], [1.0]), offer(usd=None))
    assert np.isnan(found.bill.total_usd[0])
    assert found.possible[0]


def test_an_unknown_small_line_makes_no_region_cheaper() -> None:
    here, there = run(rows([8.0], [1.0])), run(rows([8.0], [1.0]), offer(region="us-west-2"))
    assert there.bill.total_usd[0] < here.bill.total_usd[0]
    assert there.comparable_usd[0] == pytest.approx(here.comparable_usd[0])


# --- searches ---------------------------------------------------------------------------------------------------------


def request(**changes: Any) -> PlanRequest:
    on = date(2026, 11, 22)
    names = ("p5.48xlarge", "p4d.24xlarge")
    plain = PlanRequest(
        arch=ARCH, seq_len=8192, instances=tuple(load_instance(name) for name in names), node_counts=(2, 4),
        prices={name: find_price(name, "us-east-1", "on-demand", on) for name in names}, global_batch=64,
        tokens=1e10, run=RunRequest(START),
        offers={name: tuple(o for r in ("us-east-1", "us-west-2") for o in offers(name, r, on)
                            if o.option in ("on-demand", "capacity-block")) for name in names},
    )  # fmt: skip
    return replace(plain, **changes)


def every_row(asked: PlanRequest) -> list[Estimate]:
    """Brute force: every layout of every cluster as a whole run, one at a time."""
    found: list[Estimate] = []
    for instance in asked.instances:
        for nodes in asked.node_counts:
            for layout in _layouts(asked, instance, nodes):
                cluster = _cluster(asked, instance, nodes)
                (row,) = estimates(cluster, [layout], asked.fixed, True)
                runs = whole.whole_runs([row], asked)
                if row.fits != "OOM" and runs[0] is not None:
                    found.append(whole.bought(row, runs[0]))
    return found


def _cluster(asked: PlanRequest, instance: Any, nodes: int) -> Cluster:
    from fmctl.domain.workload import TrainingWorkload

    work = TrainingWorkload(asked.seq_len, asked.global_batch or 0, asked.tokens)
    return Cluster(asked.arch, work, instance, nodes, FRAMEWORKS["megatron"], asked.prices[instance.name])


def _layouts(asked: PlanRequest, instance: Any, nodes: int) -> list[Any]:
    setting = space.setting_of(
        asked.arch, instance, FRAMEWORKS["megatron"], asked.seq_len, asked.global_batch or 0, asked.tp_within_domain
    )
    scope = axes.Scope(setting, nodes * instance.gpus, asked.fixed, False)
    chunks: list[Layouts] = list(space.candidates(scope, space.Tally()))
    return [chunk.row(i) for chunk in chunks for i in range(len(chunk))]


FEW: dict[str, tuple[int, ...]] = {
    "tp": (2, 4), "pp": (1, 2), "cp": (1,), "micro_batch": (1, 2), "sharding": (1,), "recompute": (0, 1), "vpp": (1,),
    "cuda_graph": (0,), "recompute_layers": (0,), "sequence_parallel": (1,), "schedule": (0,),
}  # fmt: skip


@pytest.mark.parametrize("objective", ["cost", "time", "energy"])
def test_the_search_is_the_loops(objective: str) -> None:
    asked = request(objective=objective, fixed=FEW)
    best = search(asked).rows[0]
    loops = every_row(asked)
    assert loops
    value = {
        "cost": lambda e: e.whole.comparable_usd if e.whole.comparable_usd is not None else np.inf,
        "time": lambda e: e.whole.wall_s[1],
        "energy": lambda e: e.whole.energy.kwh.value,
    }[objective]
    # Energy follows what GPUs do in a step, and is least near the shortest step: the least of 24 meshes is taken, each
    # at its fastest options.
    least = min(value(row) for row in loops)
    assert value(best) == pytest.approx(least, rel=0.025 if objective == "energy" else 1e-12)


def test_targets_are_held_exactly_and_the_nearest_is_told() -> None:
    free = search(request())
    walls = sorted(row.whole.wall_s[1] for row in free.rows if row.whole is not None)
    held = search(request(deadline_s=walls[0] * 1.001))
    assert held.rows
    assert all(row.whole is not None and row.whole.wall_s[1] <= walls[0] * 1.001 for row in held.rows)
    none = search(request(deadline_s=walls[0] * 0.5))
    assert not none.rows
    assert none.nearest is not None
    assert none.nearest.estimate.whole is not None
    assert "deadline" in {reject.reason for reject in none.rejects}
    money = sorted(row.whole.comparable_usd for row in free.rows if row.whole and row.whole.comparable_usd)
    cheap = search(request(budget_usd=money[0] * 1.001))
    assert all(row.whole and (row.whole.comparable_usd or 0) <= money[0] * 1.001 for row in cheap.rows)
    assert not search(request(budget_usd=money[0] * 0.5)).rows


def test_parts_add_up_and_every_way_is_told() -> None:
    for row in search(request()).rows:
        assert row.whole is not None
        assert sum(value for _, value in row.whole.parts_s) == pytest.approx(row.whole.wall_s[1], abs=2.0)
        assert {(w.option, w.region) for w in row.whole.ways} == {
            (o.option, o.region) for o in request().offers[row.instance.name]
        }
        assert row.price.usd_per_h == row.whole.offer.usd_per_h


def test_blocks_of_a_row_hold_the_run() -> None:
    only = {name: tuple(o for o in ways if o.option == "capacity-block") for name, ways in request().offers.items()}
    row = search(request(offers={"p5.48xlarge": only["p5.48xlarge"]}, instances=(P5,))).rows[0]
    assert row.whole is not None
    first, last = row.whole.blocks[0], row.whole.blocks[-1]
    assert first.start == datetime(2026, 11, 22, 11, 30, tzinfo=UTC)
    assert row.whole.finish[2] <= last.usable_until
    assert sum(block.days for block in row.whole.blocks) * 24.0 * row.nodes == pytest.approx(
        next(line.quantity for line in row.whole.lines if line.name == "compute nodes")
    )


def test_levers_help_in_the_direction_they_say() -> None:
    row = search(request()).rows[0]
    found = {one.name: one for one in levers(row, request())}
    assert found["kernels 10 % faster"].days < 0.0
    assert found["half as many interruptions"].days <= 0.0
    assert found["EFA 25 % wider"].days <= 0.0
    assert found["one spare node more"].usd is not None
    cheaper = found["nodes 10 % cheaper"].usd
    assert row.whole is not None
    nodes = next(line.usd for line in row.whole.lines if line.name == "compute nodes")
    assert cheaper == pytest.approx(-0.1 * (nodes or 0.0))


def test_a_framework_of_the_request_alone_is_read_as_it_says() -> None:
    mine = replace(FRAMEWORKS["megatron"], name="mine", weights_read="once")
    asked = request(frameworks={"mine": mine}, framework="mine")
    instance = asked.instances[0]
    layout = _layouts(request(fixed=FEW), instance, asked.node_counts[0])[0]
    (made,) = estimates(_cluster(asked, instance, asked.node_counts[0]), [layout], {}, True)
    row = replace(made, framework="mine")
    assert whole.columns_of([row], asked).copies.tolist() == [1.0]


def test_a_budget_alone_bounds_the_step_and_no_limit_bounds_nothing() -> None:
    asked = request(deadline_s=None, budget_usd=1e6)
    instance = asked.instances[0]
    deadline, budget = whole.limits(asked, instance, 8, 1e5)
    assert deadline == float("inf") and 0.0 < budget < float("inf")
    deadline, budget = whole.limits(replace(asked, deadline_s=30 * 86_400.0, budget_usd=None), instance, 8, 1e5)
    assert budget == float("inf") and 0.0 < deadline < float("inf")
    assert whole.limits(replace(asked, budget_usd=None), instance, 8, 1e5) == (float("inf"), float("inf"))
