"""Consent: what it costs or destroys, and the cluster's name, typed. The default is No."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from fmctl.tui.dialog import Dialog
from fmctl.tui.words import clean


class ConfirmName(Dialog[bool]):
    """Shows a text; True only where the name was typed in full and sent with enter."""

    TITLE_TEXT = "are you sure?"
    KEYS = "type the name, enter · esc: no"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pagedown", "scroll_text(1)", "", show=False),
        Binding("pageup", "scroll_text(-1)", "", show=False),
    ]
    DEFAULT_CSS = "ConfirmName #consent-box { max-height: 60vh; }"
    HELP: ClassVar[str] = "Nothing happens unless the name is typed in full. An empty line, `esc`, anything else is No."

    def __init__(self, cluster: str, text: str) -> None:
        super().__init__()
        self._cluster, self._text = cluster, text

    def body(self) -> ComposeResult:
        """The text, the line, and what was wrong with what was typed."""
        with VerticalScroll(can_focus=False, id="consent-box"):
            yield Static(_told(self._text), id="consent", markup=False)
        yield Static(Content.assemble("\ntype ", (clean(self._cluster), "bold"), " to go on:"), markup=False)
        yield Input(id="typed-name", compact=True, placeholder="empty: no", select_on_focus=False)
        yield Static("", classes="said", markup=False)

    def on_mount(self) -> None:
        """Ready to be typed into."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _sent(self, event: Input.Submitted) -> None:
        event.stop()
        typed = event.value.strip()
        if typed == self._cluster:
            self.dismiss(True)
        elif not typed:
            self.dismiss(False)
        else:
            self.query_one(".said", Static).update(f"that is not {clean(self._cluster)}; nothing was done")
            event.input.value = ""

    def action_scroll_text(self, by: int) -> None:
        """The rest of a long text."""
        box = self.query_one("#consent-box")
        box.scroll_relative(y=by * max(box.size.height - 1, 1), animate=False)

    def action_leave(self) -> None:
        """No."""
        self.dismiss(False)


def _told(text: str) -> Content:
    """Lines of `title: words`, titles dimmed."""
    lines = []
    for line in text.strip("\n").split("\n"):
        title, colon, words = line.partition(": ")
        if colon and len(title) < 24:
            lines.append(Content.assemble((f"{clean(title)}: ", "$text-muted"), clean(words)))
        else:
            lines.append(Content.styled(clean(line), "bold"))
    return Content("\n").join(lines)
