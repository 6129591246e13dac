"""Sections of a report as they are read: headings, lines, fitted tables; states in words and in colour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Unpack

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from fmctl.report.text import fit, sparkline
from fmctl.report.view import Section, Table
from fmctl.tui.words import STATE_STYLES, clean, cut, wrapped

if TYPE_CHECKING:
    from fmctl.tui.attributes import Attributes

_LEAST_REMARK = 12


class Sections(VerticalScroll, can_focus=True):
    """Parts of a report in a box that scrolls."""

    HELP = "A part of the report, as the command prints it. Arrows and page keys scroll."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "", show=False),
        Binding("k", "scroll_up", "", show=False),
    ]

    def __init__(self, title: str = "", **attributes: Unpack[Attributes]) -> None:
        super().__init__(**attributes)
        self.border_title = title
        self._shown: tuple[Section, ...] = ()
        self._empty = ""
        self._stale = False
        self._text = Static("", markup=False)

    def compose(self) -> Iterable[Static]:
        """The text."""
        yield self._text

    def show(self, sections: Iterable[Section], empty: str = "") -> None:
        """Put sections on the screen; `empty` is said where there are none."""
        self._shown, self._empty = tuple(sections), empty
        self._stale = True
        self.freshen()

    def freshen(self) -> None:
        """Draw what was put here while nobody saw it."""
        if self._stale and self.display:
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Tables are fitted anew."""
        self._draw()

    def _draw(self) -> None:
        self._stale = False
        width = max(self.scrollable_content_region.width, 20)
        lines = [line for section in self._shown for line in rendered(section, width)]
        self._text.update(Content("\n").join(lines) if lines else Content.styled(self._empty, "$foreground 60%"))


def rendered(section: Section, width: int) -> list[Content]:
    """The lines of a section in so many columns, one empty line after it."""
    lines = [Content.styled(clean(section.title), "bold $text-primary")] if section.title else []
    lines += [Content(part) for line in section.lines for part in wrapped(clean(line), width)]
    if section.table is not None and section.table.rows:
        lines += _table(section.table, width)
    lines += [Content(clean(line)) for plot in section.plots for line in sparkline(plot, width)]
    return [*lines, Content("")] if lines else []


def _table(table: Table, width: int) -> list[Content]:
    fitted = fit(table, width)
    texts = [[clean(cell) for cell in row] for row in fitted.rows]
    titles = [clean(column.title) if fitted.header else "" for column in fitted.columns]
    widths = [max([cell_len(title), *(cell_len(row[i]) for row in texts)]) for i, title in enumerate(titles)]
    texts, widths = _squeezed(texts, widths, fitted, width)
    before = sum(widths[:-1]) + fitted.gap * (len(widths) - 1)
    folds = fitted.columns[-1].align == "left" and before + _LEAST_REMARK <= width
    lines: list[Content] = []
    if any(titles):
        lines.append(_line([Content.styled(title, "$foreground 60%") for title in titles], fitted, widths))
    for row in texts:
        last = (wrapped(row[-1], width - before) or [""]) if folds else [row[-1]]
        lines.append(_line([_styled(cell) for cell in [*row[:-1], last[0]]], fitted, widths))
        lines += [Content(" " * before + more) for more in last[1:]]
    return lines


def _squeezed(texts: list[list[str]], widths: list[int], table: Table, width: int) -> tuple[list[list[str]], list[int]]:
    """Where the columns are too wide in all, the widest of words loses its ends; a last one that folds may stay."""
    last = len(widths) - 1
    folding = table.columns[last].align == "left" and last > 0
    total = sum(widths) + table.gap * last - (max(widths[last] - _LEAST_REMARK, 0) if folding else 0)
    words = [i for i, column in enumerate(table.columns) if column.align == "left" and not (folding and i == last)]
    if total <= width or not words:
        return texts, widths
    at = max(words, key=lambda i: widths[i])
    room = max(widths[at] - (total - width), _LEAST_REMARK)
    short = [[cut(cell, room) if i == at else cell for i, cell in enumerate(row)] for row in texts]
    return short, [room if i == at else wide for i, wide in enumerate(widths)]


def _styled(cell: str) -> Content:
    return Content.styled(cell, STATE_STYLES[cell]) if cell in STATE_STYLES else Content(cell)


def _line(cells: list[Content], table: Table, widths: list[int]) -> Content:
    parts: list[Content] = []
    for index, (cell, width, column) in enumerate(zip(cells, widths, table.columns, strict=True)):
        pad = Content(" " * max(width - cell_len(cell.plain), 0))
        gap = Content(" " * table.gap if index else "")
        parts += [gap, pad, cell] if column.align == "right" else [gap, cell, pad]
    return Content.assemble(*parts).rstrip()
