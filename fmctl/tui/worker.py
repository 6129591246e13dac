"""The planner in a process of its own: the screen keeps its interpreter's lock to itself, and never waits.

One process for the whole session, started before the first paint. A question ends the one before it on its channel;
one of another channel is answered in between, at the next chunk of the search.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import count
from multiprocessing import get_context
from typing import TYPE_CHECKING

from fmctl.tui.core import Heard
from fmctl.usecases.session.items import Cancelled, Found, Partly, Question, Reply, Trouble

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from fmctl.domain.planrow import PlanOrEstimate

Answerer = Callable[[Question, Partly, Cancelled], Found]


_LESS_URGENT = 5  # where cores are scarce, the screen goes before the search


class Replaced(Exception):
    """A newer question has come; what this one found is wanted by nobody."""


class _Desk:
    """The worker's side: one question at a time, looked up from at every chunk."""

    def __init__(self, connection: Connection, answer: Answerer) -> None:
        self._connection, self._answer = connection, answer
        self._waiting: dict[str, tuple[int, Question | None]] = {}

    def serve(self) -> None:
        """Answer until the other side goes away."""
        while True:
            self._read(block=not self._waiting)
            if self._waiting:
                channel = min(self._waiting, key=lambda name: name == "plan")  # a search is long, the others are not
                number, question = self._waiting.pop(channel)
                if question is not None:
                    self._one(number, question)

    def _read(self, *, block: bool = False) -> None:
        while block or self._connection.poll():
            channel, number, question = self._connection.recv()
            self._waiting[channel] = (number, question)
            block = False

    def _one(self, number: int, question: Question) -> None:
        def say(document: PlanOrEstimate | None, done: int, total: int) -> None:
            self._connection.send(Reply(number, document, None, done, total, last=False))

        def cancelled() -> bool:
            self._read()
            if question.channel in self._waiting:
                raise Replaced
            for channel in list(self._waiting):
                other, wanted = self._waiting.pop(channel)
                if wanted is not None:
                    self._one(other, wanted)
            return False

        try:
            document, trouble = self._answer(question, say, cancelled)
        except Replaced:
            return
        except Exception as error:
            document, trouble = None, Trouble.of(error)
        self._connection.send(Reply(number, document, trouble))


def serve(connection: Connection, answer: Answerer) -> None:
    """The whole life of the worker. What it prints goes nowhere: the screen belongs to the session."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_LESS_URGENT)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    try:
        _Desk(connection, answer).serve()
    except (EOFError, OSError):
        os._exit(0)


class ProcessPlanning:
    """`core.Planning` through one process, which is started again when it dies."""

    def __init__(self, answer: Answerer) -> None:
        """`answer` is a function of a module: the process imports it by name."""
        self._answer = answer
        self._numbers = count(1)
        self._heard: dict[str, tuple[int, Heard]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._start()

    @property
    def pid(self) -> int | None:
        """The process that answers now."""
        found: int | None = self._process.pid
        return found

    def ask(self, question: Question, heard: Heard) -> int:
        """See `core.Planning`."""
        with self._lock:
            number = next(self._numbers)
            self._heard[question.channel] = (number, heard)
            self._send(question.channel, number, question)
        return number

    def cancel(self, channel: str) -> None:
        """See `core.Planning`."""
        with self._lock:
            if self._heard.pop(channel, None) is not None:
                self._send(channel, next(self._numbers), None)

    def close(self) -> None:
        """End the process; it is busy with nothing that anybody waits for."""
        self._closed = True
        self._process.kill()
        self._process.join(2)
        self._connection.close()

    def _send(self, channel: str, number: int, question: Question | None) -> None:
        try:
            self._connection.send((channel, number, question))
        except OSError:  # it has just died: the listener says so
            return

    def _start(self) -> None:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, self._answer), daemon=True, name="fmctl planning")
        self._process.start()
        theirs.close()
        threading.Thread(target=self._listen, args=(self._connection, self._process), daemon=True).start()

    def _listen(self, connection: Connection, process: BaseProcess) -> None:
        while True:
            try:
                reply = connection.recv()
            except (EOFError, OSError):
                break
            self._pass_on(reply)
        if not self._closed:
            process.join()
            self._died(process.exitcode)

    def _pass_on(self, reply: Reply) -> None:
        with self._lock:
            heard = [(channel, one) for channel, (number, one) in self._heard.items() if number == reply.number]
            if reply.last:
                for channel, _ in heard:
                    del self._heard[channel]
        for _, one in heard:
            one(reply)

    def _died(self, code: int | None) -> None:
        """Whoever waits hears it; a new process stands ready."""
        with self._lock:
            lost, self._heard = list(self._heard.values()), {}
            self._start()
        how = f"ended by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        for number, heard in lost:
            heard(
                Reply(number, None, Trouble("the planning process ended", how, "r asks again, in a new one", "worker"))
            )


class ThreadPlanning:
    """`core.Planning` through a thread per question: for tests, and where no process can be started."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._numbers = count(1)
        self._newest: dict[str, int] = {}

    def ask(self, question: Question, heard: Heard) -> int:
        """See `core.Planning`."""
        number = self._newest[question.channel] = next(self._numbers)
        threading.Thread(target=self._one, args=(number, question, heard), daemon=True).start()
        return number

    def cancel(self, channel: str) -> None:
        """See `core.Planning`."""
        self._newest.pop(channel, None)

    def close(self) -> None:
        """Whatever still runs is heard by nobody."""
        self._newest.clear()

    def _one(self, number: int, question: Question, heard: Heard) -> None:
        def cancelled() -> bool:
            if self._newest.get(question.channel) != number:
                raise Replaced
            return False

        def say(document: PlanOrEstimate | None, done: int, total: int) -> None:
            if not cancelled():
                heard(Reply(number, document, None, done, total, last=False))

        try:
            document, trouble = self._answer(question, say, cancelled)
            cancelled()
        except Replaced:
            return
        except Exception as error:
            document, trouble = None, Trouble.of(error)
        heard(Reply(number, document, trouble))
