"""Break a launch and a teardown at every call and every write, and see what the next command makes of it.

`python tests/unit/operate/cluster_chaos.py --write` writes docs/chaos.md; a test holds it current.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from cluster_fakes import NAME, FakeClock, Gate, Killed, World, ports, rendering, said, spec, written

from fmctl.base.errors import FmctlError
from fmctl.operate.extension import extend
from fmctl.operate.journal import progress
from fmctl.operate.launch import launch
from fmctl.operate.teardown import teardown

DOCUMENT = Path(__file__).parent.parent.parent.parent / "docs" / "chaos.md"
KILLS = ("before", "after", "torn")
REFUSALS = ("full", "expired", "throttled", "lost")
# What is not even noticed, and what the commands say then.
PASSING, UNDISTURBED = ("throttled", "lost"), {"launch": "running", "teardown": "gone"}
# What is broken: the command, and the world that it starts in.
COMMANDS = {
    "launch": ("launch", {}),
    "launch that fails": ("launch", {"fate": "InsufficientInstanceCapacity", "fleet": 9}),
    "teardown": ("teardown", {}),
    "teardown that gets stuck": ("teardown", {"stuck": 1}),
    "extend": ("extend", {}),
}


@dataclass
class Case:
    """A world, its state store, and the processes that come and go over them."""

    world: World = field(default_factory=World)
    texts: dict[str, str] = field(default_factory=dict)
    pid: int = 0
    changes: dict[str, Any] = field(default_factory=dict)
    by: str = "ada"

    def run(self, command: str, gate: Gate | None = None) -> str:
        """One command in a new process: "running", "gone", "extended", "killed", or the error."""
        self.pid += 1
        seen = ports(self.world, gate or Gate(), self.texts, self.pid, **self.changes)
        try:
            if command == "launch":
                launched = launch(spec(self.by), rendering(self.by), seen, confirm=lambda *_: True)
                return "running" if launched.done else "declined"
            if command == "extend":
                return f"ends {extend(NAME, 12, seen, confirm=lambda *_: True).record.end:%d. %H:%M}"
            torn = teardown(NAME, seen, confirm=lambda *_: True)
            return "gone" if torn.done else "declined"
        except Killed:
            return "killed"
        except FmctlError as error:
            assert error.next, error.what
            return said(error)

    def known(self) -> None:
        """Nothing exists that the journal does not know, and no cluster without an end."""
        store = ports(self.world, Gate(), self.texts).store
        meant = progress(written(store, NAME))
        if self.world.roles:
            assert meant.meant("end-role")
        if self.world.ends:
            assert meant.meant("end-schedule")
        for stack in self.world.stacks.values():
            assert meant.meant("create")
            assert stack["status"].startswith("DELETE") or self.world.ends, "a cluster without an end"

    def free(self) -> None:
        """The last command holds no lock: one of a process that was killed may lie there, and is taken over."""
        held = [json.loads(text) for key, text in self.texts.items() if key.startswith("locks/")]
        assert not [one for one in held if one["pid"] == self.pid]


def prepared(scene: str) -> Case:
    """The case that a scene starts from: nothing for a launch, a running cluster for the others."""
    command, world = COMMANDS[scene]
    case = Case()
    if command != "launch":
        assert case.run("launch") == "running"
    for key, value in world.items():
        setattr(case.world, key, value)
    return case


def points(scene: str) -> list[str]:
    """Every call and write of the scene's command, when nothing else goes wrong."""
    gate = Gate()
    prepared(scene).run(COMMANDS[scene][0], gate)
    return gate.points


@dataclass(frozen=True)
class Broken:
    """One breaking: where, how, what the command said, and what each next command made of it."""

    command: str
    point: int
    label: str
    how: str
    said: str
    then: dict[str, str]


