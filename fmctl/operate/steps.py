"""One run of the controller: ask what there is, do one thing with its intent and outcome on record, wait."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from fmctl.base.errors import FmctlError, OperationFailed, OperationTimeout, PermissionDenied, StalePlan
from fmctl.domain.ports import Clock, Identity
from fmctl.operate import actions
from fmctl.operate.journal import Journal, Progress, masked, progress
from fmctl.operate.records import Record, write_record
from fmctl.operate.retry import TRIES, passing, patiently, pause
from fmctl.operate.state import StateStore, locks
from fmctl.operate.state.locks import Alive, Holder, alive, this_process
from fmctl.targets.target import Condition, State, Target

POLL_S = 15.0
LONGEST_WAIT_S = 2 * 3600.0
# How long a stack may take to show after a creation whose answer nobody heard.
GRACE_S, GRACE_POLL_S = 120.0, 10.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything the controller reaches the world through."""

    target: Target
    clock: Clock
    store: StateStore
    me: Holder = field(default_factory=this_process)
    alive: Alive = alive
    jitter: Callable[[], float] = random.random
    # hears of every step and of every change of the cluster's status, one line each
    say: Callable[[str], None] = lambda _: None
    read_only: bool = False  # nothing is spent or destroyed


class Run:
    """One command on one cluster, with the journal open and the lock held.

    Args:
        ports: the world.
        name: the cluster.
        region: where it is.
        timeout_s: how long to wait in all; None for LONGEST_WAIT_S.
        whatever: go on where lines of the journal cannot be read.
        kept: name under which the store keeps it; None for the cluster's own.
    """

    def __init__(
        self,
        ports: Ports,
        name: str,
        region: str,
        timeout_s: float | None = None,
        *,
        whatever: bool = False,
        kept: str | None = None,
    ) -> None:
        self.ports, self.name, self.region = ports, name, region
        self.journal = Journal(ports.store, kept or name, ports.clock, ports.me, whatever=whatever)
        self.warnings: list[str] = []
        self.made = False  # whether anything was done, as far as its answer was heard, or may have been
        self.told = ""  # the cluster's status that was said last
        self._waited = False  # whether a creation that nobody heard of was waited for
        self._left_s = LONGEST_WAIT_S if timeout_s is None else timeout_s

    def after(self, before: Run) -> Run:
        """The same look once more, without saying or waiting for again what the one before did."""
        self.told, self._waited = before.told, before._waited
        return self

    @property
    def progress(self) -> Progress:
        """What the journal says."""
        return progress(self.journal.records)

    def ask(self, call: Callable[[], T]) -> T:
        """An answer to a question that changes nothing, asked patiently."""
        return patiently(call, self.ports.clock, self.ports.jitter)

    def state(self) -> State | None:
        """The cluster now."""
        found = self.ask(lambda: self.ports.target.state(self.name))
        status = found.status if found else "no stack"
        if status != self.told:
            self.ports.say(f"{self.name}: {status}")
            self.told = status
        return found

    def actual(self) -> actions.Actual:
        """Everything there is of the cluster."""
        target, state = self.ports.target, self.state()
        return actions.Actual(
            state=state,
            end=self.ask(lambda: target.end(self.name, state)),
            nodes=self.ask(lambda: target.nodes(self.name)),
        )

    def seen(self) -> actions.Actual:
        """Everything there is, as far as it can be looked at: only the cluster itself has to be."""
        target, state = self.ports.target, self.state()
        return actions.Actual(
            state=state,
            end=self._if_possible("its end", lambda: target.end(self.name, state), None),
            nodes=self._if_possible("its nodes", lambda: target.nodes(self.name), ()),
            leftovers=self._if_possible("what is left of it", lambda: target.leftovers(self.name), ()),
        )

    def _if_possible(self, what: str, call: Callable[[], T], otherwise: T) -> T:
        try:
            return call()
        except FmctlError as error:
            self.warnings.append(f"{what} could not be looked at: {error.what}: {error.why or ''}".rstrip(": "))
            return otherwise

    def do(
        self,
        action: str,
        token: str,
        data: Mapping[str, object],
        call: Callable[[], T],
        settled: Callable[[], bool] = lambda: False,
    ) -> T | None:
        """Say it, do it, say what came of it.

        Args:
            action: its name in the journal.
            token: joins intent and outcome.
            data: what a resuming process needs.
            call: does it; must be safe to repeat, or refuse to repeat itself.
            settled: after a failure, whether it was done all the same.

        Raises:
            UnwritableFile, StalePlan: before the call.
            FmctlError: what the call raised; its outcome is on record, "unknown" where no answer came.
        """
        if self.ports.read_only:
            raise PermissionDenied(
                f"{action} of {self.name} is switched off", why="read-only", next="without --read-only"
            )
        self.journal.intent(action, token, data)
        self.ports.say(f"{self.name}: {action}")
        for attempt in range(TRIES):
            try:
                answer = call()
            except OperationFailed as error:
                if self._settled(settled):
                    break
                if passing(error) and attempt < TRIES - 1:
                    self.ports.clock.sleep(pause(attempt, self.ports.jitter))
                    continue
                result = "unknown" if passing(error) else "failed"
                self.made = self.made or passing(error)
                self.journal.outcome(action, token, {"result": result, **_words(error)})
                raise
            except FmctlError as error:
                self.journal.outcome(action, token, {"result": "failed", **_words(error)})
                raise
            self.made = True
            self.journal.outcome(action, token, {"result": "done"})
            return answer
        self.made = True
        self.journal.outcome(action, token, {"result": "done", "found": True})
        return None

    def wait(self, until: Callable[[], T | None], what: str, poll_s: float = POLL_S, most_s: float | None = None) -> T:
        """Ask until there is an answer. The time is that asked of the clock's sleep: its hands may jump.

        Raises:
            OperationTimeout: the operation goes on.
        """
        left = self._left_s if most_s is None else most_s
        while True:
            found = until()
            if found is not None:
                return found
            if left <= 0:
                raise OperationTimeout(
                    f"stopped waiting for {self.name}: {what}",
                    why="the operation goes on in AWS",
                    next=f"fmctl status {self.name}; the same command again goes on waiting",
                )
            step = min(poll_s, left)
            self.ports.clock.sleep(step)
            left -= step
            if most_s is None:
                self._left_s = left

    def late_state(self) -> State | None:
        """The cluster of a creation whose outcome nobody knows: it may take a while to show, and is waited for once."""
        if self._waited:
            return None
        self._waited = True
        with suppress(OperationTimeout):
            return self.wait(self.state, "whether a creation went through", GRACE_POLL_S, GRACE_S)
        return None

    def wait_created(self, tags: Mapping[str, str]) -> State:
        """The complete cluster.

        Raises:
            FmctlError: it failed (the cause decides which), was deleted meanwhile, or is not ours.
        """

        def created() -> State | None:
            state = self.state()
            now = actions.condition(state)
            if now == Condition.GROWING:
                return None
            if now == Condition.READY and state is not None:
                return state
            if now == Condition.BROKEN:
                raise self.failure(state)
            gone = "is being deleted" if now == Condition.GOING else "is gone"
            raise OperationFailed(
                f"the stack of {self.name} {gone}",
                why="somebody, or its scheduled end, deleted it during the creation",
                next=f"fmctl teardown {self.name}",
            )

        state = self.wait(created, "its creation")
        if not actions.ours(state, tags):
            raise not_ours(state)
        return state

    def failure(self, state: State | None) -> FmctlError:
        """Why the cluster failed. A reason must not hide behind another error."""
        return self.ports.target.failure(self.name, self.region, state, self.ask)

    def _settled(self, settled: Callable[[], bool]) -> bool:
        with suppress(FmctlError):
            return settled()
        return False


