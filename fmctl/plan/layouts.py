"""Search the layouts of one cluster: evaluate in chunks, count rejections, keep the best row of each mesh."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from fmctl.domain.layout import Layout, Layouts
from fmctl.domain.result import FloatArray, PlanRequest
from fmctl.plan import space
from fmctl.plan.axes import MESH_FIELDS, Scope
from fmctl.plan.cluster import Cluster
from fmctl.plan.planner import Evaluator, Planner
from fmctl.plan.space import Tally
from fmctl.plan.workloads import PLANNERS

# Winners that are refined: the partial recomputation of training is searched over its full range.
REFINED = 24
# Rows of a chunk where slow candidates are left out: each chunk may lower what counts as slow.
PRUNED_CHUNK_ROWS = 20_000

Row = tuple[float, float, Layout]


@dataclass(slots=True, eq=False, repr=False)
class Found:
    """What the search of one cluster found. The objective is the evaluator's; what must fit is its first limit."""

    cluster: Cluster
    weight: float  # of the objective, where clusters are compared
    room: float  # the most that fits
    kept: int = REFINED
    pool: dict[tuple[int, ...], Row] = field(default_factory=dict)  # mesh -> its best (objective, room taken, layout)
    evaluated: int = 0
    fitting: int = 0
    nearest: tuple[float, Layout] | None = None  # the least room taken, where a chunk held nothing that fits
    fastest: tuple[float, Layout] | None = None  # the best that fits, targets met or not
    stopped: bool = False

    def best(self, count: int) -> list[Row]:
        """The `count` best rows, best first; ties by the room taken, then by the layout itself."""
        return sorted(self.pool.values(), key=_rank)[:count]

    @property
    def ceiling(self) -> float:
        """Objective of the last mesh that is kept; infinite as long as there are fewer."""
        values = sorted(row[0] for row in self.pool.values())
        return values[self.kept - 1] if len(values) >= self.kept else float("inf")


def _rank(row: Row) -> tuple[float, float, tuple[tuple[str, int], ...]]:
    return row[0], row[1], tuple(row[2].items())


def _absorb(found: Found, chunk: Layouts, evaluator: Evaluator, tally: Tally) -> None:
    """Evaluate a chunk, count rejections, keep its best rows."""
    terms = evaluator(chunk)
    fit, *targets = evaluator.limits
    value, taken = terms[evaluator.objective], terms[fit.term]
    found.evaluated += len(chunk)
    good = fits = taken <= fit.most
    left = fitting = int(np.count_nonzero(fits))
    found.fitting += fitting
    tally.reject(fit.reason, len(chunk) - fitting)
    if not fitting:
        found.nearest = _least(found.nearest, chunk, taken)
        return
    for target in targets:
        good = good & (terms[target.term] <= target.most)
        tally.reject(target.reason, left - (left := int(np.count_nonzero(good))))
    found.fastest = _least(found.fastest, chunk, np.where(fits, value, np.inf))
    _pool(found, chunk, np.where(good, value, np.inf), taken)


def _least(seen: tuple[float, Layout] | None, chunk: Layouts, values: FloatArray) -> tuple[float, Layout]:
    """The least of `values` and what was seen, with its layout; ties by the layout, so that no order of rows shows."""
    low = float(values.min())
    if seen is not None and seen[0] < low:
        return seen
    tied = [chunk.row(i) for i in np.flatnonzero(values == low).tolist()]
    if seen is not None and seen[0] == low:
        tied.append(seen[1])
    return low, min(tied, key=lambda layout: tuple(layout.items()))


def _pool(found: Found, chunk: Layouts, value: FloatArray, taken: FloatArray) -> None:
    """Keep the best row of each mesh of the chunk, where the mesh is among the best; `value` is infinite where no row.

    Rows of a mesh stand together in a chunk, so that the best of each is one reduction over its stretch.
    """
    starts = _stretches(chunk)
    lowest = np.minimum.reduceat(value, starts)
    kept = min(found.kept, len(lowest)) - 1
    worst = min(float(np.partition(lowest, kept)[kept]) if kept + 1 == found.kept else np.inf, found.ceiling)
    ends = np.append(starts[1:], len(chunk))
    for k in np.flatnonzero((lowest <= worst) & (lowest < np.inf)).tolist():
        rows = starts[k] + np.flatnonzero(value[starts[k] : ends[k]] == lowest[k])
        rows = rows[taken[rows] == taken[rows].min()]
        row = min(((float(value[i]), float(taken[i]), chunk.row(i)) for i in rows.tolist()), key=_rank)
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


def _chunks(planner: Planner, request: PlanRequest, found: Found, scope: Scope, tally: Tally) -> Iterable[Layouts]:
    """The candidates; what cannot win is left out as it shows. Whoever asks for everything gets everything."""
    pruning = None if scope.exhaustive else planner.pruning(request, found.cluster)
    if pruning is None:
        yield from space.candidates(scope, tally)
        return
    for chunk in space.candidates(scope, tally, PRUNED_CHUNK_ROWS, pruning):
        yield chunk
        pruning.ceiling = found.ceiling


def search_cluster(
    request: PlanRequest, cluster: Cluster, tally: Tally, cancelled: Callable[[], bool] | None = None
) -> Found:
    """All layouts of one instance type and count; what was found so far where `cancelled` says so between chunks."""
    planner = PLANNERS[cluster.workload.kind]
    scope, evaluator = planner.scope(request, cluster), planner.evaluator(request, cluster)
    found = Found(cluster, evaluator.weight, evaluator.limits[0].most, max(REFINED, request.top))
    before = tally.candidates
    for chunk in _chunks(planner, request, found, scope, tally):
        if cancelled is not None and cancelled():
            found.stopped = True
            tally.reject("stopped", tally.candidates - sum(tally.rejected.values()) - found.fitting)
            return found
        _absorb(found, chunk, evaluator, tally)
    if tally.candidates == before:
        tally.reject("degrees", 1)
        tally.candidates += 1
    more = None if scope.exhaustive else planner.refined(scope, [row[2] for row in found.best(REFINED)])
    if more is not None:
        tally.candidates += len(more)
        _absorb(found, more, evaluator, tally)
    return found
