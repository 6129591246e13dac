"""A report's table on the screen: fitted to the width, filtered, sorted, marked; the numbers are the report's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Unpack

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Input, Static
from textual.widgets.data_table import RowKey

from fmctl.report.text import fit
from fmctl.report.view import Table
from fmctl.tui.words import STATE_STYLES, clean

if TYPE_CHECKING:
    from fmctl.tui.attributes import Attributes

_PARTS = re.compile(r"(\d+(?:\.\d+)?)")


class Rows(DataTable[Content]):
    """Rows of one answer. `enter` opens one."""

    HELP = """The rows of the answer, best first. `*` is on the Pareto front, `≈` cannot be told from row 1.
    `space` marks, `d` compares two marked rows, `/` filters, `s` sorts, `enter` or `e` explains."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", id="table.filter", key_display="/"),
        Binding("s", "sort", "sort", id="table.sort"),
        Binding("space", "mark", "mark", id="table.mark"),
        Binding("j", "cursor_down", "", show=False),
        Binding("k", "cursor_up", "", show=False),
        Binding("g", "scroll_top", "first row", show=False),
        Binding("G", "scroll_bottom", "last row", show=False),
    ]

    class Marked(Message):
        """Another set of rows is marked."""

        def __init__(self, keys: tuple[str, ...]) -> None:
            super().__init__()
            self.keys = keys

    class Opened(Message):
        """A row is to be looked at closer: enter, or a second click."""

    def __init__(self, **attributes: Unpack[Attributes]) -> None:
        super().__init__(cursor_type="row", cell_padding=0, **attributes)
        self.source: Table | None = None
        self.keys: tuple[str, ...] = ()
        self.values: Sequence[Mapping[str, object]] = ()
        self.sort_fields: Mapping[str, Sequence[str]] = {}
        self.empty = "nothing here"
        self.spared: Mapping[str, int] = {}
        self.filtered, self.sorted_by, self.reverse = "", "", False
        self.marked: list[str] = []

    def show(self, table: Table | None, keys: Iterable[str], values: Sequence[Mapping[str, object]] = ()) -> None:
        """Put a table on the screen; the row under the cursor stays under it where it is still there.

        keys: a name for each row, the same whenever the same thing is shown.
        values: the flat rows behind it, which are sorted by where `sort_fields` names them.
        """
        self.source, self.keys, self.values = table, tuple(keys), values
        self.marked = [key for key in self.marked if key in self.keys]
        self._draw()

    def sort_by(self, title: str, reverse: bool) -> None:
        """Order by the column of that title; "" is the order of the answer."""
        self.sorted_by, self.reverse = title, reverse
        self._draw()

    def filter_by(self, text: str) -> None:
        """Only rows that hold every word of the text."""
        before, self.filtered = self.current, text
        self._draw()
        if self.current != before:  # the cursor stands where it stood, so the table itself says nothing
            self.post_message(self.RowHighlighted(self, self.cursor_row, RowKey(self.current)))

    def spare(self, columns: Mapping[str, int]) -> None:
        """Which columns may go where it is narrow, by title; the highest number first."""
        if columns != self.spared:
            self.spared = columns
            self._draw()

    @property
    def current(self) -> str | None:
        """The key of the row under the cursor."""
        if not self.is_valid_row_index(self.cursor_row):
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    def put_cursor(self, key: str) -> None:
        """Move to a row, where it is shown."""
        if key in self.rows:
            self.move_cursor(row=self.get_row_index(key))

    @property
    def titles(self) -> list[str]:
        """Of all columns, also of those that the screen has no room for."""
        return [column.title for column in self.source.columns] if self.source is not None else []

    def on_resize(self, event: events.Resize) -> None:
        """More or fewer columns fit."""
        self._draw()

    def _draw(self) -> None:
        self._say_empty()
        if self.source is None:
            self.clear(columns=True)
        if self.source is None or not self.size.width:
            return
        before, at = self.current, self.cursor_row
        order = self._order()
        table = fit(self._sparing(self.source), max(self.scrollable_content_region.width - 4, 20))
        self.clear(columns=True)
        self.add_column("", width=2)
        for index, column in enumerate(table.columns):
            texts = [row[index] for row in table.rows]
            title = self._heading(column.title) if table.header else ""
            width = max([cell_len(clean(text)) for text in texts] + [cell_len(title)])
            shown = title.rjust(width) if column.align == "right" else title
            self.add_column(shown, width=width + table.gap)
        aligns = [column.align for column in table.columns]
        for i in order:
            mark = Content.styled("•" if self.keys[i] in self.marked else " ", "bold $text-accent")
            cells = [_cell(text, align, self.ordered_columns[c + 1].width - table.gap)
                     for c, (text, align) in enumerate(zip(table.rows[i], aligns, strict=True))]  # fmt: skip
            self.add_row(mark, *cells, key=self.keys[i])
        listed = [self.keys[i] for i in order]
        if at > 0 and before is not None and before in listed:  # on the first row the cursor stays with the best
            self.move_cursor(row=listed.index(before), scroll=False)
        elif listed:
            self.move_cursor(row=min(at, len(listed) - 1), scroll=False)

    def _say_empty(self) -> None:
        """In place of no rows, a sentence that says why and what to press."""
        if isinstance(self.parent, TablePanel):
            found = self.source is not None and self.source.rows
            nobody = f"no row holds '{self.filtered}'; / changes the filter" if found else self.empty
            self.parent.say("" if self._order() else nobody)

    def _sparing(self, table: Table) -> Table:
        """The table with columns that may go on a narrow screen, because a panel beside it shows them too."""
        columns = (replace(c, keep=self.spared.get(c.title, c.keep)) for c in table.columns)
        return replace(table, columns=tuple(columns))

    def _heading(self, title: str) -> str:
        """The title; the one that is sorted by says which way."""
        if not self.sorted_by or self.source is None:
            return title
        by = next((c for c in self.source.columns if c.title == self.sorted_by), None)
        spellings = () if by is None else (by.title, by.short(by.title) if by.short is not None else by.title)
        return f"{title}{'↓' if self.reverse else '↑'}" if title in spellings else title

    def _order(self) -> list[int]:
        if self.source is None:
            return []
        words = self.filtered.lower().split()
        kept = [i for i, row in enumerate(self.source.rows) if all(w in " ".join(row).lower() for w in words)]
        if self.sorted_by in self.titles:
            kept.sort(key=self._sort_key, reverse=self.reverse)
            kept.sort(key=lambda i: self._value(i) is None)  # the unknown last, whichever way
        return kept

    def _value(self, index: int) -> object:
        for name in self.sort_fields.get(self.sorted_by, ()):
            if index < len(self.values) and self.values[index].get(name) is not None:
                return self.values[index][name]
        if self.sorted_by in self.sort_fields or self.source is None:
            return None
        return self.source.rows[index][self.titles.index(self.sorted_by)] or None

    def _sort_key(self, index: int) -> tuple[object, ...]:
        value = self._value(index)
        if isinstance(value, int | float):
            return (0, float(value))
        return (1, *((0, float(p), "") if _PARTS.fullmatch(p) else (1, 0.0, p) for p in _PARTS.split(str(value)) if p))

    def action_select_cursor(self) -> None:
        """Enter opens the row."""
        if self.current is not None:
            self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        """One click puts the cursor on a row, two open it."""
        if event.chain == 2 and self.current is not None:
            self.post_message(self.Opened())

    def action_mark(self) -> None:
        """Mark the row, or take the mark away."""
        key = self.current
        if key is None:
            return
        self.marked = [one for one in self.marked if one != key] if key in self.marked else [*self.marked, key]
        self._draw()
        self.post_message(self.Marked(tuple(self.marked)))

    def action_sort(self) -> None:
        """Choose what to sort by; the same again turns the order round."""
        from fmctl.tui.jump import PickScreen

        def sort(title: str | None) -> None:
            if title is not None and (title in self.titles or title == _AS_RANKED):
                self.sort_by("" if title == _AS_RANKED else title, title == self.sorted_by and not self.reverse)

        places = [(_AS_RANKED, "the order of the answer"), *((title, "") for title in self.titles if title)]
        self.app.push_screen(PickScreen(places, "sort by (again: the other way)"), sort)

    def action_filter(self) -> None:
        """Show only rows that hold what is typed."""
        panel = self.parent
        if isinstance(panel, TablePanel):
            panel.start_filter()

    @on(DataTable.HeaderSelected)
    def _header(self, event: DataTable.HeaderSelected) -> None:
        event.stop()
        label = str(event.label).strip().rstrip("↑↓")
        if label in self.titles:
            self.sort_by(label, label == self.sorted_by and not self.reverse)


