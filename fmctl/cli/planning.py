"""`estimate` and `plan`."""

from __future__ import annotations

import typer

from fmctl.base.config import Settings
from fmctl.base.errors import NoLayout, UsageError
from fmctl.cli.options import AskedOptions, ModelName, Output, SearchOptions
from fmctl.cli.output import emit, progress_line, settings_for
from fmctl.cli.streams import write_stderr
from fmctl.domain.result import Plan, PlanRequest
from fmctl.report.answers import estimate_answer, plan_answer
from fmctl.report.view import Answer, Document
from fmctl.usecases.calibration import provenance
from fmctl.usecases.requests import estimate_request, plan_request
from fmctl.usecases.services import Services


def estimate(ctx: typer.Context, model: ModelName, asked: AskedOptions, out: Output) -> None:
    """One layout on one instance type and count: memory, FLOPs, step time, network, checkpoint, cost, energy.

    What is left out is chosen as `plan` would choose it, and said. Exits 3 where the layout does not fit.
    """
    settings = settings_for(out)
    request = estimate_request(model, asked, settings, ctx.obj)
    plan = ctx.obj.planner.best(request)
    if plan.rows or plan.nearest:
        emit(estimate_answer(plan, request, provenance(request, ctx.obj)), out, settings)
    if not plan.rows:
        raise no_layout(plan, request, model)


def plan(ctx: typer.Context, model: ModelName, asked: AskedOptions, aim: SearchOptions, out: Output) -> None:
    """Search layouts, instance types and node counts for the best way to train a model, and rank them.

    Exits 3 where nothing fits or meets the targets, with the reasons counted and the nearest miss.
    """
    settings = settings_for(out)
    if aim.save is not None:
        check_name(aim.save, ctx.obj)
    request = plan_request(model, asked, aim, settings, ctx.obj)
    found = ctx.obj.planner.search(request, progress_line(out))
    answer = plan_answer(found, request, provenance(request, ctx.obj))
    if found.rows and aim.save is not None:
        _save(aim.save, answer, out, settings, ctx.obj)
    if found.rows or settings.text("output") in ("json", "yaml"):
        emit(answer, out, settings)
    if not found.rows:
        raise no_layout(found, request, model)


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


def _save(name: str, answer: Answer, out: Output, settings: Settings, services: Services) -> None:
    said = keep(name, answer.document, settings, services)
    if not out.quiet:
        write_stderr(f"fmctl: {said}\n")


def keep(name: str, document: Document, settings: Settings, services: Services) -> str:
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
