"""Parts of whole runs on numbers of their own: ways to buy, ranks, limits, levers, power, what is described and how."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import inf, nan
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fmctl.buying.offers import Offer, offers
from fmctl.catalog import find_grid, find_price, load_instance, load_model
from fmctl.domain.layout import Layout, Sharding
from fmctl.domain.result import Estimate, PlanRequest
from fmctl.domain.run import RunRequest, Spread, Way
from fmctl.perf.run import carbon, energy, goodput
from fmctl.plan.rank import search
from fmctl.runs import described, levers, trained, whole
from fmctl.runs.grids import grid_of
from fmctl.runs.runs import compose
from fmctl.runs.trained import Rows, Setting, train

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ON, P5, RACK = date(2026, 11, 22), load_instance("p5.48xlarge"), load_instance("p6e-gb200")
ARCH = load_model("llama-3.1-8b")


def offer(option: str = "on-demand", usd: float | None = 50.0, region: str = "us-east-1", on: str = P5.name) -> Offer:
    why = "" if usd is not None else "nobody knows"
    return Offer(on, region, ("use1-az1",), option, usd, "listed", why, "2026-07-20", "x", "used", 0.0, "a word")


def setting(instance: Any = P5, usd: float | None = 50.0, framework: str = "megatron", **changes: Any) -> Setting:
    asked = RunRequest(START, **changes)
    return Setting(ARCH, instance, whole.FRAMEWORKS[framework], 1e12, asked, usd, whole.storage_prices(asked))


def rows(nodes: list[float], step_s: list[float], steps: float = 1e5, copies: float = 1.0) -> Rows:
    step, ones = np.array(step_s), np.ones(len(step_s))
    return Rows(np.array(nodes), step, step / 1.15, step * 1.15, ones * steps, ones * copies, ones * 7000.0)


# --- how a run trains -------------------------------------------------------------------------------------------------


def test_what_fails_and_what_is_saved() -> None:
    found = train(setting(spares=2, kept=5, stall_share=0.02, age_days=60.0), rows([16.0], [2.0], copies=4.0))
    job, count = found.job, 8_030_261_248
    assert job.contents.weights_bytes == pytest.approx(2.0 * count, rel=1e-3)
    assert job.contents.moments_bytes == pytest.approx(12.0 * count, rel=1e-3)
    assert job.contents.master_bytes == 0.0
    assert (job.clients[0], job.gpus[0], job.nodes[0], job.weight_copies[0]) == (16.0, 128.0, 16.0, 4.0)
    assert (job.spares, job.kept, job.share) == (2, 5.0, 0.02)
    rack = train(setting(RACK, per_1000_node_days=10.0), rows([2.0], [2.0])).job
    assert (rack.clients[0], rack.gpus[0], rack.nodes[0]) == (36.0, 144.0, 2.0)
    # One's own rate is of instances, and exact.
    assert (rack.rate.per_h[0], float(rack.rate.shape)) == (pytest.approx(36.0 / 100.0 / 24.0), inf)


def test_new_nodes_for_a_part_of_the_run() -> None:
    # 2e5 s of work are 2.57 days at a goodput of 0.9: a day and a half of them on nodes not yet weeded.
    new, old = (train(setting(age_days=age), rows([16.0], [2.0])).rate.per_h[0] for age in (58.5, 60.0))
    share = 1.5 / (2e5 / 0.9 / 86_400.0)
    assert new / old == pytest.approx(1.0 + (np.log(0.86) / np.log(0.96) - 1.0) * share)


def test_the_start_and_the_power() -> None:
    found = train(setting(spares=3), rows([16.0], [2.0]))
    p = found.saving.process
    # A first boot, the queue, imports, communicators, loading; nothing is to be detected.
    assert found.start_s[0] == pytest.approx(1050.0 + 60.0 + 60.0 + 10.0 + 0.002 * 128 + found.saving.load_s[0])
    idle = energy.idle_w(energy.nameplate_w(P5))
    waiting = float(goodput.waiting_share(p)[0])
    watts = 16.0 * (7000.0 * (1.0 - waiting) + idle * waiting) + 3 * idle
    assert found.power.value[0] == pytest.approx(watts)
    assert (found.power.low[0], found.power.high[0]) == pytest.approx((0.87 * watts, 1.10 * watts))


def test_a_short_run_saves_at_its_end() -> None:
    found = train(setting(per_1000_node_days=0.0), rows([16.0], [0.1]))
    assert found.saving.process.interval_s[0] == 1e4
    tiny = train(setting(per_1000_node_days=0.0), rows([16.0], [1e-4]))
    assert tiny.saving.process.interval_s[0] == tiny.saving.process.drain_s[0] > 10.0


def test_the_drain_that_costs_least() -> None:
    """Where nodes are dear a wider file system pays, and where no price is known time is all that counts."""
    cheap, dear, unknown = (
        train(setting(usd=usd, per_1000_node_days=50.0), rows([4.0], [20.0])).saving for usd in (0.001, 5000.0, None)
    )
    assert cheap.choice.usd_per_month[0] < dear.choice.usd_per_month[0]
    assert cheap.process.drain_s[0] > dear.process.drain_s[0]
    assert unknown.goodput[0] >= dear.goodput[0] > cheap.goodput[0]


def test_reading_the_data() -> None:
    # 1e12 token ids of 4 bytes (a vocabulary of 128,256) in 2e5 s are 20 MB/s, out of 16 x 12.5 GB/s and S3's requests.
    found = train(setting(), rows([16.0], [2.0])).reading
    assert found.demand_bytes_per_s[0] == pytest.approx(2e7)
    assert trained.stored_bytes(setting()) == 4.0
    assert trained.stored_bytes(replace(setting(), arch=replace(ARCH, vocab=65_536))) == 2.0
    assert trained.stored_bytes(setting(bytes_per_token=700.0)) == 700.0
    own = train(setting(bytes_per_token=700.0), rows([16.0], [2.0])).reading
    assert own.demand_bytes_per_s[0] == pytest.approx(3.5e9)
    assert (own.limit_bytes_per_s[0], own.name(0)) == (16 * 50e9, "S3 client")


# --- how it is bought -------------------------------------------------------------------------------------------------


def test_blocks_of_ultraservers_and_of_what_is_not_sold() -> None:
    sold = compose(
        train(setting(RACK), rows([14.0, 15.0], [2.0, 2.0])),
        offer("capacity-block", on=RACK.name),
        find_grid("us-east-1"),
    )
    assert sold.sold.tolist() == [True, False]
    assert np.isfinite(sold.wall_s[0]).all()
    assert np.isnan(sold.wall_s[1]).all()
    assert (sold.possible.tolist(), sold.ready_s) == ([True, False], 9000.0)
    plain = compose(train(setting(), rows([300.0], [2.0])), offer(), find_grid("us-east-1"))
    assert (plain.sold.tolist(), plain.chains, plain.ready_s) == ([True], None, 0.0)


def test_a_run_in_one_block_waits_for_it() -> None:
    found = train(setting(), rows([16.0], [2.0]))
    bought = compose(found, offer("capacity-block"), find_grid("us-east-1"))
    # The block starts at 11:30; what is trained until then is nothing.
    p = found.saving.process
    saved = float(p.stall_s[0] + p.drain_s[0])
    assert bought.chains is not None
    assert bought.chains.blocks.tolist() == [1]
    assert bought.wall_s[0] == pytest.approx(found.train_s[0] + 9000.0 + saved, rel=1e-9)
    work = (found.train_s[0, 2] + saved) / 3600.0 + 0.5
    assert bought.chains.days[0] == int(np.ceil(work / 24.0))


def test_the_bill_of_a_run() -> None:
    found = train(setting(spares=2), rows([16.0], [2.0]))
    bought = compose(found, offer(), find_grid("us-east-1"))
    hours = found.train_s[0] / 3600.0
    lines = {line.name: line for line in bought.bill.lines(0)}
    assert lines["compute nodes"].quantity == pytest.approx(16 * hours[1])
    assert lines["spare nodes"].quantity == pytest.approx(2 * hours[1])
    assert lines["NAT gateways"].quantity == pytest.approx(hours[1])
    assert lines["S3 storage"].quantity == pytest.approx(1e12 * 4.0 / 2.0**30 * hours[1] / 730.0)
    assert lines["file system"].quantity == pytest.approx(
        float(found.saving.choice.capacity_tib[0]) * 1000.0 * hours[1] / 730.0
    )
    # At P90 everything stands longer.
    assert bought.high_usd[0] == pytest.approx(float(bought.bill.total_usd[0]) * hours[2] / hours[1], rel=1e-9)


def test_unknown_lines_at_the_prices_on_file() -> None:
    found = train(setting(), rows([16.0], [2.0]))
    here, there = (compose(found, offer(region=r), find_grid("us-east-1")) for r in ("us-east-1", "us-west-2"))
    lacking = [line for line in there.bill.lines(0) if line.usd is None]
    assert lacking
    assert there.comparable_usd[0] == pytest.approx(
        there.bill.total_usd[0] + sum(x.indicative_usd or 0.0 for x in lacking)
    )
    assert there.comparable_usd[0] == pytest.approx(here.bill.total_usd[0])


# --- which way ---


def way(usd: float | None, wall: float, t: float | None = 1.0, possible: bool = True, blocks: bool = False) -> Any:
    return SimpleNamespace(
        comparable_usd=np.array([nan if usd is None else usd]), wall_s=np.array([[0.0, wall, 0.0]]),
        footprint=SimpleNamespace(average_t=SimpleNamespace(value=np.array([nan if t is None else t]))),
        possible=np.array([possible]), chains="some" if blocks else None, offer=offer(usd=usd),
    )  # fmt: skip


def asked(**changes: Any) -> Any:
    plain = SimpleNamespace(deadline_s=None, budget_usd=None, objective="cost")
    return SimpleNamespace(**(vars(plain) | changes))


def test_ways_are_ranked_by_targets_objective_and_grid() -> None:
    def rank(one: Any, **changes: Any) -> tuple[float, ...]:
        return whole._rank(one, 0, asked(**changes))

    assert rank(way(10.4, 5.0, 2.0)) == (0.0, 10.0, 5.0, 2.0)
    assert rank(way(10.4, 5.0, 2.0), objective="time") == (0.0, 5.0, 10.0, 2.0)
    assert rank(way(None, 5.0, None)) == (0.0, inf, 5.0, inf)
    assert rank(way(10.0, 5.0), deadline_s=5.0, budget_usd=10.0)[0] == 0.0
    assert rank(way(10.0, 5.1), deadline_s=5.0, budget_usd=10.0)[0] == 1.0
    assert rank(way(10.1, 5.1), deadline_s=5.0, budget_usd=10.0)[0] == 2.0
    assert rank(way(None, 5.0), budget_usd=10.0)[0] == 1.0
    assert rank(way(None, 5.0))[0] == 0.0


def test_a_way_in_words() -> None:
    assert whole._way(way(10.0, 5.0, 2.0), 0) == Way("on-demand", "us-east-1", 10.0, 5.0, 2.0, "")
    assert whole._way(way(None, 5.0, None), 0) == Way("on-demand", "us-east-1", None, 5.0, None, "nobody knows")
    small = "no file system on sale is fast enough"
    assert whole._way(way(10.0, 5.0, possible=False), 0) == Way("on-demand", "us-east-1", None, None, 1.0, small)
    held = "blocks do not hold it"
    assert whole._way(way(1.0, 5.0, possible=False, blocks=True), 0) == Way(
        "on-demand", "us-east-1", None, None, 1.0, held
    )


def test_what_a_run_misses() -> None:
    one: Any = SimpleNamespace(wall_s=(1.0, 5.0, 9.0), comparable_usd=10.0)
    for deadline, budget, word in (
        (None, None, ""), (5.0, 10.0, ""), (4.9, 10.0, "deadline"), (5.0, 9.9, "budget"), (4.9, 9.9, "deadline"),
    ):  # fmt: skip
        assert whole.meets(one, asked(deadline_s=deadline, budget_usd=budget)) == word
    free: Any = SimpleNamespace(wall_s=(1.0, 5.0, 9.0), comparable_usd=None)
    assert (whole.meets(free, asked(budget_usd=1e9)), whole.meets(free, asked())) == ("budget", "")


def test_the_longest_step_that_meets_a_target() -> None:
    grid = np.geomspace(1e-2, 1e4, 48)
    rising = 100.0 * grid
    # A hundredth of slack on what is read off between two steps of the grid.
    assert whole._longest(rising, 250.0) == pytest.approx(2.5 * 1.01)
    assert whole._longest(rising, 1.0) == pytest.approx(0.01 * 1.01)
    assert whole._longest(rising, 0.99) == 0.0
    assert whole._longest(rising, 1e9) == pytest.approx(1e4 * 1.01)
    assert whole._longest(np.where(grid < 1.0, rising, nan), 250.0) == pytest.approx(grid[grid < 1.0][-1] * 1.01)
    assert whole._longest(np.full(48, nan), 1.0) == 0.0


def test_how_often_weights_are_read() -> None:
    def copies(framework: str, layout: Layout) -> float:
        row = SimpleNamespace(framework=framework, layout=layout)
        return whole._copies(row, SimpleNamespace(frameworks={}))  # type: ignore[arg-type]

    shards = Layout(dp=8, sharding=Sharding.ZERO3, dp_replicate=2)
    assert (copies("megatron", Layout(dp=8)), copies("megatron", shards)) == (1.0, 1.0)
    assert (copies("torchtitan", shards), copies("torchtitan", Layout(dp=8))) == (2.0, 1.0)
    assert (copies("deepspeed", Layout(dp=8, sharding=1)), copies("deepspeed", shards)) == (8.0, 1.0)


def test_grids_with_figures_of_one_s_own() -> None:
    plain = find_grid("us-east-1")
    assert grid_of("us-east-1", None) is plain
    own = grid_of("us-east-1", RunRequest(START, pue=1.5, g_per_kwh=7.0))
    assert (own.pue, own.average_g_per_kwh, own.average_low_g_per_kwh, own.average_high_g_per_kwh) == (
        1.5,
        7.0,
        7.0,
        7.0,
    )
    part = grid_of("us-east-1", RunRequest(START, pue=1.5))
    assert (part.pue, part.average_g_per_kwh) == (1.5, plain.average_g_per_kwh)
    assert grid_of("us-east-1", RunRequest(START, g_per_kwh=7.0)).pue == plain.pue


# --- one run, described ---


def request(**changes: Any) -> PlanRequest:
    plain = PlanRequest(
        arch=ARCH, seq_len=8192, instances=(P5,), node_counts=(2,), global_batch=64, tokens=1e10,
        prices={P5.name: find_price(P5.name, "us-east-1", "on-demand", ON)}, run=RunRequest(START),
        offers={P5.name: tuple(o for o in offers(P5.name, "us-east-1", ON) if o.option == "on-demand")},
        fixed={"tp": (2,), "pp": (1,), "cp": (1,), "sharding": (1,), "recompute": (0,)},
    )  # fmt: skip
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def row() -> Estimate:
    return search(request()).rows[0]


def test_a_described_run(row: Estimate) -> None:
    run, terms = row.whole, row.terms
    assert run is not None
    steps = 1e10 / (64 * 8192)
    assert run.work_s == pytest.approx(steps * terms["step_s"])
    assert (run.start, run.offer.option, run.blocks) == (START, "on-demand", ())
    assert run.finish == tuple(START + timedelta(seconds=wall) for wall in run.wall_s)
    parts = dict(run.parts_s)
    exposed = ("tp_exposed_s", "cp_exposed_s", "ep_exposed_s", "dp_exposed_s", "pp_exposed_s")
    waits = ("bubble_s", "straggler_s", "overhead_s", "launch_s")
    assert parts["exposed communication"] == pytest.approx(steps * sum(terms[name] for name in exposed))
    assert parts["bubble, launches, stragglers"] == pytest.approx(steps * sum(terms[name] for name in waits))
    named = ("kernels", "exposed communication", "bubble, launches, stragglers")
    assert sum(parts[name] for name in named) == pytest.approx(run.work_s)
    assert all(abs(value) >= 0.5 for value in parts.values())
    assert run.comparable_usd == run.total_usd == pytest.approx(sum(line.usd or 0.0 for line in run.lines))
    assert run.known_usd == pytest.approx(run.total_usd)
    assert run.reading[0] in ("S3 requests", "S3 client", "client network")
    assert 0.0 < run.reading[1] < 1.0
    saved = run.checkpoints
    assert saved.young_s == pytest.approx(np.sqrt(2.0 * saved.stall_s * run.failures.mtbf_s))
    assert saved.disks.startswith("local NVMe drained to S3 stalls ")
    assert saved.disks.endswith((": better", ": not better"))
    assert run.goodput.low < run.goodput.value < run.goodput.high
    hours = (run.wall_s[1]) / 3600.0
    assert run.failures.count.value == pytest.approx(hours * 3600.0 / run.failures.mtbf_s)
    assert row.usd_per_h == pytest.approx(2 * 55.04)
    assert row.run_usd == pytest.approx(2 * 55.04 * (row.run_s or 0.0) / 3600.0)
    assert row.usd_per_billion_tokens == pytest.approx(2 * 55.04 / 3600.0 / terms["tokens_per_s"] * 1e9)
    assert (row.price.region, row.price.option, row.price.usd_per_h) == ("us-east-1", "on-demand", 55.04)


def test_a_run_that_never_fails() -> None:
    found = search(request(run=RunRequest(START, per_1000_node_days=0.0, spares=1))).rows[0].whole
    assert found is not None
    assert found.failures.count == Spread(0.0, 0.0, 0.0)
    assert (found.failures.mtbf_s, found.failures.lost_work_s) == (inf, 0.0)
    assert (found.failures.spares, found.failures.best_spares) == (1, 0)
    assert found.failures.recovery_s > 100.0


def test_energy_that_a_grid_does_not_say() -> None:
    one = carbon.Range(np.array([2.0]), np.array([1.0]), np.array([3.0]))
    none = carbon.Range(np.array([nan]), np.array([nan]), np.array([nan]))
    found = described._energy(carbon.Footprint(one, one, none, np.array([nan]), np.array([7.0]), True), 0)
    assert (found.kwh, found.average_t, found.marginal_t, found.water_l) == (Spread(2.0, 1.0, 3.0), None, None, 7.0)
    assert found.pue_assumed
    partly = carbon.Range(np.array([2.0]), np.array([nan]), np.array([3.0]))
    assert described._energy(carbon.Footprint(one, one, partly, one.value, one.value, False), 0).average_t is None
    assert described._energy(carbon.Footprint(one, one, one, one.value, one.value, False), 0).average_t == found.kwh


def test_values_of_a_row() -> None:
    column = np.array([1.0, inf, nan])
    assert [described.at_row(column, i) for i in (0, 1)] == [1.0, inf]
    assert described.at_row(np.asarray(5.0), 2) == described.at_row(5, 1) == 5.0
    assert [described.number(column, i) for i in (0, 1, 2)] == [1.0, None, None]


def test_the_calendar_of_a_described_run() -> None:
    blocks = tuple(o for o in offers("p5en.48xlarge", "us-east-1", ON) if o.option == "capacity-block")
    p5en = load_instance("p5en.48xlarge")
    asked = request(
        instances=(p5en,), tokens=2e11, offers={p5en.name: blocks},
        prices={p5en.name: find_price(p5en.name, "us-east-1", "capacity-block", ON)},
    )  # fmt: skip
    found = search(asked).rows[0].whole
    assert found is not None
    paid = next(line for line in found.lines if line.name == "compute nodes").quantity
    assert sum(block.days for block in found.blocks) * 24.0 * 2 == pytest.approx(paid or 0.0)
    assert found.blocks[0].start == START + timedelta(hours=2.5)
    assert found.blocks[-1].usable_until >= found.finish[2] - timedelta(seconds=1)
    parts = dict(found.parts_s)
    assert parts["waiting for capacity"] == 9000.0


# --- levers ---


def test_each_lever_changes_one_thing(row: Estimate) -> None:
    asked_ = request()

    def made(name: str, wanted: PlanRequest = asked_) -> tuple[Estimate, PlanRequest]:
        found = levers.CHANGES[name](row, wanted)
        assert found is not None
        return found

    rate = made("half as many interruptions")[1].run
    assert rate is not None
    assert rate.per_1000_node_days == pytest.approx((6.5 + 2.34 + 3.789) / 3.0 / 2.0)
    own = made("half as many interruptions", request(run=RunRequest(START, per_1000_node_days=10.0)))[1].run
    assert own is not None
    assert own.per_1000_node_days == 5.0
    spare = made("one spare node more")[1].run
    assert spare is not None
    assert spare.spares == 1
    full = request(run=RunRequest(START, spares=12))
    assert levers.CHANGES["one spare node more"](row, full) is None
    assert levers.CHANGES["one spare node more"](row, request(run=RunRequest(START, spares=11))) is not None
    wide = made("EFA 25 % wider")[0]
    assert wide.instance.fabric.network.bytes_per_s == 1.25 * P5.fabric.network.bytes_per_s
    assert wide.terms["step_s"] < row.terms["step_s"]
    fast = made("kernels 10 % faster")[0].terms
    kernels = ("gemm_s", "attention_s", "recompute_s", "logits_s", "memory_bound_s", "bubble_s", "straggler_s")
    saved = sum(row.terms[name] for name in kernels) / 11.0
    assert fast["step_s"] == pytest.approx(row.terms["step_s"] - saved)
    for name in ("step_low_s", "step_high_s"):
        assert fast[name] / row.terms[name] == pytest.approx(fast["step_s"] / row.terms["step_s"])
    batch = made("global batch twice as large (training may need more tokens)")[0]
    assert batch.workload.global_batch == 128
    more = made("twice the nodes")[0]
    assert (more.nodes, more.layout.dp) == (4, 2 * row.layout.dp)
    odd = replace(row, workload=replace(row.workload, global_batch=row.layout.dp * row.layout.micro_batch * 3))
    assert levers.CHANGES["twice the nodes"](odd, asked_) is None
    even = replace(row, workload=replace(row.workload, global_batch=row.layout.dp * row.layout.micro_batch * 4))
    assert levers.CHANGES["twice the nodes"](even, asked_) is not None


def test_levers_are_ordered_by_what_they_save(row: Estimate) -> None:
    found = levers.levers(row, request())
    assert [one.usd or 0.0 for one in found] == sorted(one.usd or 0.0 for one in found)
    assert {one.name for one in found} == {"nodes 10 % cheaper", *levers.CHANGES}
    by_name = {one.name: one for one in found}
    assert row.whole is not None
    nodes = next(line.usd for line in row.whole.lines if line.name == "compute nodes")
    assert (by_name["nodes 10 % cheaper"].days, by_name["nodes 10 % cheaper"].usd) == (
        0.0,
        pytest.approx(-(nodes or 0) / 10),
    )
    # A spare stands for the whole run.
    dearer = by_name["one spare node more"].usd
    assert dearer == pytest.approx(55.04 * row.whole.wall_s[1] / 3600.0, rel=0.05)
    days = by_name["kernels 10 % faster"].days * 86_400.0
    assert -0.1 * row.whole.wall_s[1] < days < 0.0
    assert levers.levers(replace(row, whole=None), request()) == ()
    assert levers.levers(row, request(run=None)) == ()


def test_levers_without_a_price(row: Estimate) -> None:
    assert row.whole is not None
    unknown = replace(row, whole=replace(row.whole, offer=replace(row.whole.offer, usd_per_h=None, why="x")))
    found = levers.levers(unknown, request())
    assert all(one.usd is None for one in found)
    assert [one.days for one in found] == sorted(one.days for one in found)


def test_the_blocks_of_a_described_run_by_hand() -> None:
    blocks = tuple(o for o in offers("p5en.48xlarge", "us-east-1", ON) if o.option == "capacity-block")
    p5en = load_instance("p5en.48xlarge")
    asked = request(
        instances=(p5en,), tokens=2e11, offers={p5en.name: blocks},
        prices={p5en.name: find_price(p5en.name, "us-east-1", "capacity-block", ON)},
    )  # fmt: skip
    found = search(asked).rows[0].whole
    assert found is not None
    saved = found.checkpoints
    parts = dict(found.parts_s)
    for block in found.blocks:
        # Half an hour goes at the end, and before it the copy to host memory and the drain of the last save.
        assert block.usable_until == block.end - timedelta(minutes=30)
        save = (block.usable_until - block.save_by).total_seconds()
        assert save == pytest.approx(saved.stall_s + saved.drain_s, abs=1e-3)
        hours = block.days * 24.0 - 0.5 - (parts["start"] + saved.stall_s + saved.drain_s) / 3600.0
        assert block.usable_h == pytest.approx(hours)
    # What is paid for and not trained: whole blocks less the work.
    nodes = next(line for line in found.lines if line.name == "compute nodes")
    rate, paid = nodes.rate_usd or 0.0, nodes.quantity or 0.0
    assert nodes.idle_usd == pytest.approx((paid - 2 * found.work_s / 3600.0) * rate)


@pytest.mark.parametrize("option", ["on-demand", "capacity-block"])
def test_what_no_file_system_saves_in_time_cannot_be_had(option: str) -> None:
    found = compose(train(setting(stall_share=1e-9), rows([16.0], [2.0])), offer(option), find_grid("us-east-1"))
    assert found.possible.tolist() == [False]
    assert found.sold.tolist() == [option == "on-demand"]
    assert np.isnan(found.wall_s).all()
    assert found.chains is None or found.chains.days.tolist() == [0]
