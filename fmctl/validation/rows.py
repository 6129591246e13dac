"""Rows of a measured-runs file: any CSV with the columns of the shipped `measured/training.csv`, and any others.

Unknown columns are ignored, missing ones read as blank. A cell that should be a number and is not makes its row
impossible to predict (`Skip`), never the file.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from math import isfinite
from pathlib import Path

from fmctl.base.errors import UnreadableFile, shorten
from fmctl.base.files import read_text

SHIPPED = Path(__file__).parent.parent / "measured" / "training.csv"
NEEDED = ("gpu", "n_gpus", "model")
BLANK = frozenset({"", "-", "na", "n/a", "nan", "none", "null", "unknown"})
LARGEST = 1e12  # beyond any count, rate or size that a row can state


class Skip(Exception):
    """A row cannot be predicted; the text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One measured run: its cells as text, by lower-case column name, and its line in the file."""

    line: int
    cells: Mapping[str, str]

    @property
    def id(self) -> str:
        """The row's own id, or its line."""
        return self.text("id") or f"line-{self.line}"

    def text(self, name: str) -> str:
        """The cell without outer blanks; empty where the column or the cell is missing."""
        return self.cells.get(name, "")

    def lower(self, name: str) -> str:
        """The cell in lower case."""
        return self.text(name).lower()

    def number(self, name: str) -> float | None:
        """The cell as a number of at least 0, None where it is blank. Raises Skip where it is neither."""
        text = self.lower(name)
        if text in BLANK:
            return None
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not isfinite(value) or not 0.0 <= value <= LARGEST:
            raise Skip(f"{name} is not a number: '{shorten(text)}'")
        return value

    def positive(self, name: str) -> float | None:
        """Like `number`, with 0 taken as not stated."""
        return self.number(name) or None

    def whole(self, name: str) -> int | None:
        """The cell as a whole number, None where it is blank or 0. Raises Skip where it is neither."""
        value = self.positive(name)
        if value is None:
            return None
        if value != int(value):
            raise Skip(f"{name} is not a whole number: '{shorten(self.text(name))}'")
        return int(value)

    def need(self, name: str) -> int:
        """A whole number without which the row cannot be predicted."""
        value = self.whole(name)
        if value is None:
            raise Skip(f"{name} is not stated")
        return value


def read_rows(path: Path | str) -> list[Row]:
    """All rows of a CSV file with a header line.

    Raises:
        UnreadableFile: missing, not text, not CSV, without rows, or without the columns that say what ran on what.
    """
    reader = csv.reader(StringIO(read_text(path, what="measured runs")), strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise UnreadableFile(f"{path} is not CSV", why=f"line {reader.line_num}: {error}") from None
    header = [name.strip().lower() for name in lines[0][1]] if lines else []
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise UnreadableFile(
            f"{path} holds no measured runs",
            why=f"its header has no column {', '.join(missing)}",
            next="see docs/assumptions.md for the columns",
        )
    rows = [_row(number, header, line) for number, line in lines[1:]]
    if not rows:
        raise UnreadableFile(f"{path} holds no measured runs", why="it has a header and no rows")
    return rows


def _row(number: int, header: Sequence[str], line: Sequence[str]) -> Row:
    return Row(number, {name: cell.strip() for name, cell in zip(header, line, strict=False) if cell.strip()})
