"""A log on the screen: it follows its end, filters, searches, and shows nothing that steers a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Unpack

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Input

from fmctl.progress.text import plain
from fmctl.tui.words import clean, wrapped

if TYPE_CHECKING:
    from fmctl.tui.attributes import Attributes

MOST_LINES = 20_000
LONGEST = 4_000


class LogBox(ScrollView, can_focus=True, inherit_bindings=False):
    """The last lines of a log."""

    HELP = """A log as it grows; colours and cursor movements in it are left out. `f` follows the end or stands still,
    `/` shows only lines that hold what is typed, `F` finds a word, `n` and `N` go to the next and the one before."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "follow", id="log.follow"),
        Binding("slash", "ask('filter')", "filter", id="log.filter", key_display="/"),
        Binding("F", "ask('find')", "find", id="log.find"),
        Binding("n", "next(1)", "next", show=False),
        Binding("N", "next(-1)", "the one before", show=False),
        Binding("down,j", "scroll_down", "", show=False),
        Binding("up,k", "scroll_up", "", show=False),
        Binding("pagedown", "page_down", "", show=False),
        Binding("pageup", "page_up", "", show=False),
        Binding("home,g", "scroll_home", "first line", show=False),
        Binding("end,G", "scroll_end", "last line", show=False),
    ]

    def __init__(self, **attributes: Unpack[Attributes]) -> None:
        super().__init__(**attributes)
        self.lines: list[str] = []
        self.shown: list[str] = []
        self.filtered = self.found = ""
        self.following = True
        self._rows: list[str] = []
        self._at: int | None = None
        self._width = 0

    def clear(self) -> None:
        """Another log begins."""
        self.lines, self.shown, self._rows, self._at = [], [], [], None
        self._measure()

    def add(self, lines: Iterable[str]) -> None:
        """What the log has gained."""
        new = [clean(plain(line[:LONGEST]).expandtabs(8)) for line in lines]
        self.lines = (self.lines + new)[-MOST_LINES:]
        held = [line for line in new if self._holds(line)]
        self.shown = (self.shown + held)[-MOST_LINES:]
        self._rows = (self._rows + self._folded(held))[-MOST_LINES:]
        self._measure()

    def filter_by(self, text: str) -> None:
        """Only lines that hold every word."""
        self.filtered = text
        self.shown = [line for line in self.lines if self._holds(line)]
        self._fold()

    def find(self, text: str) -> None:
        """Mark a word everywhere, and go to its last line."""
        self.found, self._at = text, None
        self.refresh()
        if text:
            self.action_next(-1)

    def _holds(self, line: str) -> bool:
        low = line.lower()
        return all(word in low for word in self.filtered.lower().split())

    def _folded(self, lines: Iterable[str]) -> list[str]:
        """Lines as rows that the screen holds; a wide character is never cut in two."""
        width = self._width
        if not width:
            return []
        found = list[str]()
        for line in lines:
            found += [line] if cell_len(line) <= width else wrapped(line, width) or [""]
        return found

    def _fold(self) -> None:
        self._rows, self._at = self._folded(self.shown)[-MOST_LINES:], None
        self._measure()

    def _measure(self) -> None:
        self.virtual_size = Size(self._width, len(self._rows))
        if self.following:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        """Lines are folded anew; the end stays in sight."""
        if self._width != self.scrollable_content_region.width:
            self._width = self.scrollable_content_region.width
            self._fold()
        else:
            self._measure()

    def render_line(self, y: int) -> Strip:
        """One row."""
        number, width = self.scroll_offset.y + y, self.size.width
        base = self.rich_style
        if number >= len(self._rows):
            return Strip.blank(width, base)
        line = self._rows[number]
        style = base + Style(bold=True) if number == self._at else base
        return Strip(self._marked(line, style)).crop_extend(0, width, base)

    def _marked(self, line: str, style: Style) -> list[Segment]:
        word = self.found.lower()
        if not word:
            return [Segment(line, style)]
        found, begin, low = list[Segment](), 0, line.lower()
        while len(low) == len(line) and (at := low.find(word, begin)) >= 0:
            found += [Segment(line[begin:at], style), Segment(line[at : at + len(word)], style + Style(reverse=True))]
            begin = at + len(word)
        return [*found, Segment(line[begin:], style)]

    def action_follow(self) -> None:
        """Follow the end, or stand still."""
        self.following = not self.following
        self._measure()

    def action_next(self, by: int) -> None:
        """The next line that holds what is sought."""
        hits = [i for i, line in enumerate(self._rows) if self.found and self.found.lower() in line.lower()]
        if not hits:
            return
        at = self._at
        if at is None:
            self._at = hits[0] if by > 0 else hits[-1]
        else:
            later = [i for i in hits if (i > at if by > 0 else i < at)]
            self._at = (later[0] if by > 0 else later[-1]) if later else (hits[0] if by > 0 else hits[-1])
        self.following = False
        self.scroll_to(y=max(self._at - self.size.height // 2, 0), animate=False, immediate=True)
        self.refresh()

    def action_ask(self, what: str) -> None:
        """Open the line in which a filter or a word is typed."""
        if isinstance(self.parent, LogPanel):
            self.parent.ask(what)


class LogPanel(Vertical):
    """The log, and below it the line in which one types."""

    def __init__(self, **attributes: Unpack[Attributes]) -> None:
        super().__init__(**attributes)
        self.box = LogBox()
        self._what = "filter"

    DEFAULT_CSS = """
    LogPanel { height: 1fr; }
    LogPanel LogBox { height: 1fr; background: $background; overflow-y: scroll; overflow-x: hidden; }
    LogPanel LogLine { display: none; height: 1; }
    """

    def compose(self) -> ComposeResult:
        """The lines and the hidden line."""
        yield self.box
        yield LogLine(compact=True)

    def ask(self, what: str) -> None:
        """Type a filter, or a word to find."""
        self._what = what
        line = self.query_one(LogLine)
        line.placeholder = "only lines that hold; esc: all" if what == "filter" else "find; enter, then n and N"
        line.value = self.box.filtered if what == "filter" else self.box.found
        line.display = True
        line.focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        (self.box.filter_by if self._what == "filter" else self.box.find)(event.value)

    @on(Input.Submitted)
    def _kept(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(LogLine).display = False
        self.box.focus()

    def drop(self) -> None:
        """No filter, nothing sought."""
        line = self.query_one(LogLine)
        line.value, line.display = "", False
        self.box.focus()


class LogLine(Input):
    """What is filtered by or sought."""

    HELP = "What lines must hold, or the word to find. `enter` keeps it, `esc` drops it."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "drop", "drop", show=False)]

    def action_drop(self) -> None:
        """All lines again."""
        if isinstance(self.parent, LogPanel):
            self.parent.drop()
