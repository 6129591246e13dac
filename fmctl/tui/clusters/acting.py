"""Extend, stop, tear down: the same keys and dialogs on the list and on one cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from fmctl.base.errors import UsageError
from fmctl.report.view import Answer
from fmctl.tui.background import Calls, Found, Heard
from fmctl.tui.dialog import Dialog
from fmctl.tui.running import Clusters
from fmctl.tui.tasks import TaskChanged
from fmctl.tui.view import View
from fmctl.tui.words import clean
from fmctl.usecases.session.items import Confirm, Say, Trouble

if TYPE_CHECKING:
    from fmctl.domain.rows.operations import LaunchDocument, TeardownDocument


class HoursDialog(Dialog[str]):
    """How many hours more."""

    TITLE_TEXT = "extend"
    KEYS = "hours, enter · esc"

    def __init__(self, cluster: str) -> None:
        super().__init__()
        self._cluster = cluster

    def body(self) -> ComposeResult:
        """The line."""
        yield Static(f"How many hours later shall {clean(self._cluster)} end?", markup=False)
        yield Input(id="hours", compact=True, placeholder="such as 12", select_on_focus=False)

    def on_mount(self) -> None:
        """Ready to be typed into."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _sent(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(event.value.strip() or None)


class Acting(View):
    """A screen that shows clusters and may change the one that `chosen` names."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("D", "teardown", "tear down", id="clusters.teardown"),
        Binding("E", "extend", "extend", id="clusters.extend"),
        Binding("S", "stop_fleet", "stop", id="clusters.stop"),
    ]

    def __init__(self, subject: str = "", given: object = None) -> None:
        super().__init__(subject, given)
        self.calls = Calls(self)
        self.seen_at: float | None = None

    def chosen(self) -> str | None:
        """The cluster that keys are about; a screen of clusters says which."""
        return None

    @property
    def clusters(self) -> Clusters:
        """Where clusters are asked about. Raises UsageError in a session that only plans."""
        if self.core.clusters is None:
            raise UsageError("this session knows no clusters", next="fmctl ui")
        return self.core.clusters

    def action_teardown(self) -> None:
        """Remove the cluster, after its name was typed."""
        self._begin("teardown", lambda name: lambda say, yes: self.clusters.teardown(name, say, yes))

    def action_stop_fleet(self) -> None:
        """Stop the compute nodes; the head node stays."""
        self._begin("stop", lambda name: lambda say, yes: self.clusters.stop_fleet(name, say, yes))

    def action_extend(self) -> None:
        """A later end."""
        name = self._may("extending")
        if name is None:
            return

        def take(hours: str | None) -> None:
            if hours:
                self._begin("extend", lambda name: lambda say, yes: self.clusters.extend(name, hours, yes))

        self.app.push_screen(HoursDialog(name), take)

    def _may(self, what: str) -> str | None:
        """The chosen cluster, where the session may change it; a sentence where not."""

        def checked() -> str | None:
            self.refuse_read_only(what)
            return self.chosen()

        return self.attempt(checked)

    def _begin(self, kind: str, work: Callable[[str], Callable[[Say, Confirm], Answer]]) -> None:
        name = self._may({"teardown": "tearing down", "stop": "stopping a fleet", "extend": "extending"}[kind])
        if name is None:
            return
        if self.session.tasks.start(kind, name, work(name)) is None:
            self.session.say(f"{kind} of {name} is under way")

    @on(TaskChanged)
    def _task_changed(self, message: TaskChanged) -> None:
        task = message.task
        if task.over:
            if task.trouble is not None:
                self.session.say(f"{task.kind} of {task.about}: {task.trouble.sentence()}", error=True)
            elif task.answer is not None:
                self.session.say(f"{task.kind} of {task.about}: {'done' if _done(task.answer) else 'nothing was done'}")
            self.action_again()
        self.task_said(message)

    def task_said(self, message: TaskChanged) -> None:
        """An operation has said something, or is over."""

    # What arrives from calls.

    def looked(self, trouble: Trouble | None) -> None:
        """A look is done: what was shown stays where it failed, and how old it is stands in the title."""
        from time import monotonic

        if trouble is None:
            self.seen_at = monotonic()
        self.show_trouble(trouble)
        self.aged()

    def aged(self) -> None:
        """Say how old what is shown is, once that is worth a word."""
        from time import monotonic

        if self.seen_at is None:
            return
        old_s = monotonic() - self.seen_at
        self.state = "" if old_s < OLD_S else f"as it was {old_s:.0f} s ago"

    @on(Found)
    def _call_found(self, message: Found) -> None:
        if self.is_mounted:
            self.found(message.what, message.value, message.trouble)

    @on(Heard)
    def _call_heard(self, message: Heard) -> None:
        if self.is_mounted:
            self.heard(message.what, message.value)

    def found(self, what: str, value: object, trouble: Trouble | None) -> None:
        """A call has come to its end."""

    def heard(self, what: str, value: object) -> None:
        """A call tells something."""


def _done(answer: Answer) -> bool:
    """Whether an operation did what it was begun for, and was not stopped at its question."""
    torn = cast("TeardownDocument", answer.document)["result"].get("clusters")
    if torn is not None:
        return all(row["done"] for row in torn)
    return cast("LaunchDocument", answer.document)["result"]["done"]


OLD_S = 30.0
