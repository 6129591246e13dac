"""All clusters of the store."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from fmctl.report.view import Answer
from fmctl.tui.clusters.acting import Acting
from fmctl.tui.sections import Sections
from fmctl.tui.table import Rows, TablePanel
from fmctl.tui.words import command_line
from fmctl.usecases.session.items import Trouble

EVERY_S = 10.0


class ClustersView(Acting):
    """What runs, what it costs, until when."""

    NAME = "clusters"
    HELP = """Every cluster of the store that is not gone, asked of AWS every ten seconds, as `fmctl status` prints it.
    `enter` opens one. Capital letters change something, and ask for the name first."""
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "open_cluster", "open", id="clusters.open")]

    def body(self) -> ComposeResult:
        """The list, money and trouble below it; what to press where there is none."""
        yield TablePanel(Rows(id="clusters"), classes="panel")
        yield Sections(id="more")
        yield Sections(id="none", classes="panel")

    DEFAULT_CSS = "ClustersView #more { height: auto; max-height: 40%; padding: 0 1; }"

    def on_mount(self) -> None:
        """Ask now, and again and again."""
        super().on_mount()
        self.command = command_line(["status"])
        self.query_one("#more").display = False
        self.query_one(TablePanel).display = False
        none = self.query_one("#none", Sections)
        none.show((), "asking AWS ...")
        none.focus()
        self.set_interval(EVERY_S, self.action_again)
        self.set_interval(5.0, self.aged)
        self.action_again()

    def chosen(self) -> str | None:
        """The cluster under the cursor."""
        return self.query_one(Rows).current

    def action_again(self) -> None:
        """Ask AWS."""
        if self.answer is None:
            self.state = "asking"
        clusters = self.attempt(lambda: self.clusters)
        if clusters is not None:
            self.calls.start("status", clusters.status)

    def found(self, what: str, value: object, trouble: Trouble | None) -> None:
        """The list as it is, or why nobody knows."""
        self.looked(trouble)
        if isinstance(value, Answer):
            self._show(value)
        elif self.answer is None:
            self.state = ""
            self.query_one("#none", Sections).show((), "AWS could not be asked; r asks again.")

    def _show(self, answer: Answer) -> None:
        first = self.answer is None
        self.answer = answer
        report = answer.report()
        rows, none = self.query_one(Rows), self.query_one("#none", Sections)
        there = bool(answer.rows)
        had_focus = rows.has_focus or none.has_focus or first
        self.title_text = report.title
        self.query_one(TablePanel).display, none.display = there, not there
        if there:
            rows.show(report.sections[0].table, [str(row["cluster"]) for row in answer.rows], answer.rows)
        else:
            none.show(
                (), "No cluster runs.\n\n3 lists the saved plans, L there launches one.\n1 finds a plan to launch."
            )
        if had_focus:
            (rows if there else none).focus()
        more = self.query_one("#more", Sections)
        more.show(report.sections[1:])
        more.display = there

    @on(Rows.Opened)
    def action_open_cluster(self) -> None:
        """Look closer at the one under the cursor."""
        current = self.chosen()
        if current:
            self.session.open("cluster", current)
