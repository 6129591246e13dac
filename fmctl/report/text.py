"""Reports as text: aligned and whole in a pipe, fitted to the width and coloured on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from textwrap import wrap

from fmctl.base.printing import printable, printable_lines
from fmctl.report.view import Column, Plot, Report, Row, Section, Table

LUXURY = 5
"""Columns with `keep` from here on are shown only where there is plenty of room."""

_BOLD, _HEADING, _DIM = "1", "1;36", "2"
_STYLES = {"ok": "32", "tight": "33", "OOM": "31", "unknown": _DIM}
_NARROWEST_REMARK = 16
_EIGHTHS = "▁▂▃▄▅▆▇█"


def plain_text(report: Report) -> str:
    """The report for a pipe: aligned columns, nothing dropped, nothing wrapped."""
    report = clean_report(report)
    blocks = ["\n".join(_section(section)) for section in report.sections]
    return "\n\n".join(filter(None, [report.title, *blocks])) + "\n"


def terminal_text(report: Report, width: int, *, colour: bool) -> str:
    """The report for a terminal of so many columns; the least dear columns go first where it is narrow."""
    report = clean_report(report)
    lines = [_styled(line, _BOLD, colour) for line in wrap(report.title, width)]
    for section in report.sections:
        lines += [""]
        lines += [_styled(section.title, _HEADING, colour)] if section.title else []
        lines += [part for line in section.lines for part in wrap(line, width)]
        lines += section.code.splitlines()
        lines += _screen(section.table, width, colour=colour) if section.table is not None else []
        lines += [line for plot in section.plots for line in sparkline(plot, width)]
    return "\n".join(lines) + "\n"


def fit(table: Table, width: int) -> Table:
    """The table in at most `width` columns where that is possible.

    What is merely nice goes first, then spellings get shorter, then gaps narrower, then what can be missed goes.
    """
    narrow = _dropped(table, width, LUXURY)
    for index, column in enumerate(narrow.columns):
        if _total(narrow) <= width:
            return narrow
        if column.short is not None:
            narrow = _shortened(narrow, index, column)
    if _total(narrow) > width:
        narrow = _dropped(replace(narrow, gap=1), width, 1)
    return narrow


def _dropped(table: Table, width: int, least: int) -> Table:
    """Without its most droppable columns, down to those of `least`, while it is too wide."""
    while _total(table) > width and any(column.keep >= least for column in table.columns):
        worst = max(range(len(table.columns)), key=lambda i: table.columns[i].keep)
        table = _without(table, worst)
    return table


def table_of(rows: list[Row], names: list[str], *, text: dict[str, str] | None = None) -> Table:
    """A table of chosen fields out of flat rows, said with their units."""
    from fmctl.report.words import say

    titles = text or {}
    numeric = [all(isinstance(row.get(name), int | float) for row in rows) and bool(rows) for name in names]
    columns = tuple(
        Column(titles.get(n, n), "right" if number else "left") for n, number in zip(names, numeric, strict=True)
    )
    return Table(columns, tuple(tuple(say(name, row.get(name)) for name in names) for row in rows))


def clean_report(report: Report) -> Report:
    """The report without anything that would steer a terminal: names may come from anybody's files."""
    sections = tuple(
        Section(
            printable(s.title),
            s.table and _clean_table(s.table),
            tuple(map(printable, s.lines)),
            tuple(replace(plot, title=printable(plot.title), marks=_clean_marks(plot)) for plot in s.plots),
            printable_lines(s.code),
        )
        for s in report.sections
    )
    return Report(printable(report.title), sections)


def _clean_table(table: Table) -> Table:
    columns = tuple(replace(column, title=printable(column.title)) for column in table.columns)
    return replace(table, columns=columns, rows=tuple(tuple(printable(cell) for cell in row) for row in table.rows))


def _clean_marks(plot: Plot) -> tuple[tuple[float, str], ...]:
    return tuple((at, printable(name)) for at, name in plot.marks)


