"""Two operators at once: at every call and every write of one command, another operator runs a whole command.

Both in one store or each with their own; the first one goes on, or is killed there. Then what holds is looked at, and
teardowns leave nothing. `cluster_chaos.py --write` makes its table part of docs/chaos.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from cluster_chaos import Case
from cluster_fakes import NAME, Gate, Killed, World, holder

COMMANDS = ("launch", "extend", "teardown")
PAIRS = tuple(product(COMMANDS, COMMANDS))
HEAD = (
    "| one | meanwhile another | store | the first | points | the first is told | the other is told |",
    "|---|---|---|---|---|---|---|",
)


@dataclass
class Meeting(Gate):
    """At one point somebody else runs a whole command, before the call is made; with `kills` the call never is."""

    other: Callable[[], str] = lambda: ""
    kills: bool = False
    heard: str = ""

    def call(self, label: str, act: Callable[[], Any], *, write: Callable[[], None] | None = None) -> Any:
        if not self.dead and self.at == len(self.points):
            self.heard = self.other()
            if self.kills:
                self.points.append(label)
                self.dead = True
                raise Killed(label)
        return super().call(label, act, write=write)


@dataclass(frozen=True)
class Met:
    """One meeting: who did what, where, and what each was told."""

    first: str
    second: str
    shared: bool
    killed: bool
    point: int
    label: str
    said: str
    heard: str


@dataclass
class Scene:
    """A world, a first operator in it, and a second."""

    first: str
    second: str
    shared: bool
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        """The first one's cluster runs already, unless it is they who launch."""
        self.ada = Case(self.world)
        if self.first != "launch":
            assert self.ada.run("launch") == "running"
        texts = self.ada.texts if self.shared else {}
        self.bob = Case(self.world, texts, 70, {"me": holder(71, "desktop")}, "ada" if self.shared else "bob")

    def meet(self, point: int | None, *, kills: bool = False) -> tuple[Meeting, str]:
        """(the gate, what the first was told)."""
        gate = Meeting("", point, other=lambda: self.bob.run(self.second), kills=kills)
        return gate, self.ada.run(self.first, gate)

    def holds(self, *, killed: bool) -> None:
        """Whoever's they are: each cluster has an end of its own launch that would come, and nothing is there twice."""
        for name, stack in self.world.stacks.items():
            if stack["status"] != "CREATE_COMPLETE":
                continue
            whose = self.world.whose.get(name)
            if killed and (whose is None or not whose.stack):
                assert name in self.world.ends, "made before it was bound, and killed: the end by name stands"
                continue
            assert whose is not None and name in self.world.ends, "a cluster without an end"
            assert self.world.roles.get(name) == whose.launch, "an end whose role is another launch's"
            assert whose.stack == stack["id"], "an end of another stack"
        assert self.world.made.count(f"stack {NAME}") <= 1 + len(self.world.gone), "made twice"
        self.bob.free()
        if not killed:
            self.ada.free()

    def cleared(self) -> None:
        """Teardowns of both leave nothing, whoever's it was."""
        for case in (self.ada, self.bob, self.ada):
            case.run("teardown")
        assert self.world.nothing(), "something is left that nobody's teardown takes"


def points(first: str) -> list[str]:
    """Every call and write of the first one's command, when nobody else is there."""
    gate, _ = Scene(first, "launch", shared=True).meet(None)
    return gate.points


def meetings(first: str, second: str) -> Iterator[Met]:
    """Every point of one command, each with the other's command in the middle of it."""
    for shared, killed in product((True, False), (False, True)):
        for point, label in enumerate(points(first)):
            scene = Scene(first, second, shared)
            gate, said = scene.meet(point, kills=killed)
            scene.holds(killed=killed)
            scene.cleared()
            yield Met(first, second, shared, killed, point, label, said, gate.heard)


def rows(first: str, second: str) -> Iterator[str]:
    """What each was told, counted."""
    found = list(meetings(first, second))
    assert all(one.heard for one in found)
    for shared, killed in product((True, False), (False, True)):
        some = [one for one in found if (one.shared, one.killed) == (shared, killed)]
        where, how = "one" if shared else "each their own", "is killed there" if killed else "goes on"
        cells = [_counted(one.said for one in some), _counted(one.heard for one in some)]
        yield f"| {first} | {second} | {where} | {how} | {len(some)} | {' | '.join(cells)} |"


def _counted(found: Iterator[str]) -> str:
    counted = Counter(text.partition("; next: ")[0] for text in found)
    return "; ".join(f"{text} ({count})" for text, count in counted.most_common())