_AS_RANKED = "as ranked"


def _cell(text: str, align: str, width: int) -> Content:
    said = clean(text)
    padded = " " * (width - cell_len(said)) + said if align == "right" else said
    return Content.styled(padded, STATE_STYLES[said]) if said in STATE_STYLES else Content(padded)


class TablePanel(Vertical):
    """Rows, and below them the line in which one types a filter."""

    def __init__(self, rows: Rows, **attributes: Unpack[Attributes]) -> None:
        super().__init__(**attributes)
        self.rows = rows

    def compose(self) -> ComposeResult:
        """The rows, the sentence in place of none, and the hidden line."""
        yield Static("", classes="empty", markup=False)
        yield self.rows
        yield FilterLine(placeholder="filter: words that a row must hold; enter keeps it, esc drops it", compact=True)

    def say(self, text: str) -> None:
        """Say why there are no rows; "" where there are some."""
        for line in self.query(".empty").results(Static):
            line.update(clean(text))
            line.display = bool(text)

    def start_filter(self) -> None:
        """Show the line and type in it."""
        line = self.query_one(FilterLine)
        line.display = True
        line.focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.rows.filter_by(event.value)

    @on(Input.Submitted)
    def _kept(self, event: Input.Submitted) -> None:
        event.stop()
        self.rows.focus()
        self.query_one(FilterLine).display = bool(event.value)


class FilterLine(Input):
    """What rows must hold."""

    HELP = "Words that a row must hold, in any order and any column. `enter` keeps the filter, `esc` drops it."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "drop", "drop the filter", show=False)]

    def action_drop(self) -> None:
        """All rows again."""
        self.value = ""
        self.display = False
        if isinstance(self.parent, TablePanel):
            self.parent.rows.focus()
