"""What a target is: a place where clusters are made, looked at and taken down, with the words by which it is told of.

Whoever operates sees a condition, parts with times, nodes and an end; what they are called there stays in the target.
Every question is one call, so that each can be asked again by itself. Times are aware UTC datetimes. Every method may
raise PermissionDenied, CapacityUnavailable or OperationFailed, with the next step; none returns half an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from fmctl.base.errors import FmctlError
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.end import End, Whose
from fmctl.domain.hardware import Instance
from fmctl.domain.ports import Finding, Head, Identity, Leftover, Node, Reservation, Resource, Survey

T = TypeVar("T")


class Ask(Protocol):
    """Asks a question until it is answered."""

    def __call__(self, call: Callable[[], T], /) -> T:
        """What it is answered."""
        ...


class Condition(StrEnum):
    """What a cluster is in, whatever made it."""

    MISSING = "missing"
    GROWING = "creating"
    READY = "ready"
    BROKEN = "failed"
    GOING = "deleting"
    STUCK = "stuck"  # a deletion that failed


@dataclass(frozen=True, slots=True)
class State:
    """A cluster as its target has it."""

    name: str
    condition: Condition
    status: str  # in the target's own word
    reason: str  # of that status, "" where the target gives none
    created: datetime
    tags: Mapping[str, str]
    changing: bool = False  # whether the target is at work on it
    id: str = ""  # which no other cluster ever has, of the same name or not


@dataclass(frozen=True, slots=True)
class Part:
    """One event of a part of a cluster, or of the whole."""

    at: datetime
    path: str  # of what holds the part, "" for the cluster itself
    name: str
    kind: str
    status: str
    reason: str
    id: str  # of the event: where reading goes on
    phase: str  # CREATE, UPDATE or DELETE
    under_way: bool
    whole: bool  # of the cluster itself
    usual_s: float  # that such a part takes

    @property
    def key(self) -> str:
        """The part's name among all of them."""
        return f"{self.path}/{self.name}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nodes are missing: when, which cause, and the error that it amounts to."""

    at: datetime
    cause: str
    error: FmctlError


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a preflight: state is ok, warning, fail or unknown; `next` is what to do about it."""

    name: str
    state: str
    found: str
    next: str = ""
    denied: bool = False  # it fails for want of a right


@dataclass(frozen=True, slots=True)
class Today:
    """What is known on our side: the time, today's price of all nodes, and the plan's budget."""

    now: datetime
    usd_per_h: float | None
    budget_usd: float | None


class Rendering(Protocol):
    """A rendered cluster: its configuration, the digest of all files, and the tags by which it is known again."""

    @property
    def config(self) -> str:
        """What the target is handed."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of all that was rendered."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags by which the cluster is known as this rendering; at least one."""
        ...


@dataclass(frozen=True, slots=True)
class Beside:
    """What a cluster has beside the nodes that train, as its site says."""

    made: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()  # kind and id of each
    head: str | None = None  # instance type of the head node, where the site says so
    login_nodes: int = 0


@dataclass(frozen=True, slots=True)
class Words:
    """How people know a target."""

    title: str  # the product
    source: str  # who tells of parts, in a stream of events
    below: str  # what it stands on, and what deletes where it does not
    kept: tuple[str, ...]  # what outlives every cluster of it


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is of all clusters of an account and region, by name, listed at once."""

    states: Mapping[str, State]
    nodes: Mapping[str, tuple[Node, ...]]
    ends: frozenset[str]  # names of those that an end is arranged for


