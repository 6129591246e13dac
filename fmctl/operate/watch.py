"""One stream of what happens to a cluster: stack and resource events, nodes by state, the end, the money.

Polling is rate-limited and jittered; what is asked how often depends on whether anything is under way. Nothing is kept
but the last event and what is in progress, so that watching for days costs no memory.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fmctl.base.errors import FmctlError, PermissionDenied
from fmctl.domain.ports import Clock, Node
from fmctl.targets.target import Part, State, Target

# A resource is called slow after so many times its usual time, and no sooner than a minute.
SLOW_FACTOR, SLOW_LEAST_S = 2.5, 60.0
BUSY_S, QUIET_S = 10.0, 60.0  # between looks at the stack while it changes, and while it does not
NODES_S, END_S, COST_S, SCALING_S = 30.0, 600.0, 300.0, 120.0
JITTER = 0.2
FAILED_LOOKS = 8  # looks that fail in a row before the watch gives up
RESERVED_WARNING = timedelta(minutes=30)
AGAIN = timedelta(minutes=10)  # between two tellings of one cause


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the stream: when it happened, who says so, what about what."""

    at: datetime
    source: str  # the target's own, ec2, scheduler, logs or fmctl
    kind: str  # stack, resource, slow, nodes, end, cost, trouble
    name: str
    status: str
    text: str

    def as_dict(self) -> dict[str, str]:
        """For JSON lines."""
        return {
            "at": self.at.isoformat(),
            "source": self.source,
            "kind": self.kind,
            "name": self.name,
            "status": self.status,
            "text": self.text,
        }


@dataclass(slots=True, eq=False)
class _Timer:
    """When something is to be looked at next; jittered, so that many watchers do not ask at once."""

    due: datetime

    def is_due(self, now: datetime) -> bool:
        return now >= self.due

    def again(self, now: datetime, seconds: float, spread: Callable[[], float]) -> None:
        self.due = now + timedelta(seconds=seconds * (1.0 + JITTER * (2.0 * spread() - 1.0)))


