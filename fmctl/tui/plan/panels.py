"""What stands beside and below the ranking, by how much room there is; `p` goes from one arrangement to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fmctl.report.view import Section
from fmctl.tui.view import WIDE

if TYPE_CHECKING:
    from fmctl.domain.rows.results import PlanDocument

TALL = 30
"""Lines from which ranking and plot both have room."""

_NARROW = (("ranking",), ("plot",), ("detail",), ("why",))
_SIDE = (("ranking", "detail"), ("plot", "detail"), ("ranking", "why"))
_BOTH = (("ranking", "plot", "detail"), ("ranking", "plot", "why"))
PANELS = ("ranking", "plot", "detail", "why")


def arrangements(width: int, height: int) -> Sequence[tuple[str, ...]]:
    """Every set of panels that fits a screen of that size, the first of them first."""
    if width < WIDE:
        return _NARROW
    return _BOTH if height >= TALL else _SIDE


def why_sections(document: PlanDocument | None, warnings: Sequence[str]) -> list[Section]:
    """Why candidates were rejected, what came nearest where nothing fits, and what the answer warns of."""
    if document is None:
        return []
    from fmctl.report.plans import rejects_table, searched_line

    result = document["result"]
    sections = [Section("Rejected", rejects_table(result), (searched_line(result),))]
    nearest = result["nearest"]
    if nearest is not None:
        from fmctl.report.estimates import row_report

        report = row_report(document, nearest["estimate"])
        first = report.sections[0] if report.sections else Section()
        sections.insert(0, Section(f"Nearest: {report.title}", first.table, (nearest["advice"],)))
    if warnings:
        sections.append(Section("Warnings", lines=tuple(warnings)))
    return sections
