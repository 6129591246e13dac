"""The rows of a plan as its document has them, and row N of it: counted from 1, `--row` on every command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fmctl.base.errors import UnreadableFile, UsageError
from fmctl.base.units import parse_count


def row_number(text: str | None) -> int:
    """The row that an option names; the first where none was named. Raises UsageError."""
    return 1 if text is None else parse_count(text, what="--row")


def rows_of(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of a plan, the only one of an estimate. Raises UnreadableFile where there is none."""
    result = document["result"]
    rows = result["rows"] if document["schema"] == "fmctl.plan/1" else [result] if result else []
    if not rows:
        raise UnreadableFile("the plan has no rows", why="nothing fitted", next="fmctl plan MODEL --save NAME")
    return list(rows)


def row_of(rows: Sequence[Mapping[str, Any]], number: int) -> Mapping[str, Any]:
    """Row N. Raises UsageError where there are not so many."""
    if not 1 <= number <= len(rows):
        raise UsageError(f"there is no row {number}", why=f"the plan has {len(rows)}", next=f"--row {len(rows)}")
    return rows[number - 1]


def row_named(document: Mapping[str, Any], text: str | None) -> Mapping[str, Any]:
    """The row of a document that an option names. Raises UnreadableFile, UsageError."""
    return row_of(rows_of(document), row_number(text))
