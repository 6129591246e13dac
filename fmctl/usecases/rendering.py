"""A plan as files: what its cluster is to be, where it goes, and what is written for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import CannotRun, UnreadableFile, UsageError, shorten
from fmctl.base.units import parse_count, parse_number
from fmctl.domain.planrow import row_number, rows_of
from fmctl.domain.purchase import launched, unknown
from fmctl.usecases.options import Wanted
from fmctl.usecases.plans import plan_document, shared_store
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.cluster import ClusterSpec, Site
    from fmctl.domain.model import ModelArch
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.report.view import Answer
    from fmctl.targets.rendering import Rendering
    from fmctl.targets.spec import Asked

_MOST_MINUTES = 24 * 60
_PLAN_AGAIN = "no row of this plan can be run: plan again, with --recompute full or another --framework"


@dataclass(frozen=True, slots=True)
class Rendered:
    """The files of a cluster, what it is, and the document about them."""

    rendering: Rendering
    spec: ClusterSpec
    answer: Answer


def render(plan_name: str, wanted: Wanted, settings: Settings, services: Services) -> Rendered:
    """A plan's cluster as files; nothing is launched. Raises UnknownName, UsageError, CannotRun."""
    from fmctl.report.renders import render_answer
    from fmctl.targets.spec import spec

    asked = asked_for(wanted, settings)
    document, notes = plan_document(plan_name, shared_store(settings, services))
    made = spec(document, site_for(wanted, settings), asked, Path(plan_name).stem)
    rendering = rendering_of(made, document, services)
    return Rendered(rendering, made, render_answer(rendering, made, asked.row, notes))


def asked_for(wanted: Wanted, settings: Settings) -> Asked:
    """The options as values. Raises UsageError, UnknownName."""
    from fmctl.targets.spec import IDLE_MINUTES, Asked

    if wanted.capacity is not None and wanted.capacity not in launched():
        raise unknown(wanted.capacity, launched())
    hours = settings.number("max_hours")
    if wanted.max_hours is not None:
        hours = parse_number(wanted.max_hours, what="--max-hours")
    minutes = IDLE_MINUTES if wanted.idle_minutes is None else parse_count(wanted.idle_minutes, what="--idle-minutes")
    if minutes > _MOST_MINUTES:
        raise UsageError(f"--idle-minutes {shorten(str(minutes))} is too large", why=f"the most is {_MOST_MINUTES:,}")
    return Asked(
        row=row_number(wanted.row),
        cluster=wanted.cluster_name,
        purchase=wanted.capacity,
        reservation=wanted.reservation,
        max_hours=hours,
        idle_minutes=minutes,
        static=wanted.static,
        efa=not wanted.no_efa,
        recipe=wanted.recipe or "",
    )


def site_for(wanted: Wanted, settings: Settings) -> Site:
    """The site that the option or the setting names. Raises UsageError where neither does."""
    path = settings.text("site") if wanted.site is None else wanted.site
    if path is None:
        raise UsageError(
            "it is not said where the cluster goes",
            why="no site was named; its file holds region, subnets and file system",
            next="--site site.yaml (its fields: fmctl schema site)",
        )
    from fmctl.targets.sites import read_site

    return read_site(path)


def rendering_of(made: ClusterSpec, document: PlanOrEstimate, services: Services) -> Rendering:
    """The files of a cluster. Raises CannotRun, which names the first row of the plan that its program can run."""
    from fmctl.frameworks.choice import first_row, teller
    from fmctl.targets.registry import kind

    arch = arch_of(made, services)
    try:
        instance = services.catalogue.load_instance(made.instance)
        return kind(made.site.target).render(made, instance, teller(arch, made.recipe))
    except CannotRun as error:
        row = first_row(rows_of(document), arch, made.recipe)
        raise CannotRun(error.what, why=error.why, next=f"--row {row}" if row else _PLAN_AGAIN) from None


def arch_of(spec: ClusterSpec, services: Services) -> ModelArch | None:
    """The model, if the catalogue has it; a plan of somebody's own file can be rendered without."""
    name = str(spec.row["model"])
    try:
        return services.catalogue.load_model(name) if name in services.catalogue.model_names() else None
    except UnreadableFile:
        return None
