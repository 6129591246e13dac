"""Training, as far as the search goes: its layouts by step time, what must fit, its targets, its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmctl.domain.hardware import Instance
from fmctl.domain.layout import FIELDS, Layout, Layouts, Recompute
from fmctl.domain.model import ModelArch
from fmctl.domain.result import Estimate, NearMiss, PlanRequest, Terms
from fmctl.domain.terms import TERMS
from fmctl.domain.workload import TrainingWorkload
from fmctl.perf.run import cost
from fmctl.perf.train.evaluate import evaluate
from fmctl.plan import space
from fmctl.plan.axes import Scope
from fmctl.plan.bounds import Bounds
from fmctl.plan.cluster import Cluster
from fmctl.plan.constraints import Mesh, untold_layers
from fmctl.plan.planner import Limit, Objective, Planner

if TYPE_CHECKING:  # a search without whole runs starts without them
    from fmctl.domain.run import Lever

# A plan whose margin is under this share of device memory is called tight: allocators fragment, NCCL grows.
TIGHT_SHARE = 0.05


def _usd(e: Estimate) -> float | None:
    return e.usd_per_billion_tokens if e.whole is None else e.whole.comparable_usd


def _wall_s(e: Estimate) -> float:
    return 1.0 / e.terms["tokens_per_s"] if e.whole is None else e.whole.wall_s[1]


def _energy(e: Estimate) -> float:
    return e.terms["wh_per_million_tokens"] if e.whole is None else e.whole.energy.kwh.value


# Of whole runs where there is one, else of tokens. Money and time follow the step; energy does within 2 % or so.
OBJECTIVES: Mapping[str, Objective] = {
    "cost": Objective(_usd),
    "time": Objective(_wall_s),
    "energy": Objective(_energy, nearly=True),
    "goodput": Objective(lambda e: None if e.whole is None else e.whole.goodput.value, least=False),
    "throughput": Objective(lambda e: e.terms["tokens_per_s_per_gpu"], least=False),
}


@dataclass(slots=True, eq=False, repr=False)
class _Steps:
    """Layouts of one cluster by their step."""

    cluster: Cluster
    limits: tuple[Limit, ...]
    objective: str = "step_s"

    @property
    def weight(self) -> float:
        """Steps of the run."""
        return self.cluster.workload.steps or 1.0

    def __call__(self, layouts: Layouts) -> Terms:
        c = self.cluster
        return evaluate(c.arch, c.workload, c.instance, layouts, c.framework, c.calibration, detail=False)


class _Training:
    """Training runs: layouts are searched by their step, rows ranked by money, time, energy."""

    objectives = OBJECTIVES

    def smallest_nodes(self, request: PlanRequest, instance: Instance) -> int:
        return space.smallest_nodes(request.arch, instance, request.fixed)

    def default_nodes(self, arch: ModelArch, instance: Instance) -> Sequence[int]:
        return space.default_nodes(arch, instance)

    def workload(self, request: PlanRequest, instance: Instance, nodes: int) -> TrainingWorkload:
        batch = request.global_batch or space.default_batch(request.seq_len, nodes * instance.gpus)
        return TrainingWorkload(request.seq_len, batch, request.tokens)

    def scope(self, request: PlanRequest, cluster: Cluster) -> Scope:
        work = cluster.workload
        setting = space.setting_of(
            request.arch,
            cluster.instance,
            cluster.framework,
            work.seq_len,
            work.global_batch,
            request.tp_within_domain,
        )
        return Scope(setting, cluster.gpus, request.fixed, bool(request.options.get("exhaustive")))

    def evaluator(self, request: PlanRequest, cluster: Cluster) -> _Steps:
        deadline_s, budget_s = _longest_steps(request, cluster)
        fits = Limit("memory", "used_bytes", cluster.capacity_bytes)
        targets = Limit("deadline", "step_s", deadline_s), Limit("budget", "step_s", budget_s)
        return _Steps(cluster, (fits, *targets))

    def pruning(self, request: PlanRequest, cluster: Cluster) -> Bounds | None:
        """Where a budget rules and no price is known, no row is shown, and all are counted."""
        unpriced = request.budget_usd is not None and cluster.usd_per_h is None
        return None if unpriced else Bounds(cluster)

    def refined(self, scope: Scope, winners: Iterable[Layout]) -> Layouts | None:
        """Every partial recomputation of rows that recompute fully or in part, to find the least that fits."""
        if "recompute_layers" in scope.fixed:
            return None
        rows = [row for winner in winners if winner.recompute == Recompute.FULL for row in _partial(scope, winner)]
        return Layouts.of(rows) if rows else None

    def rows(self, request: PlanRequest, cluster: Cluster, layouts: list[Layout]) -> list[Estimate]:
        return _as_runs(estimates(cluster, layouts, request.fixed, request.global_batch is not None), request)

    def near_miss(self, request: PlanRequest, cluster: Cluster, layout: Layout) -> NearMiss:
        (row,) = estimates(cluster, [layout], request.fixed, request.global_batch is not None)
        return _near_miss(_run_of(row, request))

    def speed(self, row: Estimate) -> float:
        return row.terms["tokens_per_s"]

    def half_width(self, row: Estimate) -> float:
        return row.terms["step_high_s"] / row.terms["step_s"] - 1.0

    def front(self, row: Estimate) -> tuple[float, ...] | None:
        """Cost, time and, of whole runs, energy."""
        usd = _usd(row)
        if usd is None:
            return None
        return (usd, _wall_s(row)) if row.whole is None else (usd, _wall_s(row), _energy(row))

    def levers(self, rows: Sequence[Estimate], request: PlanRequest) -> tuple[Lever, ...]:
        if request.run is None or not rows:
            return ()
        from fmctl.runs.levers import levers

        return levers(rows[0], request)


TRAINING: Planner = _Training()


def _longest_steps(request: PlanRequest, cluster: Cluster) -> tuple[float, float]:
    """Step times above which a row misses the deadline, and the budget, s."""
    steps, hourly = cluster.workload.steps, cluster.usd_per_h
    if request.run is not None and steps:
        from fmctl.runs import whole  # searches without a run do without what prices and calendars need

        return whole.limits(request, cluster.instance, cluster.nodes, cluster.workload.steps or 0.0)
    deadline = budget = float("inf")
    if request.deadline_s is not None and steps:
        deadline = request.deadline_s / steps
    if request.budget_usd is not None and steps and hourly:
        budget = request.budget_usd / hourly * 3600.0 / steps
    return deadline, budget


def _partial(scope: Scope, row: Layout) -> list[Layout]:
    """A wholly recomputed layout with every number of layers per stage that its framework can be told."""
    stage = -(-scope.setting.arch.n_layers // row.pp)
    values, some = dict(row.items()), np.arange(1, stage)
    mesh = Mesh(row.tp, row.pp, row.cp, row.ep, row.etp, row.dp)
    told = some[~untold_layers(mesh, scope.setting, some, np.full_like(some, row.vpp))]
    return [Layout(**{**values, "recompute_layers": n}) for n in told.tolist()]


def _as_runs(rows: list[Estimate], request: PlanRequest) -> list[Estimate]:
    """Rows with their whole run, bought in the best way; those that miss a target after all are out."""
    if request.run is None or not rows:
        return rows
    from fmctl.runs import whole

    found = zip(rows, whole.whole_runs(rows, request), strict=True)
    return [whole.bought(row, run) for row, run in found if run is not None and not whole.meets(run, request)]


def _run_of(row: Estimate, request: PlanRequest) -> Estimate:
    """A row that came close, with its whole run where one is possible."""
    if request.run is None:
        return row
    from fmctl.runs import whole

    run = whole.whole_runs([row], request)[0]
    return row if run is None else whole.bought(row, run)


def fit_word(margin_bytes: float, capacity_bytes: float) -> str:
    """ok, tight (margin under 5 % of the device) or OOM."""
    if margin_bytes < 0:
        return "OOM"
    return "tight" if margin_bytes < TIGHT_SHARE * capacity_bytes else "ok"


def estimates(
    cluster: Cluster, layouts: list[Layout], fixed: Mapping[str, object], stated_batch: bool
) -> list[Estimate]:
    """Full estimates of single layouts on one cluster."""
    if not layouts:
        return []
    c = cluster
    terms = evaluate(c.arch, c.workload, c.instance, Layouts.of(layouts), c.framework, c.calibration)
    return [_estimate(cluster, layout, terms.row(i), fixed, stated_batch) for i, layout in enumerate(layouts)]


def _estimate(
    cluster: Cluster, layout: Layout, terms: dict[str, float], fixed: Mapping[str, object], stated_batch: bool
) -> Estimate:
    steps, hourly = cluster.workload.steps, cluster.usd_per_h
    run_s = None if steps is None else steps * terms["step_s"]
    spelled = layout.as_dict()
    chosen = {name: str(spelled[name]) for name in FIELDS if name not in fixed}
    if not stated_batch:
        chosen["global_batch"] = str(cluster.workload.global_batch)
    return Estimate(
        arch=cluster.arch,
        workload=cluster.workload,
        instance=cluster.instance,
        nodes=cluster.nodes,
        framework=cluster.framework.name,
        layout=layout,
        terms=terms,
        price=cluster.price,
        fits=fit_word(terms["margin_bytes"], cluster.capacity_bytes),
        run_s=run_s,
        run_low_s=None if steps is None else steps * terms["step_low_s"],
        run_high_s=None if steps is None else steps * terms["step_high_s"],
        run_usd=cost.run_usd(hourly, run_s),
        usd_per_h=hourly,
        usd_per_billion_tokens=cost.usd_per_billion_tokens(hourly, terms["tokens_per_s"]),
        run_wh=None if run_s is None else terms["power_w"] * run_s / 3600.0,
        resolution=cluster.calibration.resolution(cluster.arch.is_moe),
        chosen=chosen,
        notes=_notes(cluster, layout),
    )


def _notes(cluster: Cluster, layout: Layout) -> tuple[str, ...]:
    notes = []
    if cluster.instance.member_count > 1:
        notes.append(f"one node is one UltraServer of {cluster.instance.member_count} {cluster.instance.member_type}")
    if cluster.arch.n_layers % (layout.pp * layout.vpp):
        notes.append("layers do not divide over the stages: end stages are shorter")
    if layout.ep * layout.etp > cluster.instance.fabric.domain_gpus:
        notes.append("expert parallelism crosses EFA")
    return tuple(notes)


def _near_miss(estimate: Estimate) -> NearMiss:
    """What of `estimate` is too big and what would help."""
    short = max(-estimate.terms["margin_bytes"], 0.0)
    largest = max((term for term in TERMS if term.advice), key=lambda term: estimate.terms[term.name])
    advice = largest.advice if short > 0 else "more nodes or a later deadline; fewer nodes or a larger budget"
    return NearMiss(estimate, short, largest.name, advice)
