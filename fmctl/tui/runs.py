"""Runs on record: the list, and all that is kept of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from fmctl.tui.sections import Sections
from fmctl.tui.table import Rows, TablePanel
from fmctl.tui.view import View
from fmctl.tui.words import command_line
from fmctl.usecases import clusters, runs

if TYPE_CHECKING:
    from fmctl.domain.rows.operations import HistoryDocument


_NONE = "No run is on record yet.\n\nEvery `fmctl submit` keeps one; 3 lists saved plans, L launches one."


class RunsView(View):
    """Every run of the store, newest first."""

    NAME = "runs"
    HELP = "Runs that were submitted from this store, as last seen. `enter` shows one, `space` marks, `d` compares two."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "show_run", "show", id="runs.show"),
        Binding("d", "diff", "diff", id="runs.diff"),
    ]

    def body(self) -> ComposeResult:
        """The list, or what to press where it is empty."""
        yield TablePanel(Rows(id="runs"), classes="panel")
        yield Sections(id="none", classes="panel")

    def on_mount(self) -> None:
        """The list as it is now."""
        super().on_mount()
        self.command = command_line(["history"])
        self.action_again()

    def action_again(self) -> None:
        """Read the records again."""
        answer = self.attempt(lambda: clusters.history(self.core.store(), self.core.now()))
        runs = [] if answer is None else cast("HistoryDocument", answer.document)["result"]["runs"]
        self.answer = answer
        self.title_text = f"{len(runs)} on record" if runs else "none on record"
        self.query_one(TablePanel).display = bool(runs)
        none = self.query_one("#none", Sections)
        none.display = not runs
        none.show((), _NONE)
        rows = self.query_one(Rows)
        if answer is not None and runs:
            section = next(one for one in answer.report().sections if one.title == "Runs")
            rows.show(section.table, [run["run"] for run in runs], runs)
        (rows if runs else none).focus()

    @on(Rows.Opened)
    def action_show_run(self) -> None:
        """All that is kept of the one under the cursor."""
        current = self.query_one(Rows).current
        if current:
            self.session.open("run", current)

    def action_diff(self) -> None:
        """The two marked ones side by side."""
        marked = self.query_one(Rows).marked
        if len(marked) != 2:
            self.session.say("mark two runs with space first")
            return
        self.session.open("run", " ".join(marked))


class RunView(View):
    """One run as it is on record, or two of them side by side."""

    NAME = "run"
    HELP = (
        "What ran, by whom, from which artefacts, at what cost, and how it held to its plan. `x` writes it as a page."
    )

    def body(self) -> ComposeResult:
        """The whole report."""
        yield Sections(classes="panel")

    def on_mount(self) -> None:
        """Read the record; nobody is asked for news."""
        super().on_mount()
        names = self.subject.split()
        words = ["diff", *names] if len(names) == 2 else ["report", self.subject, "--offline"]
        self.command = command_line(words)
        answer = self.attempt(lambda: runs.recorded(names or [self.subject], self.core.store()))
        shown = self.query_one(Sections)
        shown.focus()
        if answer is None:
            shown.show((), "6 lists the runs there are")
            return
        self.answer = answer
        report = answer.report()
        self.title_text = report.title
        shown.show(report.sections)
