"""Estimates and plans as answers: document, flat rows, report."""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.domain.result import Plan, PlanRequest
from fmctl.report.results import estimate_document, plan_document
from fmctl.report.shown import shown_estimate, shown_plan
from fmctl.report.view import Answer


def estimate_answer(plan: Plan, request: PlanRequest, provenance: Mapping[str, object]) -> Answer:
    """The best row, or the nearest miss where nothing fits."""
    return shown_estimate(estimate_document(plan, request, provenance))


def plan_answer(plan: Plan, request: PlanRequest, provenance: Mapping[str, object]) -> Answer:
    """The ranked rows."""
    return shown_plan(plan_document(plan, request, provenance))
