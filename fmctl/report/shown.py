"""Documents of estimates and plans, new or read from a file, as answers; nothing here needs numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fmctl.report.runs import NESTED
from fmctl.report.view import Answer, Report, by_name

if TYPE_CHECKING:
    from fmctl.domain.rows.results import EstimateDocument, EstimateRow, PlanDocument


def shown_estimate(document: EstimateDocument) -> Answer:
    """An estimate document, new or read from a file."""
    rows = [flat(document["result"])] if document["result"] else []

    def report() -> Report:
        from fmctl.report.estimates import estimate_report  # the reports are for people: JSON starts without them

        return estimate_report(document)

    return Answer(document, rows, report, tuple(document["warnings"]))


def shown_plan(document: PlanDocument) -> Answer:
    """A plan document, new or read from a file."""
    rows = [flat(row) for row in document["result"]["rows"]]

    def report() -> Report:
        from fmctl.report.plans import plan_report

        return plan_report(document)

    return Answer(document, rows, report, tuple(document["warnings"]))


def flat(result: EstimateRow) -> dict[str, object]:
    """One row with its groups opened, every name once: the fields of csv, jsonl and `--fields`."""
    row: dict[str, object] = {}
    for name, value in by_name(result).items():
        if name in ("chosen", "notes"):
            continue
        if name == "whole_run":
            row |= {
                key: held for key, held in (value if isinstance(value, Mapping) else {}).items() if key not in NESTED
            }
            continue
        row |= value if isinstance(value, Mapping) else {name: value}
    return row
