"""What the search asks of a workload, as protocols: it enumerates, evaluates, rejects and ranks, and names no term."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fmctl.domain.hardware import Instance
    from fmctl.domain.layout import Layout, Layouts
    from fmctl.domain.model import ModelArch
    from fmctl.domain.result import Estimate, NearMiss, PlanRequest, Terms
    from fmctl.domain.run import Lever
    from fmctl.domain.workload import Workload
    from fmctl.plan.axes import Scope
    from fmctl.plan.cluster import Cluster
    from fmctl.plan.space import Pruning


@dataclass(slots=True, eq=False, repr=False)
class Objective:
    """What rows are ranked by."""

    value: Callable[[Estimate], float | None]  # None where it is not known: a price
    least: bool = True  # whether the least of it is best
    nearly: bool = False  # it follows what layouts are searched by only nearly: more of them are looked at


@dataclass(slots=True, eq=False, repr=False)
class Limit:
    """A term that must not exceed a value; a layout above it is counted by the reason."""

    reason: str  # key of plan.constraints.SENTENCES
    term: str
    most: float


class Evaluator(Protocol):
    """Layouts of one cluster to terms."""

    @property
    def objective(self) -> str:
        """The term that layouts are searched by: the least is best."""

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The first is what must fit, the others are targets, in the order in which they are counted."""

    @property
    def weight(self) -> float:
        """What the objective is multiplied by before clusters are compared: steps of a run."""

    def __call__(self, layouts: Layouts) -> Terms:
        """The objective and the terms of the limits, one value per layout."""


class Planner(Protocol):
    """One kind of workload, as far as the search goes. Without state: it is looked up by name in any process."""

    @property
    def objectives(self) -> Mapping[str, Objective]:
        """What rows can be ranked by."""

    def smallest_nodes(self, request: PlanRequest, instance: Instance) -> int:
        """Nodes of the smallest cluster that can hold the model."""

    def default_nodes(self, arch: ModelArch, instance: Instance) -> Sequence[int]:
        """Node counts that are tried where none are stated."""

    def workload(self, request: PlanRequest, instance: Instance, nodes: int) -> Workload:
        """What a cluster would run."""

    def scope(self, request: PlanRequest, cluster: Cluster) -> Scope:
        """Which layouts there are."""

    def evaluator(self, request: PlanRequest, cluster: Cluster) -> Evaluator:
        """What layouts come to."""

    def pruning(self, request: PlanRequest, cluster: Cluster) -> Pruning | None:
        """What says that layouts cannot win; None: all of them are evaluated."""

    def refined(self, scope: Scope, winners: Iterable[Layout]) -> Layouts | None:
        """Further layouts near the winners; None: there are none."""

    def rows(self, request: PlanRequest, cluster: Cluster, layouts: list[Layout]) -> list[Estimate]:
        """Full estimates of layouts; those that miss a target after all are out."""

    def near_miss(self, request: PlanRequest, cluster: Cluster, layout: Layout) -> NearMiss:
        """What of a layout is too much, and what would help."""

    def speed(self, row: Estimate) -> float:
        """By which rows of the same objective are ordered, the largest first."""

    def half_width(self, row: Estimate) -> float:
        """Half width of the interval of a row's prediction, relative."""

    def front(self, row: Estimate) -> tuple[float, ...] | None:
        """What a row of the Pareto front is not beaten in, the least best; None: it cannot be compared."""

    def levers(self, rows: Sequence[Estimate], request: PlanRequest) -> tuple[Lever, ...]:
        """What would help the first row most."""
