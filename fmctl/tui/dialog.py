"""The frame of every dialog: a title, a body, a line of keys; escape leaves."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """A box over the screen. Derived dialogs set `TITLE_TEXT` and `KEYS`, and yield `body()`."""

    TITLE_TEXT: ClassVar[str] = ""
    KEYS: ClassVar[str] = "esc leaves"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "leave", show=False)]

    def compose(self) -> ComposeResult:
        """The box."""
        with Vertical(classes="dialog") as box:
            box.border_title = self.TITLE_TEXT
            box.border_subtitle = self.KEYS
            yield from self.body()

    def body(self) -> ComposeResult:
        """What the dialog asks or says."""
        yield Static("")

    def action_leave(self) -> None:
        """Close without a result."""
        self.dismiss(None)
