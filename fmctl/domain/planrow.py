"""The rows of a plan as its document has them, and row N of it: counted from 1, `--row` on every command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from fmctl.base.errors import UnreadableFile, UsageError
from fmctl.base.units import parse_count

if TYPE_CHECKING:
    from fmctl.domain.rows.results import EstimateDocument, EstimateRow, PlanDocument

    PlanOrEstimate: TypeAlias = PlanDocument | EstimateDocument


def row_number(text: str | None) -> int:
    """The row that an option names; the first where none was named. Raises UsageError."""
    return 1 if text is None else parse_count(text, what="--row")


def rows_there(document: PlanOrEstimate) -> Sequence[EstimateRow]:
    """The rows of a plan, the only one of an estimate, or none."""
    if document["schema"] == "fmctl.plan/1":
        return document["result"]["rows"]
    return [document["result"]] if document["result"] else []


def rows_of(document: PlanOrEstimate) -> list[EstimateRow]:
    """The rows of a plan, the only one of an estimate. Raises UnreadableFile where there is none."""
    rows = rows_there(document)
    if not rows:
        raise UnreadableFile("the plan has no rows", why="nothing fitted", next="fmctl plan MODEL --save NAME")
    return list(rows)


def row_of(rows: Sequence[EstimateRow], number: int, plan: str = "the plan") -> EstimateRow:
    """Row N of a plan, which errors call `plan`. Raises UsageError where there are not so many."""
    if not 1 <= number <= len(rows):
        raise UsageError(f"there is no row {number}", why=f"{plan} has {len(rows)}", next=f"--row {len(rows)}")
    return rows[number - 1]


def row_named(document: PlanOrEstimate, text: str | None, plan: str = "the plan") -> EstimateRow:
    """The row of a document that an option names. Raises UnreadableFile, UsageError."""
    return row_of(rows_of(document), row_number(text), plan)


def number_of(row: EstimateRow) -> int:
    """Which row of its plan it is; an estimate's only one is the first."""
    found: Mapping[str, object] = row
    return int(str(found.get("rank") or 1))