def identity_in(ports: Ports, region: str | None, account: str | None, name: str) -> Identity:
    """Who we are, if that is where the cluster belongs.

    Args:
        ports: the world.
        region: that it must be; None for any.
        account: 12 digits or masked; None for any.
        name: the cluster.

    Raises:
        PermissionDenied: another account or region, or no valid credentials.
    """
    who = patiently(ports.target.identity, ports.clock, ports.jitter)
    if account and account not in (who.account, masked(who.account)):
        raise PermissionDenied(
            f"{name} belongs to another account",
            why=f"the credentials are of {masked(who.account)}, it goes to {masked(account)}",
            next="another --profile, or AWS_PROFILE",
        )
    if region and region != who.region:
        raise PermissionDenied(
            f"{name} belongs to another region",
            why=f"the session is in {who.region}, it goes to {region}",
            next=f"--region {region}",
        )
    return who


def not_ours(state: State, why: str = "its tags are others than this plan's") -> OperationFailed:
    """A cluster that has the name and is somebody else's."""
    return OperationFailed(
        f"a cluster called {state.name} exists and is not this one",
        why=f"made {at(state.created)}{_by(state)}; {why}",
        next=f"another name, or fmctl status {state.name}",
    )


def _by(state: State) -> str:
    maker = state.tags.get("fmctl:created-by")
    return f" by {maker}" if maker else ""


def changed_meanwhile(name: str, what: str) -> StalePlan:
    """What was agreed to is not what there is now."""
    return StalePlan(
        f"{name} changed while you were asked", why=what, next="the same command again shows it as it is now"
    )


def refuse_read_only(ports: Ports, name: str) -> None:
    """Raise PermissionDenied where nothing may be spent or destroyed."""
    if ports.read_only:
        raise PermissionDenied(f"changing {name} is switched off", why="read-only", next="without --read-only")


@contextmanager
def locked(ports: Ports, name: str, break_lock: bool, who: Identity) -> Iterator[None]:
    """Hold the lock of a name. Raises OperationFailed where somebody else does, PermissionDenied when read-only.

    Held for as long as something is done, and never while somebody is asked.
    """
    refuse_read_only(ports, name)
    place = {"region": who.region, "account": masked(who.account)}
    lock = locks.take(
        ports.store, name, ports.me, ports.clock, is_alive=ports.alive, break_lock=break_lock, place=place
    )
    try:
        yield
    finally:
        with suppress(FmctlError):  # a lock of a process that ended is taken over anyway
            locks.release(ports.store, lock)


def remember(run: Run, record: Record) -> None:
    """Write what is known now; nothing depends on it, so a full disk, or a store out of reach, is a warning."""
    try:
        write_record(run.ports.store, record)
        run.journal.flush()
    except FmctlError as error:
        run.warnings.append(f"{error.what}: {error.why}; AWS has it all, and the end stands")


def said(run: Run) -> tuple[str, ...]:
    """Warnings of a run."""
    said = [run.journal.repaired] if run.journal.repaired else []
    return tuple(said + run.warnings)


def at(when: datetime) -> str:
    """A time for people."""
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _words(error: FmctlError) -> dict[str, str]:
    return {"error": error.code, "what": error.what, "why": error.why or ""}
