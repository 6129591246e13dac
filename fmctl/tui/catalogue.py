"""Saved plans and models: lists that lead to the screens which look closer."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from fmctl.report.view import Column, Table
from fmctl.tui.sections import Sections
from fmctl.tui.table import Rows, TablePanel
from fmctl.tui.view import View
from fmctl.tui.words import command_line
from fmctl.usecases import catalogue


class ModelsView(View):
    """All architectures."""

    NAME = "models"
    HELP = (
        "Every architecture that is shipped, parameters counted from its dimensions. `enter` shows one, `p` plans it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "show_model", "show", id="models.show"),
        Binding("p", "plan", "plan it", id="models.plan"),
    ]

    def body(self) -> ComposeResult:
        """The list, and the one under the cursor where there is room."""
        yield TablePanel(Rows(id="models"), classes="panel")

    def on_mount(self) -> None:
        """The list is read once."""
        super().on_mount()
        answer = catalogue.models(self.core.services.catalogue)
        self.answer, self.command = answer, command_line(["models", "list"])
        report = answer.report()
        table = next(section.table for section in report.sections if section.table is not None)
        self.title_text = report.title
        rows = self.query_one(Rows)
        rows.show(table, [row[0] for row in table.rows], answer.rows)
        rows.focus()

    @on(Rows.Opened)
    def action_show_model(self) -> None:
        """Look at the one under the cursor."""
        current = self.query_one(Rows).current
        if current:
            self.session.open("model", current)

    def action_plan(self) -> None:
        """Put it into the form of the plan screen."""
        current = self.query_one(Rows).current
        if current:
            self.session.plan_model(current)


class ModelView(View):
    """One architecture."""

    NAME = "model"
    HELP = "Dimensions, parameters and sources of one architecture. `p` plans it."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("p", "plan", "plan it", id="model.plan")]

    def body(self) -> ComposeResult:
        """The whole report."""
        yield Sections(classes="panel")

    def on_mount(self) -> None:
        """Read it."""
        super().on_mount()
        self.command = command_line(["models", "show", self.subject])
        answer = self.attempt(lambda: catalogue.model(self.subject, self.core.services.catalogue))
        shown = self.query_one(Sections)
        shown.focus()
        if answer is not None:
            self.answer = answer
            report = answer.report()
            self.title_text = report.title
            shown.show(report.sections)
        else:
            shown.show((), "4 lists the models there are")

    def action_plan(self) -> None:
        """Put it into the form of the plan screen."""
        self.session.plan_model(self.subject)


class PlansView(View):
    """Saved plans."""

    NAME = "plans"
    HELP = "Plans that were kept by `plan --save` or S. `enter` explains one, `space` marks, `d` compares two."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "explain", "explain", id="plans.explain"),
        Binding("d", "diff", "diff", id="plans.diff"),
    ]

    def body(self) -> ComposeResult:
        """The list, or what to press where it is empty."""
        yield TablePanel(Rows(id="plans"), classes="panel")
        yield Sections(id="none", classes="panel")

    def on_mount(self) -> None:
        """The list as it is now."""
        super().on_mount()
        self.action_again()

    def on_screen_resume(self) -> None:
        """A plan may have been saved in the meantime."""
        if self.is_mounted:
            self.action_again()

    def action_again(self) -> None:
        """Read the names again."""
        names = list(self.core.saved_plans())
        self.title_text = f"{len(names)} saved" if names else "none saved"
        self.query_one(TablePanel).display = bool(names)
        none = self.query_one("#none", Sections)
        none.display = not names
        none.show((), "No plan is saved yet.\n\n1 opens the plan screen; S there keeps what it found under a name.")
        rows = self.query_one(Rows)
        rows.show(Table((Column("plan"),), tuple((name,) for name in names)), names)
        (rows if names else none).focus()

    @on(Rows.Opened)
    def action_explain(self) -> None:
        """Where the time and the money of this plan go."""
        current = self.query_one(Rows).current
        if current:
            self.session.open("explain", current)

    def action_launch(self) -> None:
        """Launch the plan under the cursor."""
        current = self.query_one(Rows).current
        if current:
            self.session.launch_plan(current)

    def action_diff(self) -> None:
        """The two marked ones side by side."""
        marked = self.query_one(Rows).marked
        if len(marked) != 2:
            self.session.say("mark two plans with space first")
            return
        self.session.open("diff", " ".join(marked))
