"""Estimates and plans as answers: document, flat rows, report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fmctl.domain.result import Plan, PlanRequest
from fmctl.report.results import estimate_document, flat, plan_document
from fmctl.report.view import Answer, Document, Report


def estimate_answer(plan: Plan, request: PlanRequest, provenance: Mapping[str, Any]) -> Answer:
    """The best row, or the nearest miss where nothing fits."""
    return shown_estimate(estimate_document(plan, request, provenance))


def plan_answer(plan: Plan, request: PlanRequest, provenance: Mapping[str, Any]) -> Answer:
    """The ranked rows."""
    return shown_plan(plan_document(plan, request, provenance))


def shown_estimate(document: Document) -> Answer:
    """An estimate document, new or read from a file."""
    rows = [flat(document["result"])] if document["result"] else []

    def report() -> Report:
        from fmctl.report.estimates import estimate_report  # the reports are for people: JSON starts without them

        return estimate_report(document)

    return Answer(document, rows, report, tuple(document["warnings"]))


def shown_plan(document: Document) -> Answer:
    """A plan document, new or read from a file."""
    rows = [flat(row) for row in document["result"]["rows"]]

    def report() -> Report:
        from fmctl.report.plans import plan_report

        return plan_report(document)

    return Answer(document, rows, report, tuple(document["warnings"]))
