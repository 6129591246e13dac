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
from fmctl.plan.cluster import Cluster
from fmctl.plan.layouts import REFINED, Found, search_cluster
from fmctl.plan.space import Tally
from fmctl.plan.workloads import PLANNERS

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Cancelled = Callable[[], bool]
# How often a search that waits for others looks whether it is to stop, s.
POLL_S = 0.05


@dataclass(slots=True, eq=False, repr=False)
class Part:
    """What became of one cluster: its best rows, and its candidates counted by reason."""

    found: Found
    tally: Tally
    rows: tuple[Estimate, ...]


def search_part(request: PlanRequest, cluster: Cluster, rows: int, cancelled: Cancelled | None = None) -> Part:
    """Search one cluster and estimate its best `rows` layouts."""
    tally, planner = Tally(), PLANNERS[cluster.workload.kind]
    found = search_cluster(request, cluster, tally, cancelled)
    looked = max(rows, REFINED) if planner.objectives[request.objective].nearly else rows
    made = planner.rows(request, cluster, [row[2] for row in found.best(looked)])
    if looked > rows:
        made = sorted(made, key=sort_key(planner, request.objective))[:rows]
    return Part(found, tally, tuple(made))


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