def breakings(scene: str, hows: tuple[str, ...]) -> Iterator[Broken]:
    """The scene broken at every point in every way, each followed by every next command, in worlds of their own."""
    command = COMMANDS[scene][0]
    for point, label in enumerate(points(scene)):
        for how in hows:
            if how == "torn" and not label.startswith("journal "):
                continue
            then = {}
            first = ""
            for after in ("launch", "teardown"):
                case = prepared(scene)
                first = case.run(command, Gate(how, point))
                case.known()
                then[after] = case.run(after)
                settle(case, command, after, then[after])
            yield Broken(scene, point, label, how, first, then)


def settle(case: Case, command: str, after: str, outcome: str) -> None:
    """What must hold after the next command: one cluster with an end, or nothing, or a word on what to do."""
    case.known()
    case.free()
    once = 1 if command != "teardown" else 2  # a launch after a teardown that was nearly done makes a new one
    assert case.world.made.count(f"stack {NAME}") <= once
    assert case.world.made.count(f"role {NAME}") <= once
    if outcome == "running":
        stack, end = case.world.stacks[NAME], case.world.ends[NAME]
        assert stack["status"] == "CREATE_COMPLETE"
        assert timedelta(0) < end - stack["created"] <= timedelta(hours=36, minutes=10)
        assert len(case.world.stacks) == len(case.world.roles) == len(case.world.ends) == 1
    elif outcome == "gone":
        assert case.world.nothing()
    else:
        assert "next: " in outcome
        assert case.run("teardown") == "gone", "and a teardown always gets rid of it"
        assert case.world.nothing()
    if after == "teardown":
        assert outcome == "gone"


# Faults with names: each a function that gives what was said, in order.
Fault = Callable[[], list[str]]


def fails(fate: str, code: str = "ClusterCreationFailure", fleet: int = 0) -> Fault:
    """A creation that fails for a reason."""

    def fault() -> list[str]:
        case = Case(World(fate=fate, code=code, fleet=fleet))
        first = case.run("launch")
        case.known()
        again = case.run("launch")
        assert again.split(";")[0] == first.split(";")[0]
        out = [first, case.run("teardown")]
        assert case.world.nothing()
        return out

    return fault


def stuck(times: int) -> Fault:
    """A deletion that fails so many times."""

    def fault() -> list[str]:
        case = prepared("teardown")
        case.world.stuck = times
        out = [case.run("teardown")]
        if times > 1:
            assert case.world.ends, "the end stays while the stack does"
            case.world.stuck = 0
            out.append(case.run("teardown"))
        assert case.world.nothing()
        assert case.world.retained == ["ComputeSG"]
        return out

    return fault


def second_operator(*, same_store: bool) -> Fault:
    """Somebody else launches the same name meanwhile."""

    def fault() -> list[str]:
        case = Case()
        case.run("launch", Gate("before", points("launch").index("Pcluster.create") + 3))
        from cluster_fakes import holder

        texts = case.texts if same_store else {}
        other = Case(case.world, texts, 70, {"me": holder(70, "desktop")}, "bob")
        out = [other.run("launch"), case.run("launch")]
        assert case.world.made.count(f"stack {NAME}") == 1
        return out

    return fault


def clock(skew: timedelta, jump: timedelta) -> Fault:
    """A machine whose clock is wrong by `skew` and jumps during the wait."""

    def fault() -> list[str]:
        case = Case()
        hands = FakeClock(case.world, skew, [(20.0, jump)])
        case.changes["clock"] = hands
        out = [case.run("launch")]
        stack, end = case.world.stacks[NAME], case.world.ends[NAME]
        assert end - stack["created"] <= timedelta(hours=24, minutes=10)
        assert hands.slept < 120
        left = (end - stack["created"]).total_seconds() / 3600
        return [f"{out[0]}, ends {left:.1f} h after its creation"]

    return fault


