"""`:` and other places where one name out of many is wanted: type a part, choose, enter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from fmctl.tui.dialog import Dialog
from fmctl.tui.words import clean

_MOST = 200


class PickScreen(Dialog[str]):
    """A list that narrows as one types; gives the name that was chosen."""

    TITLE_TEXT = "choose"
    KEYS = "type to narrow · ↑↓ · enter · esc"
    PROMPT: ClassVar[str] = "type a part of the name"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+n", "move(1)", "", show=False),
        Binding("up", "move(-1)", "", show=False),
    ]

    def __init__(self, places: Sequence[tuple[str, str]], title: str = "", typed: str = "") -> None:
        """`places` are (name, what it is); `typed` is what the list starts narrowed by."""
        super().__init__()
        self._places, self._typed = tuple(dict(places).items()), typed
        self._title = title

    def body(self) -> ComposeResult:
        """A line to type in, and the list."""
        yield Input(value=self._typed, placeholder=self.PROMPT, compact=True, select_on_focus=False)
        yield OptionList(markup=False, compact=True)

    def on_mount(self) -> None:
        """Everything, at first."""
        if self._title:
            self.query_one(".dialog").border_title = self._title
        self._narrow(self._typed)

    @on(Input.Changed)
    def _typing(self, event: Input.Changed) -> None:
        self._narrow(event.value)

    def _narrow(self, text: str) -> None:
        words = text.lower().split()
        found = [place for place in self._places if all(word in self.sought(place) for word in words)]
        found.sort(key=lambda place: not place[0].lower().startswith(text.lower().strip()))
        listed = self.query_one(OptionList)
        listed.clear_options()
        listed.add_options([Option(_said(name, about), id=name) for name, about in found[:_MOST]])
        listed.highlighted = 0 if found else None

    def sought(self, place: tuple[str, str]) -> str:
        """What of a place the typed words are looked for in."""
        return place[0].lower()

    def action_move(self, by: int) -> None:
        """The next or the one before."""
        listed = self.query_one(OptionList)
        (listed.action_cursor_down if by > 0 else listed.action_cursor_up)()

    @on(Input.Submitted)
    def _chosen(self, event: Input.Submitted) -> None:
        listed = self.query_one(OptionList)
        option = listed.highlighted_option
        self.dismiss(option.id if option is not None else self.unlisted(event.value))

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def unlisted(self, text: str) -> str | None:
        """What to give where nothing matches what was typed."""
        return text.strip() or None


def _said(name: str, about: str) -> Content:
    return Content.assemble((clean(name), "bold"), (f"  {clean(about)}" if about else "", "$foreground 60%"))


class ChoiceScreen(PickScreen):
    """A value of a field, found by what it is too: an instance type by its GPU."""

    def sought(self, place: tuple[str, str]) -> str:
        """The name and what it is."""
        return " ".join(place).lower()


class JumpScreen(PickScreen):
    """Go to a screen, a model or a saved plan."""

    TITLE_TEXT = "go to"


class NameScreen(PickScreen):
    """A name, new or one that there is."""

    KEYS = "type a name · enter · esc"
    PROMPT = "a new name, such as first-try"

    @on(Input.Submitted)
    def _chosen(self, event: Input.Submitted) -> None:
        event.stop()
        event.prevent_default()
        self.dismiss(event.value.strip() or None)
