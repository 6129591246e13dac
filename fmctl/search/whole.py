"""From the rows of a search to whole runs: every way to buy each, the best by the objective, and what it comes to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from math import isfinite, isnan
from typing import Any

import numpy as np

from fmctl.buying.blocks import Need, chain
from fmctl.buying.offers import Offer
from fmctl.buying.rates import ON_FILE
from fmctl.catalog import find_grid, find_storage_price
from fmctl.domain.block_end import taken_down
from fmctl.domain.grid import Grid
from fmctl.domain.hardware import Price
from fmctl.domain.layout import Sharding
from fmctl.domain.result import Estimate, FloatArray, PlanRequest
from fmctl.domain.run import Checkpoints, Energy, Failures, RunRequest, Spread, Way, WholeRun
from fmctl.perf import carbon, cost, energy, goodput, recovery, reliability, sizing, spares
from fmctl.perf.frameworks import FRAMEWORKS
from fmctl.search.runs import HOUR_S, Rows, Runs, Setting, compose, job_of

# Step times at which a run is composed to find the longest that meets a target; log-log between them is within 1 %.
_GRID = np.geomspace(1e-2, 1e4, 48)
_SLACK = 1.01
_STORED = (
    *dict.fromkeys(option.item for option in sizing.OPTIONS),
    "s3/standard-first-50tb",
    "s3/standard-next-450tb",
    "s3/standard-over-500tb",
)


def whole_runs(rows: Sequence[Estimate], request: PlanRequest) -> list[WholeRun | None]:
    """The whole run of each row, bought in the way that is best by the objective; None where none is possible."""
    found: list[WholeRun | None] = [None] * len(rows)
    by_type: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        by_type[row.instance.name].append(i)
    for name, indices in by_type.items():
        chosen = [rows[i] for i in indices]
        composed = _every_way(chosen, request, request.offers[name])
        for at, i in enumerate(indices):
            found[i] = _best(composed, at, rows[i], request)
    return found


def limits(request: PlanRequest, cluster: Any) -> tuple[float, float]:
    """(deadline, budget): the longest step of a cluster that meets each, by the way to buy it that allows most, s."""
    deadline = budget = np.inf
    if request.deadline_s is None and request.budget_usd is None:
        return deadline, budget
    ones, watts = np.ones_like(_GRID), energy.nameplate_w(cluster.instance)
    rows = Rows(
        ones * cluster.nodes, _GRID, _GRID * 0.9, _GRID * 1.1, ones * (cluster.steps or 0.0), ones, ones * watts
    )
    found = [
        compose(setting_of(request, cluster.instance, offer), offer, rows, grid_of(offer.region, request.run))
        for offer in request.offers[cluster.instance.name]
    ]
    if request.deadline_s is not None:
        deadline = max((_longest(r.wall_s[:, 1], request.deadline_s) for r in found), default=0.0)
    if request.budget_usd is not None:
        budget = max((_longest(r.comparable_usd, request.budget_usd) for r in found), default=0.0)
    return deadline, budget


def _longest(values: FloatArray, most: float) -> float:
    """The step at which values, which rise with the step, reach `most`; 0 where the shortest is above."""
    known = np.isfinite(values)
    if not known.any() or values[known][0] > most:
        return 0.0
    return float(np.exp(np.interp(np.log(most), np.log(values[known]), np.log(_GRID[known])))) * _SLACK


def meets(run: WholeRun, request: PlanRequest) -> str:
    """What a run misses: deadline or budget; empty where it meets both. At P50."""
    if request.deadline_s is not None and run.wall_s[1] > request.deadline_s:
        return "deadline"
    if request.budget_usd is not None and (run.comparable_usd is None or run.comparable_usd > request.budget_usd):
        return "budget"
    return ""


def bought(row: Estimate, run: WholeRun) -> Estimate:
    """The row at the price by which its run is bought."""
    offer = run.offer
    note = offer.why if offer.usd_per_h is None else offer.note
    price = Price(row.instance.name, offer.region, offer.option, offer.usd_per_h, offer.date, offer.source, note)
    hourly = cost.usd_per_h(price.usd_per_h, row.nodes)
    each = cost.usd_per_billion_tokens(hourly, row.terms["tokens_per_s"])
    return replace(
        row,
        whole=run,
        price=price,
        usd_per_h=hourly,
        usd_per_billion_tokens=each,
        run_usd=cost.run_usd(hourly, row.run_s),
    )


def _every_way(rows: Sequence[Estimate], request: PlanRequest, offers: Sequence[Offer]) -> list[Runs]:
    columns = columns_of(rows)
    instance = rows[0].instance
    return [compose(setting_of(request, instance, o), o, columns, grid_of(o.region, request.run)) for o in offers]


def columns_of(rows: Sequence[Estimate]) -> Rows:
    """Rows of one instance type as columns."""
    terms = [row.terms for row in rows]
    return Rows(
        nodes=_array(row.nodes for row in rows),
        step_s=_array(t["step_s"] for t in terms),
        step_low_s=_array(t["step_low_s"] for t in terms),
        step_high_s=_array(t["step_high_s"] for t in terms),
        steps=_array(row.workload.tokens / row.workload.tokens_per_step for row in rows),
        copies=_array(_copies(row) for row in rows),
        node_w=_array(row.terms["power_w"] / row.nodes for row in rows),
    )


def _copies(row: Estimate) -> float:
    """How often the weights are read when a job starts: once where ranks share what they read, else by every replica.

    Megatron's distributed checkpoints load in parallel and exchange the rest; DTensor stacks read one copy per replica
    of the sharded state; the others read weights on every data-parallel rank. assumed from their loaders' options.
    """
    if row.framework.startswith("megatron"):
        return 1.0
    if row.framework.startswith("torchtitan"):
        return float(max(row.layout.dp_replicate, 1))
    return 1.0 if row.layout.sharding == Sharding.ZERO3 else float(row.layout.dp)


def _array(values: Any) -> FloatArray:
    return np.array(list(values), np.float64)


def setting_of(request: PlanRequest, instance: Any, offer: Offer) -> Setting:
    """What runs on an instance type, bought by an offer, share. Raises AssertionError: the request has no run."""
    assert request.run is not None
    framework = (request.frameworks or FRAMEWORKS)[request.framework]
    prices = storage_prices(offer.region, request.run)
    return Setting(request.arch, instance, framework, request.tokens, request.run, prices)


def grid_of(region: str, run: RunRequest | None) -> Grid:
    """The region's grid and data centres, with the user's own overhead and intensity where they are given."""
    grid = find_grid(region)
    if run is not None and run.pue is not None:
        grid = replace(grid, pue=run.pue)
    if run is not None and run.g_per_kwh is not None:
        own = run.g_per_kwh
        grid = replace(grid, average_g_per_kwh=own, average_low_g_per_kwh=own, average_high_g_per_kwh=own)
    return grid


def storage_prices(region: str, run: RunRequest) -> Mapping[str, float | None]:
    """USD per GB-month of a region; where none is on file that of us-east-1, to compare sizes by, not to bill."""
    return _prices(region, run.start.date())


@lru_cache(maxsize=256)
def _prices(region: str, on: Any) -> Mapping[str, float | None]:
    here = {item: find_storage_price(item, region, on).usd for item in _STORED}
    there = {item: find_storage_price(item, ON_FILE, on).usd for item in _STORED}
    return {item: there[item] if usd is None else usd for item, usd in here.items()}


# --- one row ----------------------------------------------------------------------------------------------------------


def _best(composed: Sequence[Runs], at: int, row: Estimate, request: PlanRequest) -> WholeRun | None:
    possible = [runs for runs in composed if runs.possible[at]]
    if not possible:
        return None
    chosen = min(possible, key=lambda runs: _rank(runs, at, request))
    return _whole(chosen, at, row, tuple(_way(runs, at) for runs in composed), request)


def _rank(runs: Runs, at: int, request: PlanRequest) -> tuple[float, ...]:
    """What the objective compares between ways to buy one row; a way that misses a target comes after all that meet."""
    usd, wall_s = _number(runs.comparable_usd, at), float(runs.wall_s[at, 1])
    late = request.deadline_s is not None and wall_s > request.deadline_s
    dear = request.budget_usd is not None and (usd is None or usd > request.budget_usd)
    money = float("inf") if usd is None else usd
    return (float(late) + float(dear), *((wall_s, money) if request.objective == "time" else (money, wall_s)))


def _way(runs: Runs, at: int) -> Way:
    usd = _number(runs.comparable_usd, at)
    wall = _number(runs.wall_s[:, 1], at)
    why = runs.offer.why if usd is None else ""
    if not runs.possible[at]:
        why = "blocks do not hold it" if runs.chains is not None else "no file system on sale is fast enough"
        usd = wall = None
    return Way(runs.offer.option, runs.offer.region, usd, wall, _number(runs.footprint.average_t.value, at), why)


def _whole(runs: Runs, at: int, row: Estimate, ways: tuple[Way, ...], request: PlanRequest) -> WholeRun:
    asked = runs.setting.request
    walls = tuple(float(x) for x in runs.wall_s[at])
    low, high = goodput.goodput_interval(runs.saving.process, runs.rate)
    lines = runs.bill.lines(at)
    return WholeRun(
        offer=runs.offer,
        start=asked.start,
        work_s=float(runs.rows.work_s[at]),
        wall_s=(walls[0], walls[1], walls[2]),
        finish=tuple(asked.start + timedelta(seconds=wall) for wall in walls),  # type: ignore[arg-type]
        goodput=Spread(float(runs.saving.goodput[at]), _at(low, at), _at(high, at)),
        checkpoints=_checkpoints(runs, at),
        failures=_failures(runs, at),
        energy=_energy(runs.footprint, at),
        total_usd=_number(runs.bill.total_usd, at),
        comparable_usd=_number(runs.comparable_usd, at),
        high_usd=_number(runs.high_usd, at),
        known_usd=_at(runs.bill.known_usd, at),
        idle_usd=_at(runs.bill.known_idle_usd, at),
        lines=lines,
        parts_s=_parts(runs, at, row),
        blocks=_blocks(runs, at),
        ways=ways,
        reading=(runs.reading.name(at), _at(runs.reading.share, at)),
        notes=tuple(filter(None, (runs.offer.note,))),
    )


def _checkpoints(runs: Runs, at: int) -> Checkpoints:
    saved, p = runs.saving, runs.saving.process
    option = int(saved.choice.option[at])
    stall = _at(p.stall_s, at)
    held = runs.saving.disks
    disks = (
        f"local NVMe drained to S3 stalls {_at(held.stall_s, at):.1f} s per save, drained in "
        f"{_at(held.drain_s, at):.0f} s: {'better' if bool(saved.disks_win[at]) else 'not better'}"
        if bool(held.works[at])
        else "local NVMe does not hold two checkpoints, or does not drain in time"
    )
    return Checkpoints(
        total_bytes=_at(job_of(runs.setting, runs.rows)[0].total_bytes, at),
        interval_s=_at(p.interval_s, at),
        stall_s=stall,
        drain_s=_at(p.drain_s, at),
        load_s=_at(saved.load_s, at),
        young_s=float(goodput.young_interval_s(np.asarray(stall), np.asarray(_at(p.mtbf_s, at)))),
        file_system=saved.choice.config(at),
        item=sizing.OPTIONS[option].item if option >= 0 else "",
        usd_per_month=_number(saved.choice.usd_per_month, at),
        disks=disks,
        note=saved.choice.word(),
    )


def _failures(runs: Runs, at: int) -> Failures:
    hours = np.asarray(runs.up_s[at] / HOUR_S)
    rate = reliability.Rate(*(np.asarray(_at(part, at)) for part in (
        runs.rate.per_h, runs.rate.low_per_h, runs.rate.high_per_h, runs.rate.shape)))  # fmt: skip
    p = runs.saving.process
    if float(rate.per_h) == 0.0:
        return Failures(Spread(0.0, 0.0, 0.0), float("inf"), _at(p.recovery_s, at), 0.0, runs.setting.request.spares, 0)
    mean, low, high = reliability.interruptions(rate, hours)
    short = goodput.Process(*(np.asarray(_at(x, at)) for x in (
        p.interval_s, p.stall_s, p.drain_s, p.mtbf_s, runs.saving.short_s)))  # fmt: skip
    value = spares.value(short, np.asarray(recovery.REPLACEMENT_S), np.asarray(runs.rows.nodes[at]), np.asarray(np.nan))
    return Failures(
        count=Spread(float(mean), float(low), float(high)),
        mtbf_s=_at(p.mtbf_s, at),
        recovery_s=_at(p.recovery_s, at),
        lost_work_s=float(goodput.lost_work_s(short)),
        spares=runs.setting.request.spares,
        best_spares=int(value.best),
    )


def _energy(found: carbon.Footprint, at: int) -> Energy:
    def spread(part: carbon.Range) -> Spread | None:
        values = [_at(end, at) for end in (part.value, part.low, part.high)]
        return None if any(isnan(value) for value in values) else Spread(*values)

    kwh = spread(found.kwh)
    assert kwh is not None
    return Energy(
        kwh, spread(found.average_t), _number(found.marginal_t, at), _number(found.water_l, at), found.pue_assumed
    )


# What of a step is not useful work of the kernels, by the name that reports use.
_EXPOSED = ("tp_exposed_s", "cp_exposed_s", "ep_exposed_s", "dp_exposed_s", "pp_exposed_s")
_WAITING = ("bubble_s", "straggler_s", "overhead_s", "launch_s")


def _parts(runs: Runs, at: int, row: Estimate) -> tuple[tuple[str, float], ...]:
    """Where the wall time goes at P50, s, by name; the parts add up to it."""
    work, wall = float(runs.rows.work_s[at]), float(runs.wall_s[at, 1])
    steps = float(runs.rows.steps[at])
    exposed = steps * sum(row.terms.get(name, 0.0) for name in _EXPOSED)
    waiting = steps * sum(row.terms.get(name, 0.0) for name in _WAITING)
    p = runs.saving.process
    saves = work / _at(p.interval_s, at) * _at(p.stall_s, at)
    start = _at(runs.start_s, at)
    failures = max(float(runs.up_s[at]) - work - saves - start, 0.0)
    found = [
        ("kernels", work - exposed - waiting), ("exposed communication", exposed),
        ("bubble, launches, stragglers", waiting), ("saves", saves), ("failures", failures), ("start", start),
        ("waiting for capacity", runs.ready_s),
    ]  # fmt: skip
    rest = wall - sum(value for _, value in found)
    return tuple((name, value) for name, value in [*found, ("between and in blocks", rest)] if abs(value) >= 0.5)


def _blocks(runs: Runs, at: int) -> tuple[Any, ...]:
    """The calendar of the blocks that hold the run at P90; empty where none are bought."""
    if runs.chains is None:
        return ()
    p = runs.saving.process
    need = Need(
        instances=int(runs.rows.nodes[at]), work_h=_work_h(runs, at), members=runs.setting.instance.member_count,
        save_h=(_at(p.stall_s, at) + _at(p.drain_s, at)) / HOUR_S, restart_h=_at(runs.start_s, at) / HOUR_S,
        buy_later=True,
    )  # fmt: skip
    found = chain(need, runs.setting.request.start)
    return getattr(found, "blocks", ())


def _work_h(runs: Runs, at: int) -> float:
    """Hours that the blocks must hold beside start and save: the run at P90."""
    assert runs.chains is not None
    p = runs.saving.process
    spent = (_at(runs.start_s, at) + _at(p.stall_s, at) + _at(p.drain_s, at)) / HOUR_S
    down = taken_down(runs.setting.instance.member_count > 1).total_seconds() / HOUR_S
    held = float(runs.chains.days[at]) * 24.0 - float(runs.chains.blocks[at]) * (spent + down)
    return held - float(runs.chains.idle_h[at])


def _at(column: Any, at: int) -> float:
    values = np.asarray(column)
    return float(values if values.ndim == 0 else values[at])


def _number(column: Any, at: int) -> float | None:
    value = _at(column, at)
    return value if isfinite(value) else None