def throttled_for_ever() -> list[str]:
    """Every question during the wait is refused; later they are answered again."""
    case = Case()
    start = points("launch").index("Pcluster.create") + 3

    class Deaf(Gate):
        def call(self, label: str, act: Callable[[], Any], *, write: Callable[[], None] | None = None) -> Any:
            if len(self.points) >= start and label.startswith("Cloud."):
                self.how, self.at = "throttled", len(self.points)
            return super().call(label, act, write=write)

    out = [case.run("launch", Deaf())]
    case.known()
    return [*out, case.run("launch")]


def late() -> list[str]:
    """Killed during the creation; the stack shows only 40 s later."""
    out = []
    for after in ("launch", "teardown"):
        case = Case(World(shows_after_s=40.0))
        case.run("launch", Gate("after", points("launch").index("Pcluster.create")))
        out.append(f"{after}: {case.run(after)}")
        assert case.world.made.count(f"stack {NAME}") == 1
        assert after == "launch" or case.world.nothing()
    return out


def other_place(**who: str) -> Fault:
    """Credentials of another account or a session in another region."""

    def fault() -> list[str]:
        from cluster_fakes import FakeCloud

        case = Case()
        gate = Gate()
        case.changes["cloud"] = FakeCloud(case.world, gate, **who)
        out = [case.run("launch")]
        assert case.world.nothing()
        assert not case.texts
        return out

    return fault


def read_only_folder() -> list[str]:
    """The state store takes no writes at all."""
    from cluster_fakes import FakeStore

    case = Case()
    store = FakeStore(Gate(), case.texts)
    store.read_only = True
    case.changes["store"] = store
    out = [case.run("launch")]
    assert case.world.nothing()
    return out


def refused() -> list[str]:
    """ParallelCluster's validators find an error."""
    from fmctl.domain.ports import Finding

    case = Case(World(findings=(Finding("ERROR", "EfaValidator", "EFA over two zones"),)))
    out = [case.run("launch")]
    assert case.world.nothing()
    return out


def time_is_up() -> list[str]:
    """The scheduled end comes while nobody looks; then both commands."""
    case = prepared("teardown")
    case.world.advance(25 * 3600)
    case.world.advance(60)
    assert not case.world.stacks
    return [case.run("teardown")]


FAULTS: dict[str, Fault] = {
    "insufficient capacity, first node": fails("We currently do not have sufficient p5.48xlarge capacity", fleet=0),
    "insufficient capacity, tenth node": fails("InsufficientInstanceCapacity: p5.48xlarge in us-east-1a", fleet=9),
    "wait condition": fails("WaitCondition timed out. Received 0 conditions when expecting 1"),
    "protected mode": fails("Cluster is in protected mode due to failures", "StaticNodeBootstrapFailure", 10),
    "reservation expired": fails("The capacity reservation cr-1 is expired: InvalidCapacityReservationId"),
    "vCPU quota": fails("VcpuLimitExceeded: more vCPU capacity than your current limit of 192"),
    "a right is missing": fails("User is not authorized to perform: iam:CreateRole (AccessDenied)"),
    "image of another version": fails("This AMI was created with cookbook 3.9.0, but 3.16.1 is used"),
    "a failure nobody knows": fails("The moon is in the wrong place"),
    "DELETE_FAILED once": stuck(1),
    "DELETE_FAILED twice": stuck(2),
    "second operator, same store": second_operator(same_store=True),
    "second operator, another store": second_operator(same_store=False),
    "clock jumps 30 days ahead in the wait": clock(timedelta(), timedelta(days=30)),
    "clock jumps 30 days back in the wait": clock(timedelta(), timedelta(days=-30)),
    "clock 5 days ahead": clock(timedelta(days=5), timedelta()),
    "every answer throttled in the wait": throttled_for_ever,
    "stack shows 40 s after the kill": late,
    "credentials of another account": other_place(account="210987654321"),
    "session in another region": other_place(region="eu-west-1"),
    "read-only state folder": read_only_folder,
    "validators find an error": refused,
    "the end came by itself": time_is_up,
}
TITLES = {
    "before": "killed before",
    "after": "killed after",
    "torn": "killed in the middle of the write",
    "full": "disk full",
    "expired": "credentials expired",
    "throttled": "throttled once",
    "lost": "done, but no answer",
}


