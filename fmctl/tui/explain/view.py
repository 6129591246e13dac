"""Where the time, the memory and the money of one row go."""

from __future__ import annotations

from textual.app import ComposeResult

from fmctl.errors import UsageError
from fmctl.report.explains import explain_answer
from fmctl.report.view import Document
from fmctl.tui.sections import Sections
from fmctl.tui.view import View
from fmctl.tui.words import command_line


class ExplainView(View):
    """One row explained."""

    NAME = "explain"
    HELP = "Each part of the step, the memory and the bill with its share, equation and source."

    def body(self) -> ComposeResult:
        """The report."""
        yield Sections(classes="panel")

    def on_mount(self) -> None:
        """Explain what was handed over, or the saved plan of that name."""
        super().on_mount()
        shown = self.query_one(Sections)
        shown.focus()
        found = self.attempt(self._found)
        if found is None:
            shown.show((), "No plan is open. 1 opens the plan screen; e there explains a row.")
            return
        self.answer = explain_answer(*found)
        report = self.answer.report()
        self.title_text = report.title
        shown.show(report.sections)

    def _found(self) -> tuple[Document, Document] | None:
        if self.given is not None:
            return self.given[0], self.given[1]
        if not self.subject:
            return None
        self.command = command_line(["explain", self.subject])
        document = self.core.load_plan(self.subject)
        if not document["result"].get("rows"):
            raise UsageError(f"{self.subject} has no rows", why="nothing fitted", next="plan again, and save it")
        return document, document["result"]["rows"][0]
