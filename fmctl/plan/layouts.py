"""Search the layouts of one cluster: evaluate in chunks, count rejections, keep the best row of each mesh."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from fmctl.domain.layout import Layout, Layouts, Recompute
from fmctl.domain.result import FloatArray, PlanRequest
from fmctl.perf.train.evaluate import evaluate
from fmctl.plan import space
from fmctl.plan.bounds import Bounds
from fmctl.plan.constraints import Mesh, untold_layers
from fmctl.plan.results import Cluster
from fmctl.plan.space import MESH_FIELDS, Scope, Tally

# Winners whose partial recomputation is searched over its full range.
REFINED = 24
# Rows of a chunk where slow candidates are left out: each chunk may lower what counts as slow.
PRUNED_CHUNK_ROWS = 20_000

Row = tuple[float, float, Layout]


@dataclass(slots=True, eq=False, repr=False)
class Found:
    """What the search of one cluster found.

    pool: mesh -> its best (step_s, used_bytes, layout), of at least the `kept` best meshes. nearest: least memory and
    its layout, where a chunk held nothing that fits; fastest: the least step that fits, targets met or not.
    """

    cluster: Cluster
    kept: int = REFINED
    pool: dict[tuple[int, ...], Row] = field(default_factory=dict)
    evaluated: int = 0
    fitting: int = 0
    nearest: tuple[float, Layout] | None = None
    fastest: tuple[float, Layout] | None = None
    stopped: bool = False

    def best(self, count: int) -> list[Row]:
        """The `count` best rows, fastest first; ties by memory, then by the layout itself."""
        return sorted(self.pool.values(), key=_rank)[:count]

    @property
    def ceiling_s(self) -> float:
        """Step of the last mesh that is kept, s; infinite as long as there are fewer."""
        steps = sorted(row[0] for row in self.pool.values())
        return steps[self.kept - 1] if len(steps) >= self.kept else float("inf")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Limits:
    """Step times above which a row misses the deadline or the budget, s."""

    deadline_step_s: float
    budget_step_s: float


def _rank(row: Row) -> tuple[float, float, tuple[tuple[str, int], ...]]:
    return row[0], row[1], tuple(row[2].items())


def _limits(request: PlanRequest, cluster: Cluster) -> Limits:
    if request.run is not None and cluster.steps:
        from fmctl.runs import whole  # searches without a run do without what prices and calendars need

        return Limits(*whole.limits(request, cluster))
    steps, hourly = cluster.steps, cluster.usd_per_h
    deadline = budget = float("inf")
    if request.deadline_s is not None and steps:
        deadline = request.deadline_s / steps
    if request.budget_usd is not None and steps and hourly:
        budget = request.budget_usd / hourly * 3600.0 / steps
    return Limits(deadline, budget)


def _absorb(found: Found, chunk: Layouts, limits: Limits, tally: Tally) -> None:
    """Evaluate a chunk, count rejections, keep its best rows."""
    c = found.cluster
    terms = evaluate(c.arch, c.workload, c.instance, chunk, c.framework, c.calibration, detail=False)
    step, used = terms["step_s"], terms["used_bytes"]
    found.evaluated += len(chunk)
    fits = used <= c.capacity_bytes
    fitting = int(np.count_nonzero(fits))
    found.fitting += fitting
    tally.reject("memory", len(chunk) - fitting)
    if not fitting:
        found.nearest = _least(found.nearest, chunk, used)
        return
    good = fits & (step <= limits.deadline_step_s) & (step <= limits.budget_step_s)
    late = int(np.count_nonzero(fits & (step > limits.deadline_step_s)))
    tally.reject("deadline", late)
    tally.reject("budget", fitting - late - int(np.count_nonzero(good)))
    found.fastest = _least(found.fastest, chunk, np.where(fits, step, np.inf))
    _pool(found, chunk, np.where(good, step, np.inf), used)


def _least(seen: tuple[float, Layout] | None, chunk: Layouts, values: FloatArray) -> tuple[float, Layout]:
    """The least of `values` and what was seen, with its layout; ties by the layout, so that no order of rows shows."""
    low = float(values.min())
    if seen is not None and seen[0] < low:
        return seen
    tied = [chunk.row(i) for i in np.flatnonzero(values == low).tolist()]
    if seen is not None and seen[0] == low:
        tied.append(seen[1])
    return low, min(tied, key=lambda layout: tuple(layout.items()))


def _pool(found: Found, chunk: Layouts, step: FloatArray, used: FloatArray) -> None:
    """Keep the best row of each mesh of the chunk, where the mesh is among the best; `step` is infinite where no row.

    Rows of a mesh stand together in a chunk, so that the best of each is one reduction over its stretch.
    """
    starts = _stretches(chunk)
    lowest = np.minimum.reduceat(step, starts)
    kept = min(found.kept, len(lowest)) - 1
    worst = min(float(np.partition(lowest, kept)[kept]) if kept + 1 == found.kept else np.inf, found.ceiling_s)
    ends = np.append(starts[1:], len(chunk))
    for k in np.flatnonzero((lowest <= worst) & (lowest < np.inf)).tolist():
        rows = starts[k] + np.flatnonzero(step[starts[k] : ends[k]] == lowest[k])
        rows = rows[used[rows] == used[rows].min()]
        row = min(((float(step[i]), float(used[i]), chunk.row(i)) for i in rows.tolist()), key=_rank)
        mesh = tuple(int(getattr(row[2], name)) for name in MESH_FIELDS)
        if mesh not in found.pool or _rank(row) < _rank(found.pool[mesh]):
            found.pool[mesh] = row


def _stretches(chunk: Layouts) -> np.ndarray:
    """Where in the chunk another mesh begins."""
    new = np.zeros(len(chunk), dtype=np.bool_)
    new[0] = True
    for name in MESH_FIELDS:
        column = chunk[name]
        if column.ndim:
            new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)


def _refined(scope: Scope, winners: Iterable[Layout]) -> Layouts | None:
    """Every partial recomputation of rows that recompute fully or in part, to find the least that fits."""
    rows = []
    for row in winners:
        if row.recompute != Recompute.FULL:
            continue
        stage = -(-scope.setting.arch.n_layers // row.pp)
        values, some = dict(row.items()), np.arange(1, stage)
        mesh = Mesh(row.tp, row.pp, row.cp, row.ep, row.etp, row.dp)
        told = some[~untold_layers(mesh, scope.setting, some, np.full_like(some, row.vpp))]
        rows += [Layout(**{**values, "recompute_layers": n}) for n in told.tolist()]
    return Layouts.of(rows) if rows else None


def _chunks(request: PlanRequest, found: Found, scope: Scope, tally: Tally) -> Iterable[Layouts]:
    """The candidates; what cannot win is left out as it shows.

    Whoever asks for everything gets everything; and where a budget rules and no price is known, no row is shown.
    """
    if scope.exhaustive or (request.budget_usd is not None and found.cluster.usd_per_h is None):
        yield from space.candidates(scope, tally)
        return
    bounds = Bounds(found.cluster)
    for chunk in space.candidates(scope, tally, PRUNED_CHUNK_ROWS, bounds):
        yield chunk
        bounds.ceiling_s = found.ceiling_s


def search_cluster(
    request: PlanRequest, cluster: Cluster, tally: Tally, cancelled: Callable[[], bool] | None = None
) -> Found:
    """All layouts of one instance type and count; what was found so far where `cancelled` says so between chunks."""
    exhaustive = bool(request.options.get("exhaustive"))
    setting = space.setting_of(
        request.arch,
        cluster.instance,
        cluster.framework,
        cluster.workload.seq_len,
        cluster.workload.global_batch,
        request.tp_within_domain,
    )
    scope = Scope(setting, cluster.nodes * cluster.instance.gpus, request.fixed, exhaustive)
    found, limits = Found(cluster, max(REFINED, request.top)), _limits(request, cluster)
    before = tally.candidates
    for chunk in _chunks(request, found, scope, tally):
        if cancelled is not None and cancelled():
            found.stopped = True
            tally.reject("stopped", tally.candidates - sum(tally.rejected.values()) - found.fitting)
            return found
        _absorb(found, chunk, limits, tally)
    if tally.candidates == before:
        tally.reject("degrees", 1)
        tally.candidates += 1
    if not exhaustive and "recompute_layers" not in request.fixed:
        more = _refined(scope, [row[2] for row in found.best(REFINED)])
        if more is not None:
            tally.candidates += len(more)
            _absorb(found, more, limits, tally)
    return found
