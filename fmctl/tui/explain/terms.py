"""The parts of a total as a waterfall: each bar begins where the one before it ended. A part opens its equation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Unpack

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from fmctl.report.words import say
from fmctl.tui.words import clean, cut

if TYPE_CHECKING:
    from fmctl.domain.rows.results import TermPart
    from fmctl.tui.attributes import Attributes

_VALUE, _SHARE, _LEAST_BAR = 11, 7, 8
_LONGEST_TITLE = 36
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Terms(OptionList):
    """Parts with value, share and bar."""

    HELP = """The parts of a total in the order of their size. Each bar begins where the one before it ended, so that
    they add up to the whole. The panel beside or below shows equation, inputs, source and how much is measured."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "", show=False),
        Binding("k", "cursor_up", "", show=False),
    ]

    class Highlighted(Message):
        """Another part is under the cursor."""

        def __init__(self, part: TermPart) -> None:
            super().__init__()
            self.part = part

    def __init__(self, **attributes: Unpack[Attributes]) -> None:
        super().__init__(markup=False, compact=True, **attributes)
        self._parts: list[TermPart] = []
        self._before: dict[str, object] = {}

    def show(self, parts: Sequence[TermPart], before: dict[str, object] | None = None) -> None:
        """Put parts on the screen; `before` holds the values that a change is shown against."""
        self._parts, self._before = ordered(parts), before or {}
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Bars take what room there is."""
        self._draw()

    @property
    def part(self) -> TermPart | None:
        """The part under the cursor."""
        at = self.highlighted
        return self._parts[at] if at is not None and at < len(self._parts) else None

    def _draw(self) -> None:
        width = self.scrollable_content_region.width
        if width < 1:
            return
        at = self.highlighted or 0
        bars = any(part["share"] is not None for part in self._parts)
        most = min(_LONGEST_TITLE, width // 2) if bars else width - _VALUE - _SHARE - 3
        titles = min(max([cell_len(clean(p["title"])) for p in self._parts] or [0]), max(most, _LEAST_BAR))
        room = max(width - titles - _VALUE - _SHARE - 3 - 2, _LEAST_BAR)
        options, offset = [], 0.0
        for part in self._parts:
            share = part["share"] or 0.0
            options.append(Option(_line(part, titles, room, offset, self._changed(part))))
            offset += share if part["share"] is not None and part["parent"] else 0.0
        self.clear_options()
        self.add_options(options)
        if options:
            self.highlighted = min(at, len(options) - 1)

    def _changed(self, part: TermPart) -> str:
        """What the part was before, where it was something else."""
        if part["name"] not in self._before or self._before[part["name"]] == part["value"]:
            return ""
        return "was " + say(part["name"], self._before[part["name"]])

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Say which part it is."""
        event.stop()
        if self.part is not None:
            self.post_message(self.Highlighted(self.part))


def ordered(parts: Sequence[TermPart]) -> list[TermPart]:
    """The largest share first, then what has none; what is zero is left out."""
    shown = [part for part in parts if part["value"] or part["value"] is None]
    return sorted(shown, key=lambda part: (part["share"] is None, -(part["share"] or 0.0)))


def _line(part: TermPart, titles: int, room: int, offset: float, changed: str) -> Content:
    title = set_cell_size(cut(clean(part["title"]), titles), titles)
    value = say(part["name"], part["value"]).rjust(_VALUE)
    share = "" if part["share"] is None else f"{part['share']:.1%}"
    if changed:
        return Content.assemble(Content(title), Content(value), Content.styled(f"  {changed}", "bold $text-accent"))
    parts = [Content(title), Content(value), Content.styled(share.rjust(_SHARE) + "  ", "$foreground 60%")]
    if part["share"] is not None:
        parts.append(Content.styled(bar(offset, part["share"], room), "$secondary"))
    return Content.assemble(*parts)


def bar(offset: float, share: float, room: int) -> str:
    """A bar of `share` of the room that begins at `offset` of it; a sliver is seen however small it is."""
    start = min(round(max(offset, 0.0) * room), room - 1)
    eighths = max(round(max(share, 0.0) * room * 8), 1 if share > 0 else 0)
    full, rest = divmod(min(eighths, (room - start) * 8), 8)
    return " " * start + "█" * full + (_EIGHTHS[rest] if rest else "")


def stacked(parts: Sequence[TermPart], capacity: float, margin: float, width: int) -> tuple[str, list[str]]:
    """Memory as one bar of letters, and what each letter stands for; what is left is drawn as dots.

    Each part with a share of the device takes at least one column, so that nothing in use is invisible.
    """
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    known = ((part, part["value"]) for part in ordered(parts) if part["share"] is not None)
    shown = [(part, value) for part, value in known if value][: len(letters)]
    line, legend = "", []
    for letter, (part, value) in zip(letters, shown, strict=False):
        line += letter * max(round(value / capacity * width), 1)
        legend.append(f"{letter} {part['title']} {say(part['name'], value)}")
    if margin < 0:
        return line[:width] + "|" + line[width:] + "!", [*legend, f"! too much by {say('_bytes', -margin)}"]
    return line[:width].ljust(width, "."), [*legend, f". margin {say('margin_bytes', margin)}"]
