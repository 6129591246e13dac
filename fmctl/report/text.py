"""Reports as text: aligned and whole in a pipe, fitted to the width and coloured on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from textwrap import wrap

from fmctl.report.view import Column, Report, Row, Section, Table

_GAP = "  "
_STYLES = {"ok": "green", "tight": "yellow", "OOM": "red", "unknown": "dim"}


def plain_text(report: Report) -> str:
    """The report for a pipe: aligned columns, nothing dropped, nothing wrapped."""
    blocks = ["\n".join(_section(section)) for section in report.sections]
    return "\n\n".join(filter(None, [report.title, *blocks])) + "\n"


def terminal_text(report: Report, width: int, *, colour: bool) -> str:
    """The report for a terminal of so many columns; the least dear columns go first where it is narrow."""
    from rich.console import Console
    from rich.text import Text

    stream = StringIO()
    console = Console(
        file=stream, width=width, force_terminal=True, color_system="standard" if colour else None, highlight=False
    )
    console.print(Text(report.title, style="bold"))
    for section in report.sections:
        console.print()
        if section.title:
            console.print(Text(section.title, style="bold cyan"))
        for line in section.lines:
            console.print(Text("\n".join(wrap(line, width - 1)), style=""))
        if section.table is not None and section.table.rows:
            console.print(_grid(fit(section.table, width)), overflow="fold")
    return stream.getvalue()


def fit(table: Table, width: int) -> Table:
    """The table in at most `width` columns where that is possible: short spellings first, then fewer columns."""
    narrow = table
    for index, column in enumerate(table.columns):
        if _total(narrow) <= width:
            return narrow
        if column.short is not None:
            narrow = _shortened(narrow, index, column)
    while _total(narrow) > width and any(column.keep for column in narrow.columns):
        worst = max(range(len(narrow.columns)), key=lambda i: narrow.columns[i].keep)
        narrow = _without(narrow, worst)
    return narrow


def table_of(rows: list[Row], names: list[str], *, text: dict[str, str] | None = None) -> Table:
    """A table of chosen fields out of flat rows, said with their units."""
    from fmctl.report.words import say

    titles = text or {}
    numeric = [all(isinstance(row.get(name), int | float) for row in rows) and bool(rows) for name in names]
    columns = tuple(
        Column(titles.get(n, n), "right" if number else "left") for n, number in zip(names, numeric, strict=True)
    )
    return Table(columns, tuple(tuple(say(name, row.get(name)) for name in names) for row in rows))


def _section(section: Section) -> Iterator[str]:
    if section.title:
        yield section.title
    yield from section.lines
    if section.table is not None:
        yield from _lines(section.table)


def _lines(table: Table) -> Iterator[str]:
    widths = _widths(table)
    rows = ([tuple(c.title for c in table.columns)] if table.header else []) + list(table.rows)
    for row in rows:
        cells = (
            cell.rjust(w) if column.align == "right" else cell.ljust(w)
            for cell, w, column in zip(row, widths, table.columns, strict=True)
        )
        yield _GAP.join(cells).rstrip()


def _grid(table: Table) -> object:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=None, show_header=table.header, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    last = len(table.columns) - 1
    for index, column in enumerate(table.columns):
        folds = index == last and column.align == "left"  # a long remark may take more lines; a number never
        grid.add_column(Text(column.title), justify=column.align, no_wrap=not folds, overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(cell, style=_STYLES.get(cell.rpartition(" ")[2], "")) for cell in row))
    return grid


def _widths(table: Table) -> list[int]:
    titles = [len(c.title) if table.header else 0 for c in table.columns]
    return [max([title, *(len(row[i]) for row in table.rows)]) for i, title in enumerate(titles)]


def _total(table: Table) -> int:
    widths = _widths(table)
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _shortened(table: Table, index: int, column: Column) -> Table:
    if column.short is None:
        return table
    rows = tuple((*row[:index], column.short(row[index]), *row[index + 1 :]) for row in table.rows)
    return Table(table.columns, rows, table.header)


def _without(table: Table, index: int) -> Table:
    rows = tuple((*row[:index], *row[index + 1 :]) for row in table.rows)
    return Table((*table.columns[:index], *table.columns[index + 1 :]), rows, table.header)
