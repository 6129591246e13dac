"""Launches, rehearsals and teardowns: they go on whatever screen is in front, and keep what they said."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from textual.app import App
from textual.message import Message

from fmctl.report.view import Answer
from fmctl.tui.background import attempted
from fmctl.usecases.session.items import Trouble

_MOST_LINES = 2000
Work = Callable[[Callable[[str], None], Callable[[str, str], bool]], Answer]


class TaskChanged(Message):
    """A task has said something, or is over."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task


@dataclass(eq=False)
class Task:
    """One operation that goes on behind whatever screen is in front."""

    kind: str  # launch, rehearse, teardown, ...
    about: str  # the plan or cluster
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_LINES))  # what it said
    over: bool = False
    answer: Answer | None = None
    trouble: Trouble | None = None


class Tasks:
    """The operations of a session, newest last; one of a kind for one thing at a time."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._tasks: list[Task] = []
        self.warned = False  # whether it was said that leaving leaves something under way

    def start(self, kind: str, about: str, work: Work) -> Task | None:
        """Begin; None where the same is under way."""
        if any(not task.over and (task.kind, task.about) == (kind, about) for task in self._tasks):
            return None
        task = Task(kind, about)
        self.warned = False
        self._tasks = [one for one in self._tasks if (one.kind, one.about) != (kind, about)] + [task]
        threading.Thread(target=self._one, args=(task, work), daemon=True, name=f"fmctl {kind}").start()
        return task

    def find(self, kind: str, about: str) -> Task | None:
        """The newest of that kind for that thing."""
        return next((task for task in reversed(self._tasks) if (task.kind, task.about) == (kind, about)), None)

    def active(self) -> Iterator[Task]:
        """Those that are under way."""
        return (task for task in self._tasks if not task.over)

    def _one(self, task: Task, work: Work) -> None:
        def say(line: str) -> None:
            task.lines.extend(line.rstrip("\n").split("\n"))
            self._tell(task)

        task.answer, task.trouble = attempted(lambda: work(say, self._confirm))
        task.over = True
        self._tell(task)

    def _tell(self, task: Task) -> None:
        for screen in self._app.screen_stack:
            screen.post_message(TaskChanged(task))

    def _confirm(self, name: str, text: str) -> bool:
        """Ask for the name over whatever screen is in front; the thread waits, the session does not."""
        from fmctl.tui.confirm import ConfirmName

        answered, result = threading.Event(), [False]

        def take(yes: bool | None) -> None:
            result[0] = yes is True
            answered.set()

        def ask() -> None:
            self._app.push_screen(ConfirmName(name, text), take)

        self._app.call_from_thread(ask)
        answered.wait()
        return result[0]