def document() -> str:
    """docs/chaos.md."""
    import cluster_meeting

    parts = {command: section(command) for command in COMMANDS}
    lines = [HEAD, *named(), "", "## At every call and every write", "", SECOND]
    lines += [
        "| command | fault | points | the command says | then `launch` | then `teardown` |",
        "|---|---|---|---|---|---|",
    ]
    lines += [row for rows, _ in parts.values() for row in rows]
    lines += ["", "## Two operators at once", "", FOURTH, *cluster_meeting.HEAD]
    lines += [row for pair in cluster_meeting.PAIRS for row in cluster_meeting.rows(*pair)]
    lines += ["", "## Every point", "", THIRD, *(line for _, details in parts.values() for line in details)]
    return "\n".join(lines) + "\n"


def named() -> list[str]:
    """The table of faults with a name."""
    rows = (f"| {name} | {' **then** '.join(fault())} |" for name, fault in FAULTS.items())
    return ["| fault | what the commands say, in order |", "|---|---|", *rows]


def section(command: str) -> tuple[list[str], list[str]]:
    """(rows of the table of every call and write, the table of every point) of one command."""
    everything = list(breakings(command, KILLS + REFUSALS))
    rows = []
    for how in KILLS + REFUSALS:
        found = [row for row in everything if row.how == how]
        assert len(found) >= 4
        said = {row.said for row in found}
        assert how not in KILLS or said == {"killed"}
        assert how not in PASSING or command not in UNDISTURBED or said == {UNDISTURBED[command]}
        cells = [_counted(row.said for row in found)]
        cells += [_counted(row.then[after] for row in found) for after in ("launch", "teardown")]
        rows.append(f"| {command} | {TITLES[how]} | {len(found)} | {' | '.join(cells)} |")
    both = {how: {row.point: row for row in everything if row.how == how} for how in ("before", "after")}
    details = ["", f"### {command}", "", "| # | point | killed before, then `launch` | killed after, then `launch` |"]
    details += ["|---|---|---|---|"] + [
        f"| {point + 1} | {row.label} | {_short(row.then['launch'])} | {_short(late.then['launch'])} |"
        for (point, row), late in zip(both["before"].items(), both["after"].values(), strict=True)
    ]
    return rows, details


def _counted(found: Iterator[str]) -> str:
    counted = Counter(_short(text) for text in found)
    return "; ".join(f"{text} ({count})" for text, count in counted.most_common())


def _short(text: str) -> str:
    return text.partition("; next: ")[0]


HEAD = """\
# What breaks, and what becomes of it

Written by `python tests/unit/operate/cluster_chaos.py --write` from runs of the controller against fakes of AWS and
ParallelCluster (`tests/unit/operate`); a test holds it current. It shows the controller, not AWS. After every line
these hold, or the test fails: nothing exists that the journal does not know, no stack exists without a scheduled end,
nothing was made twice, no lock is held, and the last command left one running cluster, or nothing, or a word on what
to do, upon which a teardown leaves nothing.

## Faults with a name
"""
SECOND = """\
Each command is broken once at each of its calls to a port and each of its writes, in each way; after that, in worlds of
their own, `launch` and `teardown` follow. In brackets: at how many points. A fault that cannot strike a point (a disk
at a call to AWS) leaves the command undisturbed there.
"""
FOURTH = """\
At each call and each write of one operator's command, another runs a whole command, on another machine: with the same
store or their own. The first goes on, or is killed there. After each, every cluster has an end of its own launch that
would come and deletes that very stack, nothing is there twice, and teardowns leave nothing.
"""
THIRD = "A kill at any of them, then `launch`. `teardown` instead ends in `gone` at every one.\n"

if __name__ == "__main__":
    if "--write" in sys.argv:
        from fmctl.base.files import write_atomic

        write_atomic(DOCUMENT, document())
    else:
        print(document())
