"""`?`: what the focused widget is, the keys that work now, and what the screen is for. Help stands on the widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from fmctl.tui.dialog import Dialog

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.widget import Widget


# What arrows, page keys, tab and the mouse do in any program.
_EVERYWHERE = ("cursor_", "page_", "scroll_", "select_cursor", "app.focus", "delete_", "screen.copy", "home", "end")


class HelpScreen(Dialog[None]):
    """Help for where the focus is."""

    TITLE_TEXT = "help"
    KEYS = "↑↓ scroll · esc"

    def __init__(self, view: Screen[Any], name: str, about: str) -> None:
        super().__init__()
        self._focused = view.focused
        self._name, self._about = name, about
        self._keys = [
            (active.binding.id or "", view.app.get_key_display(active.binding), active.binding.description, active.node)
            for active in view.active_bindings.values()
            if active.enabled and active.binding.description and not active.binding.action.startswith(_EVERYWHERE)
        ]

    def body(self) -> ComposeResult:
        """The widget, its keys, the keys of the screen."""
        with VerticalScroll():
            widget = self._focused
            about = getattr(widget, "help_text", getattr(widget, "HELP", "")) if widget is not None else ""
            if about and widget is not None:
                yield Static(widget.border_title or "This widget", classes="help-heading", markup=False)
                yield Static(_plain(about), classes="help-text", markup=False)
                yield Static(self._listed(widget), markup=False)
            yield Static(f"The {self._name} screen", classes="help-heading", markup=False)
            yield Static(_plain(self._about), classes="help-text", markup=False)
            yield Static(self._listed(None), markup=False)

    def on_mount(self) -> None:
        """The keys scroll at once."""
        self.query_one(VerticalScroll).focus()

    def _listed(self, widget: Widget | None) -> Content:
        """Keys of one widget, or those of everything around it."""
        chosen = [
            (key, text) for _, key, text, node in self._keys if (node is widget) == (widget is not None)
            and (widget is not None or node is not self._focused)
        ]  # fmt: skip
        seen: dict[str, list[str]] = {}
        for key, text in chosen:
            seen.setdefault(text, []).append(key)
        lines = [
            Content.assemble((f"{' '.join(keys):>14}", "bold $text-accent"), f"  {text}") for text, keys in seen.items()
        ]
        return Content("\n").join(lines)


def _plain(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines()).replace("`", "")
