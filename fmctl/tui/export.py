"""`x`: the view as a file, by the functions that the commands print with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from fmctl.base.errors import FmctlError, UsageError
from fmctl.base.files import write_atomic
from fmctl.report.formats import found
from fmctl.tui.dialog import Dialog
from fmctl.tui.words import clean
from fmctl.usecases.session.items import Trouble

if TYPE_CHECKING:
    from textual.screen import Screen

    from fmctl.report.view import Answer

_ABOUT = {
    "svg": "a picture of the screen",
    "md": "the report, as -o md prints it",
    "html": "the report as a page, as -o html prints it",
    "csv": "the rows, as -o csv prints them",
    "json": "the whole document, as -o json prints it",
}


def _said(form: str) -> Content:
    return Content.assemble((f"{form:<5}", "bold"), (_ABOUT[form], "$foreground 60%"))


class ExportScreen(Dialog[None]):
    """Which format, and which file."""

    TITLE_TEXT = "export"
    KEYS = "enter writes · ↑↓ format · esc"

    def __init__(
        self, view: Screen[Any], name: str, answer: Answer | None, forms: Sequence[str], say: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._name, self._answer, self._forms, self._say = name, answer, tuple(forms), say
        # The picture is of the screen below this dialog, so it is taken before the dialog is on it.
        self._picture = view.app.export_screenshot(title=f"fmctl {name}")

    def body(self) -> ComposeResult:
        """Formats, file, and a word where it cannot be written."""
        yield OptionList(
            *(Option(_said(form), id=form) for form in self._forms),
            markup=False, compact=True,
        )  # fmt: skip
        yield Input(value=f"fmctl-{self._name}.{self._forms[0]}", compact=True, select_on_focus=False)
        yield Static("", classes="said", markup=False)

    def on_mount(self) -> None:
        """The list first: most people want another format, few another name."""
        self.query_one(OptionList).focus()

    @on(OptionList.OptionHighlighted)
    def _form(self, event: OptionList.OptionHighlighted) -> None:
        line = self.query_one(Input)
        line.value = f"{Path(line.value or 'fmctl').with_suffix('')}.{event.option.id}"

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def _write(self) -> None:
        path = Path(self.query_one(Input).value).expanduser()
        form = path.suffix.lstrip(".").lower()
        try:
            text = self._written(form)
            write_atomic(path, text)
        except FmctlError as error:
            self.query_one(".said", Static).update(clean(Trouble.of(error).sentence()))
            return
        self._say(f"wrote {path}")
        self.dismiss(None)

    def _written(self, form: str) -> str:
        """The view in a format. Raises UsageError where it has no such form."""
        if form not in self._forms:
            raise UsageError(
                f"this view cannot be written as '{form}'", why="there is no answer yet" if form in _ABOUT else None,
                next="one of ." + ", .".join(self._forms),
            )  # fmt: skip
        return self._picture if form == "svg" or self._answer is None else found(form).answer(self._answer)