@dataclass(slots=True, eq=False)
class Watch:
    """State of one watch: the last event seen, what is in progress, the last counts."""

    cluster: str
    target: Target
    clock: Clock
    usd_per_h: float | None = None  # of all nodes, None where unknown
    cap_usd: float | None = None  # what the run may cost, None where unknown
    node_count: int = 0
    spread: Callable[[], float] = random.random
    last_event: str | None = None
    status: str = ""
    changing: bool = False
    under_way: dict[str, Part] = field(default_factory=dict)
    called_slow: set[str] = field(default_factory=set)
    counts: tuple[tuple[str, str, int], ...] = ()
    end: datetime | None = None
    broken: str = ""  # why an end that is arranged would not come
    end_known: bool = False
    state: State | None = None
    spent_usd: float = 0.0
    metered_at: datetime | None = None
    told_at: datetime | None = None
    told_cause: str = ""

    def events(self, until: Callable[[str], bool] = lambda status: False) -> Iterator[Event]:
        """The stream, until `until` holds for the cluster's status ("" where there is none).

        Raises PermissionDenied at once, other errors after FAILED_LOOKS in a row.
        """
        now = self.clock.now()
        looks = (
            (_Timer(now), self._state, self._pace),
            (_Timer(now), self._nodes, lambda: NODES_S),
            (_Timer(now), self._end, lambda: END_S),
            (_Timer(now), self._cost, lambda: COST_S),
            (_Timer(now), self._scaling, lambda: SCALING_S),
        )
        failed = 0
        while True:
            now = self.clock.now()
            for timer, look, pace in looks:
                if not timer.is_due(now):
                    continue
                try:
                    yield from look(now)
                except PermissionDenied:
                    raise
                except FmctlError as error:
                    failed += 1
                    yield Event(now, "fmctl", "trouble", self.cluster, str(failed), str(error))
                    if failed >= FAILED_LOOKS:
                        raise
                    timer.again(now, BUSY_S * 2.0**failed, self.spread)
                else:
                    # The stack is what matters: others that answer do not make up for it.
                    failed = 0 if timer is looks[0][0] else failed
                    timer.again(now, pace(), self.spread)
            if until(self.status):
                return
            nearest = min(timer.due for timer, _, _ in looks)
            self.clock.sleep(max((nearest - self.clock.now()).total_seconds(), 0.5))

    def _pace(self) -> float:
        return BUSY_S if self.changing else QUIET_S

    def _state(self, now: datetime) -> Iterator[Event]:
        state = self.state = self.target.state(self.cluster)
        status, self.changing = (state.status, state.changing) if state is not None else ("", False)
        for found in self.target.parts(self.cluster, self.last_event) if state is not None else ():
            self.last_event = found.id
            yield self._part(found)
        if status != self.status:
            self.status = status
            yield self._whole(now, state)
        if not self.changing:
            self.under_way.clear()
            self.called_slow.clear()
        yield from self._slow(now)

    def _whole(self, now: datetime, state: State | None) -> Event:
        status, reason = (state.status, state.reason) if state is not None else ("GONE", "there is no such stack")
        return Event(now, self.target.words.source, "stack", self.cluster, status, reason)

    def _part(self, found: Part) -> Event:
        if found.under_way:
            self.under_way.setdefault(found.key, found)
            usual = f"usually {found.usual_s:.0f} s"
            text = f"{found.kind}: {found.reason or usual}"
        else:
            begun = self.under_way.pop(found.key, None)
            self.called_slow.discard(found.key)
            took = f"after {(found.at - begun.at).total_seconds():.0f} s" if begun is not None else ""
            text = f"{found.kind}: {found.reason or took}".rstrip(": ")
        return Event(found.at, self.target.words.source, "resource", found.name, found.status, text)

    def _slow(self, now: datetime) -> Iterator[Event]:
        """Resources that have been in progress for much longer than they usually are, each said once."""
        for key, found in self.under_way.items():
            waited = (now - found.at).total_seconds()
            if key not in self.called_slow and waited > max(SLOW_FACTOR * found.usual_s, SLOW_LEAST_S):
                self.called_slow.add(key)
                text = f"{found.kind} in progress for {waited:.0f} s, usually {found.usual_s:.0f} s"
                yield Event(now, "fmctl", "slow", found.name, found.status, text)

    def _nodes(self, now: datetime) -> Iterator[Event]:
        nodes = self.target.nodes(self.cluster)
        self.meter(nodes, now)
        tally = Counter((node.role, node.state) for node in nodes)
        counts = tuple(sorted((role, state, n) for (role, state), n in tally.items()))
        if counts != self.counts:
            self.counts = counts
            said = ", ".join(f"{n} {role} {state}" for role, state, n in counts) or "none"
            yield Event(now, "ec2", "nodes", self.cluster, "", said)

    def meter(self, nodes: tuple[Node, ...], now: datetime) -> None:
        """Add what the compute nodes cost since the last look, at the plan's price."""
        if self.usd_per_h is not None and self.metered_at is not None and self.node_count:
            running = sum(node.role == "compute" and node.state in ("pending", "running") for node in nodes)
            hours = (now - self.metered_at).total_seconds() / 3600.0
            self.spent_usd += self.usd_per_h / self.node_count * running * max(hours, 0.0)
        self.metered_at = now

    def _scaling(self, now: datetime) -> Iterator[Event]:
        """Why nodes are missing, as the scaling daemons wrote since the last look; the same cause once in a while."""
        running = sum(n for role, state, n in self.counts if role == "compute" and state in ("pending", "running"))
        if not self.status or running >= self.node_count:
            return
        found = self.target.trouble(self.cluster, self.told_at or now - AGAIN)
        if found is None or (found.cause == self.told_cause and self.told_at and found.at - self.told_at < AGAIN):
            return
        self.told_at, self.told_cause = found.at, found.cause
        error = found.error
        yield Event(found.at, "logs", "trouble", self.cluster, found.cause, f"{error.what}: {error.why}; {error.next}")

    def _end(self, now: datetime) -> Iterator[Event]:
        found = self.target.end(self.cluster, self.state)
        end = found.at if found is not None and found.holds else None
        broken = found.said if found is not None else ""
        if not self.end_known or (end, broken) != (self.end, self.broken):
            self.end, self.broken, self.end_known = end, broken, True
            if end is None:
                text = "nothing will delete this cluster by itself"
                text += f": {broken}" if broken else ""
                yield Event(now, "scheduler", "end", self.cluster, "broken" if broken else "none", text)
                return
            text = f"the stack will be deleted at {end:%Y-%m-%d %H:%M} UTC"
            soon = end - now < RESERVED_WARNING
            yield Event(now, "scheduler", "end", self.cluster, "soon" if soon else "set", text)
        elif end is not None and timedelta(0) < end - now < RESERVED_WARNING:
            left = (end - now).total_seconds() / 60.0
            yield Event(now, "scheduler", "end", self.cluster, "soon", f"{left:.0f} minutes left; fmctl extend")

    def _cost(self, now: datetime) -> Iterator[Event]:
        if self.usd_per_h is None:
            return
        cap = f" of ${self.cap_usd:,.0f}" if self.cap_usd is not None else ""
        over = self.cap_usd is not None and self.spent_usd > self.cap_usd
        text = f"${self.spent_usd:,.2f}{cap} for compute nodes since this watch began"
        yield Event(now, "fmctl", "cost", self.cluster, "over" if over else "within", text)
