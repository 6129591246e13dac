"""Work that goes through any `concurrent.futures.Executor`, cluster by cluster, and stops when it is asked to.

The task is a function of a module and all it takes and gives can be pickled: threads, processes and a
`dask.distributed` cluster (`Client.get_executor()`) do the same. Without an executor the calling thread works alone:
on two cores two threads never helped (0.95 to 1.5 times as long as one: the arrays are small and the interpreter's
lock is held between them), two processes took 0.56 to 0.85 as long. Five runs of `tests/budget/scale.py --executors`
on a shared machine, less one in which other work took the cores (1.84 and 1.91).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmctl.domain.result import Estimate, PlanRequest
from fmctl.plan.apart import sort_key
from fmctl.plan.layouts import REFINED, Found, search_cluster
from fmctl.plan.results import Cluster, estimates
from fmctl.plan.space import Tally

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Cancelled = Callable[[], bool]
# How often a search that waits for others looks whether it is to stop, s.
POLL_S = 0.05


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Part:
    """What became of one cluster: its best rows, and its candidates counted by reason."""

    found: Found
    tally: Tally
    rows: tuple[Estimate, ...]


def search_part(request: PlanRequest, cluster: Cluster, rows: int, cancelled: Cancelled | None = None) -> Part:
    """Search one cluster and estimate its best `rows` layouts, as whole runs where tokens were given."""
    tally = Tally()
    found = search_cluster(request, cluster, tally, cancelled)
    # Money and time follow the step; energy does within 2 % or so: the least of the fastest meshes.
    looked = max(rows, REFINED) if request.objective == "energy" else rows
    best = [row[2] for row in found.best(looked)]
    made = as_runs(estimates(cluster, best, request.fixed, request.global_batch is not None), request)
    return Part(found, tally, tuple(sorted(made, key=sort_key(request.objective))[:rows] if looked > rows else made))


def as_runs(rows: list[Estimate], request: PlanRequest) -> list[Estimate]:
    """Rows with their whole run, bought in the best way; those that miss a target after all are out."""
    if request.run is None or not rows:
        return rows
    from fmctl.runs import whole

    found = zip(rows, whole.whole_runs(rows, request), strict=True)
    return [whole.bought(row, run) for row, run in found if run is not None and not whole.meets(run, request)]


def search_parts(
    request: PlanRequest,
    clusters: Sequence[tuple[int, Cluster]],
    rows: int,
    executor: Executor | None = None,
    cancelled: Cancelled | None = None,
) -> Iterator[tuple[int, Part]]:
    """(number, part) of each numbered cluster as it is finished; ends early where `cancelled` says so.

    Alone, it stops between two chunks and gives what it has of that cluster. Through an executor, clusters that are
    not finished are left out: those not begun are withdrawn, those under way end unheard.
    """
    if executor is not None:
        yield from _through(executor, request, clusters, rows, cancelled)
        return
    for number, cluster in clusters:
        if cancelled is not None and cancelled():
            return
        yield number, search_part(request, cluster, rows, cancelled)


def _through(
    executor: Executor,
    request: PlanRequest,
    clusters: Sequence[tuple[int, Cluster]],
    rows: int,
    cancelled: Cancelled | None,
) -> Iterator[tuple[int, Part]]:
    from concurrent.futures import FIRST_COMPLETED, wait

    numbers: dict[Future[Part], int] = {}
    try:
        for number, cluster in clusters:
            numbers[executor.submit(search_part, request, cluster, rows)] = number
        waiting = set(numbers)
        while waiting:
            done, waiting = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=numbers.__getitem__):
                yield numbers[future], future.result()
            if cancelled is not None and cancelled():
                return
    finally:
        for future in numbers:
            future.cancel()
