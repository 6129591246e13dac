"""`estimate` and `plan`: the best layouts, or what stands in the way; and plans kept under a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import NoLayout, UsageError
from fmctl.domain.result import Plan, PlanRequest
from fmctl.report.answers import estimate_answer, plan_answer
from fmctl.report.view import Answer
from fmctl.usecases.calibration import provenance
from fmctl.usecases.options import Asked, Search
from fmctl.usecases.requests import estimate_request, plan_request
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.rows.results import PlanDocument


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found, None where there is nothing to show; and what stands in the way, None where a layout fits."""

    answer: Answer | None
    trouble: NoLayout | None = None


def estimate(model: str, asked: Asked, settings: Settings, services: Services) -> Outcome:
    """One layout on one instance type and count, or its nearest miss."""
    request = estimate_request(model, asked, settings, services)
    plan = services.planner.best(request)
    shown = plan.rows or plan.nearest
    answer = estimate_answer(plan, request, provenance(request, services)) if shown else None
    return Outcome(answer, None if plan.rows else no_layout(plan, request, model))


def plan(
    model: str, asked: Asked, aim: Search, settings: Settings, services: Services,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:  # fmt: skip
    """The ranked plan. Raises UsageError where it could not be kept under the name that was asked for."""
    if aim.save is not None:
        check_name(aim.save, services)
    request = plan_request(model, asked, aim, settings, services)
    found = services.planner.search(request, progress)
    answer = plan_answer(found, request, provenance(request, services))
    return Outcome(answer, None if found.rows else no_layout(found, request, model))


def no_layout(plan: Plan, request: PlanRequest, model: str) -> NoLayout:
    """What stood in the way: reasons counted, nearest miss, a command to try."""
    from fmctl.report.nothing import next_command, what_failed, why_it_failed

    return NoLayout(
        what_failed(plan, request),
        why=why_it_failed(plan, request) or None,
        next=next_command(plan, request, model),
    )


def check_name(name: str, services: Services) -> None:
    """Raises UsageError where no plan can be kept under that name."""
    from fmctl.operate import store

    store.check_name(name)
    if name in services.catalogue.model_names():
        raise UsageError(f"'{name}' cannot be the name of a plan", why="a model has it", next=f"--save {name}-plan")


def keep(name: str, document: PlanDocument, settings: Settings, services: Services) -> str:
    """Keep the plan, in the store that the setting names, else in the user's data folder; says what and where."""
    from fmctl.report.plans import saved_line

    at = services.now().isoformat(timespec="seconds")
    if settings.text("store") is not None:
        from fmctl.operate.state.plans import save_plan

        shared = services.operations.store(settings, {})
        save_plan(shared, name, document, at)
        place = shared.where
    else:
        from fmctl.operate.store import save

        place = str(save(name, document, at))
    return f"{saved_line(name, document)} ({place})"