class Target(Protocol):
    """One target, in one account and region."""

    @property
    def words(self) -> Words:
        """How it is told of."""
        ...

    def beside(self, spec: ClusterSpec) -> Beside:
        """What there will be beside the nodes; nobody is asked."""
        ...

    def identity(self) -> Identity:
        """Account and caller."""
        ...

    def state(self, cluster: str) -> State | None:
        """The cluster now; None where there is none."""
        ...

    def overview(self, clusters: Sequence[str]) -> Overview:
        """What there is of many clusters, by as few questions as their number allows."""
        ...

    def parts(self, cluster: str, after: str | None = None) -> tuple[Part, ...]:
        """Events of its parts, oldest first, those after the event id `after`."""
        ...

    def nodes(self, cluster: str) -> tuple[Node, ...]:
        """Its machines, in any state but terminated."""
        ...

    def end(self, cluster: str, state: State | None = None) -> End | None:
        """Its arranged end, held against the cluster as it is; None where none is arranged."""
        ...

    def deleted(self, id: str) -> datetime | None:
        """When the cluster of that id was deleted; None where it was not, or nobody knows any more."""
        ...

    def foreign(self, state: State) -> str:
        """Why a cluster is not provably one that fmctl made by this target; "" where its tags prove that."""
        ...

    def leftovers(self, cluster: str) -> tuple[Leftover, ...]:
        """What of it still exists and is not taken down with it."""
        ...

    def reservation(self, reservation_id: str) -> Reservation | None:
        """One capacity reservation; None where there is none."""
        ...

    def lines(self, cluster: str, stream: str, after: datetime | None = None) -> Iterator[tuple[datetime, str]]:
        """Lines of its logs whose name holds `stream`, oldest first."""
        ...

    def trouble(self, cluster: str, after: datetime) -> Trouble | None:
        """Why nodes are missing, as its logs tell; None where they tell nothing."""
        ...

    def failure(self, cluster: str, region: str, state: State | None, ask: Ask) -> FmctlError:
        """Why the cluster failed. What cannot be asked for is left out."""
        ...

    def failing(self, cluster: str) -> Mapping[str, str]:
        """Parts that could not be deleted, with the reason."""
        ...

    def undeletable(self, cluster: str, failing: Mapping[str, str], *, retained: bool) -> FmctlError:
        """What to say when it cannot be deleted, even with those parts left out where `retained`."""
        ...

    def check_launchable(self, rendering: Rendering) -> None:
        """Raises UsageError where the configuration does not carry the tags."""
        ...

    def checks(
        self, spec: ClusterSpec, instance: Instance, survey: Survey, today: Today, config: str
    ) -> Iterator[Check]:
        """Everything that a launch relies on, by describing only."""
        ...

    def ready(self) -> None:
        """Raises OperationFailed where its own program is not there."""
        ...

    def findings(self, cluster: str, config: str, region: str) -> tuple[Finding, ...]:
        """What its own validators have against a configuration."""
        ...

    def resources(self, cluster: str, config: str, region: str) -> tuple[Resource, ...]:
        """Everything that a creation would make."""
        ...

    def create(self, cluster: str, rendering: Rendering, region: str) -> None:
        """Start the creation. Raises OperationFailed where the name is taken."""
        ...

    def end_role(self, cluster: str, boundary: str | None, whose: Whose) -> str:
        """Make (or find as this launch's) what has the right to delete the cluster; its name. Repeats safely."""
        ...

    def put_end(self, cluster: str, at: datetime, role: str, token: str, whose: Whose) -> None:
        """Arrange its deletion at `at`, in place of an earlier one of the same launch. Repeats safely."""
        ...

    def remove_end(self, cluster: str, launch: str = "") -> tuple[str, ...]:
        """Remove the arrangement, as far as it is this cluster's (and launch's, where one is named).

        What was left, and why; nothing to remove is no error.
        """
        ...

    def stop(self, cluster: str, region: str) -> None:
        """Ask its compute nodes to stop; the rest stays."""
        ...

    def delete(self, cluster: str, region: str) -> None:
        """Start the deletion; a cluster that is gone is no error."""
        ...

    def delete_parts(self, state: State, leave: Sequence[str] = ()) -> None:
        """Ask what the target itself stands on to delete exactly that cluster, without the parts named."""
        ...

    def by_hand(self, cluster: str, region: str, *, ours: bool) -> str:
        """The command that deletes it without fmctl; of a cluster that fmctl did not make, where not `ours`."""
        ...

    def head(self, cluster: str) -> Head:
        """Its head node."""
        ...

    def close(self) -> None:
        """End what was started to ask it."""
        ...
