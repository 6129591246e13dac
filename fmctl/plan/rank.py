"""Search every cluster of a request and rank what they gave: the best rows, the Pareto front, near misses."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fmctl.base.errors import UnknownName
from fmctl.domain.result import Estimate, NearMiss, Plan, PlanRequest, Reject
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.ops.calibration import PRIOR
from fmctl.plan.apart import sort_key, told_apart
from fmctl.plan.cluster import Cluster
from fmctl.plan.constraints import SENTENCES
from fmctl.plan.layouts import Found
from fmctl.plan.parallel import Cancelled, Part, search_parts
from fmctl.plan.planner import Planner
from fmctl.plan.space import Tally
from fmctl.plan.workloads import PLANNERS

if TYPE_CHECKING:  # a search without either starts without them
    from concurrent.futures import Executor

Progress = Callable[[int, int], None]
Partial = Callable[[Plan], None]
# How often the node count of an estimate without one is doubled before it is said that nothing fits.
MAX_DOUBLINGS = 3


def _clusters(request: PlanRequest) -> list[Cluster]:
    try:
        framework = (request.frameworks or FRAMEWORKS)[request.framework]
    except KeyError:
        raise UnknownName("framework", request.framework, list(FRAMEWORKS)) from None
    calibration, planner = request.calibration or PRIOR, PLANNERS[request.workload]
    clusters = []
    for instance in request.instances:
        counts = request.node_counts or planner.default_nodes(request.arch, instance)
        for nodes in counts:
            workload = planner.workload(request, instance, nodes)
            price = request.prices[instance.name]
            clusters.append(Cluster(request.arch, workload, instance, nodes, framework, price, calibration))
    return clusters


def _likely_first(request: PlanRequest, clusters: list[Cluster]) -> list[tuple[int, Cluster]]:
    """The clusters with their numbers, likely winners first, so that a first answer is soon near the last one.

    Those that can hold the model. For time the most FLOP/s; else every type at the fewest nodes that hold the model,
    which lose least to communication and are searched fastest, by USD per peak FLOP (cost) or peak FLOP/s per GPU
    (throughput), then at twice as many, and so on.
    """
    planner = PLANNERS[request.workload]

    def key(numbered: tuple[int, Cluster]) -> tuple[float, ...]:
        c = numbered[1]
        times = c.nodes / planner.smallest_nodes(request, c.instance)
        peak = c.instance.accelerator.peak_flop_per_s["bf16"]
        if request.objective == "time":
            return (times < 1, -peak * c.instance.gpus * c.nodes)
        if request.objective == "throughput":
            return (times < 1, times, -peak)
        usd = c.price.usd_per_h
        return (times < 1, times, float("inf") if usd is None else usd / (peak * c.instance.gpus))

    return sorted(enumerate(clusters), key=key)


def _shown(request: PlanRequest, parts: list[Part]) -> list[Estimate]:
    """One row per cluster, best first, every instance type represented; for a single cluster its best meshes."""
    rows = [row for part in parts for row in part.rows]
    rows.sort(key=sort_key(PLANNERS[request.workload], request.objective))
    top = rows[: request.top]
    shown = {e.instance.name for e in top}
    for extra in rows[request.top :]:
        if extra.instance.name not in shown:
            top.append(extra)
            shown.add(extra.instance.name)
    return top


def pareto(planner: Planner, rows: list[Estimate]) -> tuple[int, ...]:
    """Indices of rows that no other beats in all of `Planner.front`; those that cannot be compared are out."""
    points = [(i, values) for i, e in enumerate(rows) if (values := planner.front(e)) is not None]
    points.sort(key=lambda point: (point[1], point[0]))
    front: list[tuple[int, tuple[float, ...]]] = []
    for i, values in points:  # whatever beats a point comes before it
        if not any(all(a <= b for a, b in zip(other, values, strict=True)) for _, other in front):
            front.append((i, values))
    return tuple(i for i, _ in front)


def _nearest(request: PlanRequest, found: list[Found]) -> NearMiss | None:
    """The closest candidate: the fastest that fits where a target was missed, else the smallest excess of memory."""
    missed = [(f.fastest[0] * f.weight, f, f.fastest[1]) for f in found if f.fastest is not None]
    short = [(f.nearest[0] / f.room, f, f.nearest[1]) for f in found if f.nearest is not None]
    for listed in (missed, short):
        if listed:
            _, f, layout = min(listed, key=lambda entry: entry[0])
            return PLANNERS[request.workload].near_miss(request, f.cluster, layout)
    return None


def _unpriced(request: PlanRequest, parts: list[Part], tally: Tally) -> tuple[list[Part], list[str]]:
    """Clusters to show, and a word for each whose price is unknown: it is listed last, or out where a budget rules."""
    shown, words = [], []
    for part in parts:
        f = part.found
        known = _priced(request, f)
        if known or (request.objective != "cost" and request.budget_usd is None):
            shown.append(part)
            continue
        if request.budget_usd is not None:
            tally.reject("price", f.fitting)
        else:
            shown.append(part)
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


def search(
    request: PlanRequest,
    progress: Progress | None = None,
    executor: Executor | None = None,
    cancelled: Cancelled | None = None,
    partial: Partial | None = None,
) -> Plan:
    """Search all clusters of `request` and rank them by its objective.

    Rows are empty where nothing fits or meets the targets; then `nearest` and the counted rejections say why. The
    answer is the same whatever `executor` the clusters go through; None: this thread. `cancelled` (such as
    `threading.Event().is_set`) is asked between chunks; what was found until then comes back, marked partial. `partial`
    is given the answer so far each time another cluster is done.
    """
    start = time.perf_counter()
    _keep_pages()
    clusters = _clusters(request)
    rows = request.top if len(clusters) == 1 else 1
    parts: dict[int, Part] = {}

    def answer(whole: bool) -> Plan:
        return _plan(request, parts, len(clusters), whole, start)

    for number, part in search_parts(request, _likely_first(request, clusters), rows, executor, cancelled):
        parts[number] = part
        if progress is not None:
            progress(len(parts), len(clusters))
        if partial is not None and len(parts) < len(clusters):
            partial(answer(False))
    return answer(True)


def _plan(request: PlanRequest, parts: Mapping[int, Part], clusters: int, last: bool, start: float) -> Plan:
    """The answer that `parts` give, in the order of the request's clusters, whatever order they came in.

    last: whether nothing more is coming, so that an answer without rows owes its nearest miss.
    """
    listed, tally, planner = [parts[number] for number in sorted(parts)], Tally(), PLANNERS[request.workload]
    for part in listed:
        tally.add(part.tally)
    finished = sum(not part.found.stopped for part in listed)
    ranked, words = _unpriced(request, listed, tally)
    rows = _shown(request, ranked)
    if last and finished < clusters:
        words.append(f"stopped early: {finished} of {clusters} clusters searched")
    rejects = sorted(tally.rejected.items(), key=lambda item: -item[1])
    return Plan(
        rows=tuple(rows),
        rejects=tuple(Reject(key, SENTENCES[key], count) for key, count in rejects),
        nearest=_nearest(request, [part.found for part in listed]) if last and not rows else None,
        candidates=tally.candidates,
        evaluated=sum(part.found.evaluated for part in listed),
        fitting=sum(part.found.fitting for part in listed),
        search_s=time.perf_counter() - start,
        objective=request.objective,
        pareto=pareto(planner, rows),
        told_apart=told_apart(planner, rows, request.objective),
        levers=planner.levers(rows, request),
        notes=tuple(words),
        partial=finished < clusters,
    )


def best(request: PlanRequest) -> Plan:
    """The best layout on one instance type; where no node count is given, on the fewest nodes that hold the model.

    Counts double from `Planner.smallest_nodes` until something fits. Where nothing does, `nearest` holds the closest
    candidate of the first count tried.
    """
    if request.node_counts:
        return search(request)
    first = PLANNERS[request.workload].smallest_nodes(request, request.instances[0])
    plan = tried = search(replace(request, node_counts=(first,)))
    for doubling in range(1, MAX_DOUBLINGS + 1):
        if tried.rows:
            return tried
        tried = search(replace(request, node_counts=(first << doubling,)))
    return tried if tried.rows else plan
