"""Two plans or two rows side by side: what the `diff` command answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from fmctl.base.errors import UsageError
from fmctl.domain.planrow import rows_there
from fmctl.tui.sections import Sections
from fmctl.tui.table import Rows, TablePanel
from fmctl.tui.view import View
from fmctl.tui.words import command_line

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.domain.rows.results import EstimateRow


@dataclass(frozen=True, slots=True)
class Sides:
    """Two rows with the documents they come from, what to call them, and the command that compares the same."""

    names: tuple[str, str]
    documents: tuple[PlanOrEstimate, PlanOrEstimate]
    rows: tuple[EstimateRow, EstimateRow]
    command: str = ""


def compared_rows(model: str, options: tuple[Mapping[str, str], Mapping[str, str]]) -> str:
    """The commands that estimate two rows anew and compare them."""
    files = ("a.json", "b.json")
    made = [command_line(["estimate", model], {**one, "out": f, "output": "json"})
            for one, f in zip(options, files, strict=True)]  # fmt: skip
    return " && ".join([*made, command_line(["diff", *files])])


class DiffView(View):
    """What differs, by how much, relative to the first."""

    NAME = "diff"
    HELP = "Every field that differs between two rows, as `fmctl diff A B` prints it. `/` filters, `s` sorts."

    def body(self) -> ComposeResult:
        """The fields; below them whether the model can tell the two apart."""
        yield TablePanel(Rows(id="fields"), classes="panel")
        yield Sections(id="said")

    def on_mount(self) -> None:
        """Compare."""
        super().on_mount()
        sides = self.attempt(self._sides)
        if sides is None:
            return
        from fmctl.report.diffs import Side, diff_answer

        documents: list[Side] = [
            {"inputs": document["inputs"], "result": row, "warnings": document["warnings"]}
            for document, row in zip(sides.documents, sides.rows, strict=True)
        ]
        self.answer = diff_answer(sides.names, (documents[0], documents[1]))
        report = self.answer.report()
        self.title_text = report.title
        table = report.sections[0].table if report.sections else None
        rows = self.query_one(Rows)
        rows.show(table, [str(row["field"]) for row in self.answer.rows], self.answer.rows)
        rows.focus()
        said = self.query_one("#said", Sections)
        said.show(report.sections[1:])
        said.display = len(report.sections) > 1

    def _sides(self) -> Sides:
        if isinstance(self.given, Sides):
            self.command = self.given.command
            return self.given
        names = self.subject.split()
        if len(names) != 2:
            raise UsageError("diff compares two saved plans", next="mark two rows with space, then d; or :diff A B")
        self.command = command_line(["diff", *names])
        documents = [self.core.load_plan(name) for name in names]
        for name, document in zip(names, documents, strict=True):
            if not rows_there(document):
                raise UsageError(f"{name} has no rows", why="nothing fitted", next="plan again, and save under a name")
        first, second = documents
        return Sides((names[0], names[1]), (first, second), (rows_there(first)[0], rows_there(second)[0]))
