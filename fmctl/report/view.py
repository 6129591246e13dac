"""The view-model: a `Report` of sections and tables, and the `Answer` that every command gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Align = Literal["left", "right"]
Document = Mapping[str, object]
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Column:
    """One column: on a narrow screen the highest `keep` goes first (0 never does); `short` is a briefer spelling."""

    title: str
    align: Align = "left"
    keep: int = 0
    short: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Table:
    """Cells as they are read; the first column names the row. Without `header` it is a list of facts."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    header: bool = True
    gap: int = 2


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plot:
    """A curve over steps or hours. Without a y there is a gap."""

    title: str
    x_title: str
    points: tuple[tuple[float, float | None], ...]
    say: Callable[[float], str]  # a value in words, with its unit
    # (low, middle, high) that a plan predicts for y; an end that is not known is None
    expected: tuple[float | None, float, float | None] | None = None
    marks: tuple[tuple[float, str], ...] = ()  # moments on the x axis that have a name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Section:
    """A titled part of a report: lines of text, then a file as it is, a table, and plots."""

    title: str = ""
    table: Table | None = None
    lines: tuple[str, ...] = ()
    plots: tuple[Plot, ...] = ()
    code: str = ""  # lines that keep their spaces: a file


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Report:
    """What a person reads."""

    title: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Answer:
    """What a command answers, once: the document, the same as flat rows, and how a person reads it.

    `warnings` are those of the document; in the formats that cannot carry them they go to stderr.
    """

    document: Document
    rows: Sequence[Row]
    report: Callable[[], Report]
    warnings: tuple[str, ...] = field(default=())


def facts(*rows: tuple[str, ...]) -> Table:
    """A table without header: name, value, remark; rows without a value are left out."""
    shown = tuple(row for row in rows if len(row) > 1 and row[1])
    width = max((len(row) for row in shown), default=0)
    padded = tuple(row + ("",) * (width - len(row)) for row in shown)
    return Table(tuple(Column("") for _ in range(width)), padded, header=False)


def by_name(row: Mapping[str, object]) -> Mapping[str, object]:
    """A row whose fields are looked up by names that a table holds: mypy knows a row by its literal names alone."""
    return row


def numbers(row: Mapping[str, object]) -> Mapping[str, float | None]:
    """The numbers of a row by name, null where they are not known."""
    return {name: value for name, value in row.items() if value is None or isinstance(value, int | float)}


def terms_of(row: Mapping[str, object], group: str) -> Mapping[str, float | None]:
    """The terms of one group of a row."""
    found = row[group]
    assert isinstance(found, Mapping), f"{group} is a group of terms"
    return numbers(found)