def _section(section: Section) -> Iterator[str]:
    if section.title:
        yield section.title
    yield from section.lines
    yield from section.code.splitlines()
    if section.table is not None:
        yield from _lines(section.table)
    for plot in section.plots:
        yield from sparkline(plot)


def sparkline(plot: Plot, width: int = 80) -> list[str]:
    """A curve as one line of eighths, lowest to highest value, under its name and range."""
    known = [(x, y) for x, y in plot.points if y is not None]
    if not known:
        return []
    values = [y for _, y in known]
    low, high = min(values), max(values)
    ends = f"{plot.say(values[0])} to {plot.say(values[-1])}"
    head = f"{plot.title}: {ends}, between {plot.say(low)} and {plot.say(high)}"
    cells = max(min(width, len(values)), 1)
    groups = (values[i * len(values) // cells : (i + 1) * len(values) // cells] for i in range(cells))
    means = [sum(group) / len(group) for group in groups]
    top = len(_EIGHTHS) - 1
    return [
        head,
        "".join(_EIGHTHS[round((mean - low) / (high - low) * top) if high > low else top // 2] for mean in means),
    ]


def _lines(table: Table) -> Iterator[str]:
    widths = _widths(table)
    rows = ([tuple(c.title for c in table.columns)] if table.header else []) + list(table.rows)
    for row in rows:
        yield _line(list(row), table, widths)


def _screen(table: Table, width: int, *, colour: bool) -> list[str]:
    """The table on a screen: fitted, a long last remark folded under itself, words of state coloured."""
    fitted = fit(table, width)
    widths = _widths(fitted)
    before = sum(widths[:-1]) + fitted.gap * (len(widths) - 1)
    folds = _folds(fitted) and before + _NARROWEST_REMARK <= width
    lines = []
    if fitted.header and fitted.columns:
        lines.append(_styled(_line([c.title for c in fitted.columns], fitted, widths), _DIM, colour))
    for row in fitted.rows:
        last = wrap(row[-1], width - before, break_long_words=True) or [""] if folds else [row[-1]]
        lines.append(_line([*row[:-1], last[0]], fitted, widths, colour=colour))
        lines += [" " * before + more for more in last[1:]]
    return lines


def _styled(text: str, style: str, colour: bool) -> str:
    return f"\033[{style}m{text}\033[0m" if colour and style and text else text


def _line(cells: list[str], table: Table, widths: list[int], *, colour: bool = False) -> str:
    shown = []
    for index, (cell, width, column) in enumerate(zip(cells, widths, table.columns, strict=True)):
        last = index == len(widths) - 1
        padded = cell.rjust(width) if column.align == "right" else cell if last else cell.ljust(width)
        shown.append(_styled(padded, _STYLES.get(cell, ""), colour))
    return (" " * table.gap).join(shown).rstrip()


def _widths(table: Table) -> list[int]:
    titles = [len(c.title) if table.header else 0 for c in table.columns]
    return [max([title, *(len(row[i]) for row in table.rows)]) for i, title in enumerate(titles)]


def _total(table: Table) -> int:
    """The least width that shows the table well: a last remark that is always kept may fold."""
    widths = _widths(table)
    if widths and _folds(table):
        widths[-1] = min(widths[-1], _NARROWEST_REMARK)
    return sum(widths) + table.gap * (len(widths) - 1)


def _folds(table: Table) -> bool:
    return bool(table.columns) and table.columns[-1].align == "left" and table.columns[-1].keep == 0


def _shortened(table: Table, index: int, column: Column) -> Table:
    if column.short is None:
        return table
    brief = replace(column, title=column.short(column.title))
    rows = tuple((*row[:index], column.short(row[index]), *row[index + 1 :]) for row in table.rows)
    return replace(table, columns=(*table.columns[:index], brief, *table.columns[index + 1 :]), rows=rows)


def _without(table: Table, index: int) -> Table:
    rows = tuple((*row[:index], *row[index + 1 :]) for row in table.rows)
    return replace(table, columns=(*table.columns[:index], *table.columns[index + 1 :]), rows=rows)
