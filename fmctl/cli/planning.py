"""`estimate` and `plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import typer

from fmctl.cli.options import AskedOptions, ModelName, Output, SearchOptions
from fmctl.cli.output import emit, prints_documents, progress_line, settings_for
from fmctl.cli.streams import tell
from fmctl.usecases import planning
from fmctl.usecases.planning import keep

if TYPE_CHECKING:
    from fmctl.domain.rows.results import PlanDocument


def estimate(ctx: typer.Context, model: ModelName, asked: AskedOptions, out: Output) -> None:
    """One layout on one instance type and count: memory, FLOPs, step time, network, checkpoint, cost, energy.

    What is left out is chosen as `plan` would choose it, and said. Exits 3 where the layout does not fit.
    """
    settings = settings_for(out)
    found = planning.estimate(model, asked, settings, ctx.obj)
    if found.answer is not None:
        emit(found.answer, out, settings)
    if found.trouble is not None:
        raise found.trouble


def plan(ctx: typer.Context, model: ModelName, asked: AskedOptions, aim: SearchOptions, out: Output) -> None:
    """Search layouts, instance types and node counts for the best way to train a model, and rank them.

    Exits 3 where nothing fits or meets the targets, with the reasons counted and the nearest miss.
    """
    settings = settings_for(out)
    found = planning.plan(model, asked, aim, settings, ctx.obj, progress_line(out))
    if found.answer is not None and found.trouble is None and aim.save is not None:
        said = keep(aim.save, cast("PlanDocument", found.answer.document), settings, ctx.obj)
        if not out.quiet:
            tell(said)
    if found.answer is not None and (found.trouble is None or prints_documents(settings)):
        emit(found.answer, out, settings)
    if found.trouble is not None:
        raise found.trouble
