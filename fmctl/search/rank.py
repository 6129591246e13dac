"""Search every cluster of a request: chunked evaluation, constraints, the best rows, the Pareto front, near misses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from fmctl.domain.layout import Layout, Layouts, Recompute
from fmctl.domain.result import Estimate, FloatArray, NearMiss, Plan, PlanRequest, Reject
from fmctl.domain.run import Lever
from fmctl.domain.workload import Workload
from fmctl.errors import UnknownName
from fmctl.perf.calibration import PRIOR
from fmctl.perf.evaluate import evaluate
from fmctl.perf.frameworks import FRAMEWORKS
from fmctl.search import space
from fmctl.search.apart import OBJECTIVES, told_apart
from fmctl.search.constraints import SENTENCES
from fmctl.search.results import Cluster, estimates, near_miss
from fmctl.search.space import MESH_FIELDS, Scope, Tally

Progress = Callable[[int, int], None]
# Rows of a chunk that can enter the pool; far more than any table shows.
POOL_ROWS = 256
# Winners whose partial recomputation is searched over its full range.
REFINED = 24
# How often the node count of an estimate without one is doubled before it is said that nothing fits.
MAX_DOUBLINGS = 3


@dataclass(slots=True, eq=False, repr=False)
class Found:
    """What the search of one cluster found; `pool`: mesh -> its best (step_s, used_bytes, layout)."""

    cluster: Cluster
    pool: dict[tuple[int, ...], tuple[float, float, Layout]] = field(default_factory=dict)
    evaluated: int = 0
    fitting: int = 0
    nearest: tuple[float, Layout] | None = None
    fastest: tuple[float, Layout] | None = None

    def best(self, count: int) -> list[tuple[float, float, Layout]]:
        """The `count` best rows, fastest first; ties by memory, then by the layout itself."""
        return sorted(self.pool.values(), key=lambda row: (row[0], row[1], tuple(row[2].items())))[:count]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Limits:
    """Step times above which a row misses the deadline or the budget, s."""

    deadline_step_s: float
    budget_step_s: float


def _limits(request: PlanRequest, cluster: Cluster) -> Limits:
    if request.run is not None and cluster.steps:
        from fmctl.search import whole  # searches without a run do without whatever prices and calendars need

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
        _remember_nearest(found, chunk, used)
        return
    good = fits & (step <= limits.deadline_step_s) & (step <= limits.budget_step_s)
    late = int(np.count_nonzero(fits & (step > limits.deadline_step_s)))
    tally.reject("deadline", late)
    tally.reject("budget", fitting - late - int(np.count_nonzero(good)))
    _remember_fastest(found, chunk, np.where(fits, step, np.inf))
    _pool(found, chunk, step, used, np.flatnonzero(good))


def _remember_nearest(found: Found, chunk: Layouts, used: FloatArray) -> None:
    i = int(np.argmin(used))
    if found.nearest is None or used[i] < found.nearest[0]:
        found.nearest = (float(used[i]), chunk.row(i))


def _remember_fastest(found: Found, chunk: Layouts, step: FloatArray) -> None:
    i = int(np.argmin(step))
    if found.fastest is None or step[i] < found.fastest[0]:
        found.fastest = (float(step[i]), chunk.row(i))


def _pool(found: Found, chunk: Layouts, step: FloatArray, used: FloatArray, rows: np.ndarray) -> None:
    if len(rows) > POOL_ROWS:
        rows = rows[np.argpartition(step[rows], POOL_ROWS)[:POOL_ROWS]]
    for i in rows.tolist():
        mesh = tuple(int(c if (c := chunk[name]).ndim == 0 else c[i]) for name in MESH_FIELDS)
        seen = found.pool.get(mesh)
        s, u = float(step[i]), float(used[i])
        if seen is None or (s, u) <= (seen[0], seen[1]):
            layout = chunk.row(i)
            if seen is None or (s, u, tuple(layout.items())) < (seen[0], seen[1], tuple(seen[2].items())):
                found.pool[mesh] = (s, u, layout)


def _refined(scope: Scope, winners: Iterable[Layout]) -> Layouts | None:
    """Every partial recomputation of rows that recompute fully or in part, to find the least that fits."""
    rows = []
    for row in winners:
        if row.recompute != Recompute.FULL:
            continue
        stage = -(-scope.setting.arch.n_layers // row.pp)
        values = dict(row.items())
        rows += [Layout(**{**values, "recompute_layers": n}) for n in range(1, stage)]
    return Layouts.of(rows) if rows else None


def search_cluster(request: PlanRequest, cluster: Cluster, tally: Tally) -> Found:
    """All layouts of one instance type and count."""
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
    found, limits = Found(cluster), _limits(request, cluster)
    before = tally.candidates
    for chunk in space.candidates(scope, tally):
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


def _clusters(request: PlanRequest) -> list[Cluster]:
    try:
        framework = (request.frameworks or FRAMEWORKS)[request.framework]
    except KeyError:
        raise UnknownName("framework", request.framework, list(FRAMEWORKS)) from None
    calibration = request.calibration or PRIOR
    clusters = []
    for instance in request.instances:
        counts = request.node_counts or space.default_nodes(request.arch, instance)
        for nodes in counts:
            batch = request.global_batch or space.default_batch(request.seq_len, nodes * instance.gpus)
            workload = Workload(request.seq_len, batch, request.tokens)
            price = request.prices[instance.name]
            clusters.append(Cluster(request.arch, workload, instance, nodes, framework, price, calibration))
    return clusters


def _objective(request: PlanRequest) -> Callable[[Estimate], tuple[float, ...]]:
    objective = OBJECTIVES[request.objective]

    def key(e: Estimate) -> tuple[float, ...]:
        value = objective.value(e)
        if value is None:
            return (float("inf"), -e.terms["tokens_per_s"], float(e.nodes))
        return (value if objective.least else -value, -e.terms["tokens_per_s"], float(e.nodes))

    return key


def _shown(request: PlanRequest, found: list[Found]) -> list[Estimate]:
    """One row per cluster, best first, every instance type represented; for a single cluster its best meshes."""
    key = _objective(request)
    stated = request.global_batch is not None
    single = len(found) == 1
    rows: list[Estimate] = []
    for f in found:
        # Money and time follow the step; energy does within 2 % or so: the least of the fastest meshes.
        looked = REFINED if request.objective == "energy" else 1
        best = [row[2] for row in f.best(request.top if single else looked)]
        mine = _as_runs(estimates(f.cluster, best, request.fixed, stated), request)
        rows += mine if single else sorted(mine, key=key)[:1]
    rows.sort(key=key)
    top = rows[: request.top]
    shown = {e.instance.name for e in top}
    for extra in rows[request.top :]:
        if extra.instance.name not in shown:
            top.append(extra)
            shown.add(extra.instance.name)
    return top


def _as_runs(rows: list[Estimate], request: PlanRequest) -> list[Estimate]:
    """Rows with their whole run, bought in the best way; those that miss a target after all are out."""
    if request.run is None or not rows:
        return rows
    from fmctl.search import whole

    found = zip(rows, whole.whole_runs(rows, request), strict=True)
    return [whole.bought(row, run) for row, run in found if run is not None and not whole.meets(run, request)]


def _levers(rows: list[Estimate], request: PlanRequest) -> tuple[Lever, ...]:
    if request.run is None or not rows:
        return ()
    from fmctl.search.levers import levers

    return levers(rows[0], request)


def _run_of(row: Estimate, request: PlanRequest) -> Estimate:
    """A row that came close, with its whole run where one is possible."""
    if request.run is None:
        return row
    from fmctl.search import whole

    run = whole.whole_runs([row], request)[0]
    return row if run is None else whole.bought(row, run)


def pareto(rows: list[Estimate]) -> tuple[int, ...]:
    """Indices of rows that no other row beats in cost, time and, of whole runs, energy; unknown prices are out."""
    points: list[tuple[int, tuple[float, ...]]] = []
    for i, e in enumerate(rows):
        usd = OBJECTIVES["cost"].value(e)
        if usd is not None:
            time_s = OBJECTIVES["time"].value(e) or 0.0
            energy = (OBJECTIVES["energy"].value(e) or 0.0,) if e.whole is not None else ()
            points.append((i, (usd, time_s, *energy)))
    points.sort(key=lambda point: (point[1], point[0]))
    front: list[tuple[int, tuple[float, ...]]] = []
    for i, values in points:  # whatever beats a point comes before it
        if not any(all(a <= b for a, b in zip(other, values, strict=True)) for _, other in front):
            front.append((i, values))
    return tuple(i for i, _ in front)


def _nearest(request: PlanRequest, found: list[Found]) -> NearMiss | None:
    """The closest candidate: the fastest that fits where a target was missed, else the smallest excess of memory."""
    stated = request.global_batch is not None
    missed = [(f.fastest[0] * (f.cluster.steps or 1.0), f, f.fastest[1]) for f in found if f.fastest is not None]
    short = [(f.nearest[0] / f.cluster.capacity_bytes, f, f.nearest[1]) for f in found if f.nearest is not None]
    for listed in (missed, short):
        if listed:
            _, f, layout = min(listed, key=lambda entry: entry[0])
            return near_miss(_run_of(estimates(f.cluster, [layout], request.fixed, stated)[0], request))
    return None


def _unpriced(request: PlanRequest, found: list[Found], tally: Tally) -> tuple[list[Found], list[str]]:
    """Clusters to show, and a word for each whose price is unknown: it is listed last, or out where a budget rules."""
    shown, words = [], []
    for f in found:
        known = _priced(request, f)
        if known or (request.objective != "cost" and request.budget_usd is None):
            shown.append(f)
            continue
        if request.budget_usd is not None:
            tally.reject("price", f.fitting)
        else:
            shown.append(f)
        name = f.cluster.instance.name
        consequence = "cannot be held to a budget" if request.budget_usd is not None else "not ranked by cost"
        words.append(f"{name}: {f.cluster.price.note or 'no price known'}; {consequence}")
    return shown, list(dict.fromkeys(words))


def _priced(request: PlanRequest, found: Found) -> bool:
    """Whether any way to buy the cluster has a known price."""
    offers = request.offers.get(found.cluster.instance.name)
    return found.cluster.price.usd_per_h is not None or any(offer.usd_per_h is not None for offer in offers or ())


def _keep_pages() -> None:
    """Allocate and free one large array, so that the allocator keeps the pages of the chunks' temporaries.

    glibc raises its mmap and trim thresholds to the size of the largest block freed (up to 32 MiB); without it every
    chunk maps and unmaps its arrays, and a third of the search is page faults.
    """
    np.empty(30 * 2**20, dtype=np.uint8)


def search(request: PlanRequest, progress: Progress | None = None) -> Plan:
    """Search all clusters of `request` and rank them by its objective.

    Rows are empty where nothing fits or meets the targets; then `nearest` and the counted rejections say why.
    """
    start = time.perf_counter()
    _keep_pages()
    tally, found = Tally(), []
    clusters = _clusters(request)
    for done, cluster in enumerate(clusters, start=1):
        found.append(search_cluster(request, cluster, tally))
        if progress is not None:
            progress(done, len(clusters))
    ranked, words = _unpriced(request, found, tally)
    rows = _shown(request, [f for f in ranked if f.pool])
    rejects = sorted(tally.rejected.items(), key=lambda item: -item[1])
    return Plan(
        rows=tuple(rows),
        rejects=tuple(Reject(key, SENTENCES[key], count) for key, count in rejects),
        nearest=None if rows else _nearest(request, found),
        candidates=tally.candidates,
        evaluated=sum(f.evaluated for f in found),
        fitting=sum(f.fitting for f in found),
        search_s=time.perf_counter() - start,
        objective=request.objective,
        pareto=pareto(rows),
        told_apart=told_apart(rows, request.objective),
        levers=_levers(rows, request),
        notes=tuple(words),
    )


def best(request: PlanRequest) -> Plan:
    """The best layout on one instance type; where no node count is given, on the fewest nodes that hold the model.

    Counts double from `space.smallest_nodes` until something fits. Where nothing does, `nearest` holds the closest
    candidate of the first count tried.
    """
    if request.node_counts:
        return search(request)
    first = space.smallest_nodes(request.arch, request.instances[0], request.fixed)
    plan = tried = search(replace(request, node_counts=(first,)))
    for doubling in range(1, MAX_DOUBLINGS + 1):
        if tried.rows:
            return tried
        tried = search(replace(request, node_counts=(first << doubling,)))
    return tried if tried.rows else plan
