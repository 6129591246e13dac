"""From the rows of a search to whole runs: every way to buy each, the best by the objective, and what it comes to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache

import numpy as np

from fmctl.buying.rates import ON_FILE, item_rate
from fmctl.domain.hardware import Instance, Price
from fmctl.domain.layout import Sharding
from fmctl.domain.offer import Offer
from fmctl.domain.result import Estimate, FloatArray, PlanRequest
from fmctl.domain.run import RunRequest, Way, WholeRun
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.run import cost, energy
from fmctl.perf.store import sizing
from fmctl.runs.described import described, number
from fmctl.runs.grids import grid_of
from fmctl.runs.runs import Runs, compose
from fmctl.runs.trained import Rows, Setting, train

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


def limits(request: PlanRequest, instance: Instance, nodes: int, steps: float) -> tuple[float, float]:
    """(deadline, budget): the longest step of a cluster that meets each, by the way to buy it that allows most, s."""
    deadline = budget = float("inf")
    if request.deadline_s is None and request.budget_usd is None:
        return deadline, budget
    ones, watts = np.ones_like(_GRID), energy.nameplate_w(instance)
    rows = Rows(ones * nodes, _GRID, _GRID * 0.9, _GRID * 1.1, ones * steps, ones, ones * watts)
    offers = request.offers[instance.name]
    trained = train(setting_of(request, instance, offers), rows)
    found = [compose(trained, offer, grid_of(offer.region, request.run)) for offer in offers]
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
    trained = train(setting_of(request, rows[0].instance, offers), columns_of(rows, request))
    return [compose(trained, offer, grid_of(offer.region, request.run)) for offer in offers]


def columns_of(rows: Sequence[Estimate], request: PlanRequest) -> Rows:
    """Rows of one instance type as columns; `request` has the frameworks that they are of."""
    terms = [row.terms for row in rows]
    return Rows(
        nodes=_array(row.nodes for row in rows),
        step_s=_array(t["step_s"] for t in terms),
        step_low_s=_array(t["step_low_s"] for t in terms),
        step_high_s=_array(t["step_high_s"] for t in terms),
        steps=_array(row.workload.tokens / row.workload.tokens_per_step for row in rows),
        copies=_array(_copies(row, request) for row in rows),
        node_w=_array(row.terms["power_w"] / row.nodes for row in rows),
    )


def _copies(row: Estimate, request: PlanRequest) -> float:
    """How often the weights are read when a job starts, by the framework's loader."""
    read = (request.frameworks or FRAMEWORKS)[row.framework].weights_read
    if read == "once":
        return 1.0
    if read == "copies":
        return float(max(row.layout.dp_replicate, 1))
    return 1.0 if row.layout.sharding == Sharding.ZERO3 else float(row.layout.dp)


def _array(values: Iterable[float]) -> FloatArray:
    return np.array(list(values), np.float64)


def setting_of(request: PlanRequest, instance: Instance, offers: Sequence[Offer]) -> Setting:
    """What runs on an instance type share. Raises AssertionError: the request has no run."""
    assert request.run is not None
    framework = (request.frameworks or FRAMEWORKS)[request.framework]
    known = [offer.usd_per_h for offer in offers if offer.usd_per_h is not None]
    prices = storage_prices(request.run)
    least = min(known, default=None)
    return Setting(request.arch, instance, framework, request.tokens, request.run, least, prices)


def storage_prices(run: RunRequest) -> Mapping[str, float | None]:
    """USD per GB-month of the region whose prices are on file, to compare sizes by; each region's own are billed."""
    return _prices(run.start.date())


@lru_cache(maxsize=64)
def _prices(on: date) -> Mapping[str, float | None]:
    return {item: item_rate(item, ON_FILE, on).usd for item in _STORED}


def _best(composed: Sequence[Runs], at: int, row: Estimate, request: PlanRequest) -> WholeRun | None:
    possible = [runs for runs in composed if runs.possible[at]]
    if not possible:
        return None
    chosen = min(possible, key=lambda runs: _rank(runs, at, request))
    return described(chosen, at, row, tuple(_way(runs, at) for runs in composed))


def _rank(runs: Runs, at: int, request: PlanRequest) -> tuple[float, ...]:
    """What the objective compares between ways to buy one row; a way that misses a target comes after all that meet.

    All else equal, the cleaner grid.
    """
    usd, wall_s = number(runs.comparable_usd, at), float(runs.wall_s[at, 1])
    late = request.deadline_s is not None and wall_s > request.deadline_s
    dear = request.budget_usd is not None and (usd is None or usd > request.budget_usd)
    money = float("inf") if usd is None else round(usd)  # to the dollar: sums differ in their last digit
    both = (wall_s, money) if request.objective == "time" else (money, wall_s)
    carbon_t = number(runs.footprint.average_t.value, at)
    return (float(late) + float(dear), *both, float("inf") if carbon_t is None else carbon_t)


def _way(runs: Runs, at: int) -> Way:
    usd = number(runs.comparable_usd, at)
    wall = number(runs.wall_s[:, 1], at)
    why = runs.offer.why if usd is None else ""
    if not runs.possible[at]:
        why = "blocks do not hold it" if runs.chains is not None else "no file system on sale is fast enough"
        usd = wall = None
    return Way(runs.offer.option, runs.offer.region, usd, wall, number(runs.footprint.average_t.value, at), why)
