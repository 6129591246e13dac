"""`render`: a plan as ParallelCluster configuration and Slurm job."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument

from fmctl.base.config import Settings
from fmctl.base.errors import CannotRun, UnknownName, UnreadableFile, UsageError, shorten
from fmctl.base.files import write_atomic
from fmctl.base.units import parse_count, parse_number
from fmctl.cli.cluster_options import WantedOptions
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for, warn
from fmctl.cli.streams import write_stderr, write_stdout
from fmctl.operate import store
from fmctl.operate.state.plans import load_plan, plan_names
from fmctl.usecases.choices import CAPACITIES
from fmctl.usecases.options import Wanted
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.cluster import ClusterSpec, Site
    from fmctl.domain.model import ModelArch
    from fmctl.operate.state import StateStore
    from fmctl.targets.parallelcluster.rendering import Rendering
    from fmctl.targets.parallelcluster.spec import Asked

_MOST_RANK = 10_000
_MOST_MINUTES = 24 * 60
_PLAN_AGAIN = "no row of this plan can be run: plan again, with --recompute full or another --framework"
_PlanName = Annotated[
    str, Argument(metavar="PLAN", help="A saved plan, or a plan document in a JSON file.", show_default=False)
]


def render(ctx: typer.Context, plan_name: _PlanName, wanted: WantedOptions, out: Output) -> None:
    """The ParallelCluster configuration, the Slurm job and its environment for a saved plan; nothing is launched.

    With -O FOLDER: cluster.yaml, job.sbatch, job.env and the framework's own file there, each whole or not at all;
    otherwise all on stdout.
    """
    settings = settings_for(out)
    if out.out is not None and not out.out.strip():
        raise UsageError("--out needs a folder", why="it is empty", next="-O ./cluster")
    asked = asked_for(wanted, settings)
    document, notes = plan_document(plan_name, shared_store(settings, ctx.obj))
    from fmctl.report.renders import render_answer
    from fmctl.targets.parallelcluster.spec import spec

    made = spec(document, site_for(wanted, settings), asked, Path(plan_name).stem)
    rendering = rendering_of(made, document, ctx.obj)
    answer = render_answer(rendering, made, asked.rank, notes)
    if out.out is not None:
        _write(rendering, made, out)
    if _as_files(out, settings):
        if out.out is None:
            from fmctl.report.renders import file_text

            write_stdout(file_text(rendering.files))
        warn(answer.warnings, out)
    else:
        emit(answer, _to_stdout(out), settings)


def asked_for(wanted: Wanted, settings: Settings) -> "Asked":
    """The options as values. Raises UsageError, UnknownName."""
    from fmctl.targets.parallelcluster.spec import IDLE_MINUTES, Asked

    if wanted.capacity is not None and wanted.capacity not in CAPACITIES:
        raise UnknownName("purchase option", wanted.capacity, CAPACITIES, next=f"--purchase {' | '.join(CAPACITIES)}")
    hours = settings.number("max_hours")
    if wanted.max_hours is not None:
        hours = parse_number(wanted.max_hours, what="--max-hours")
    minutes = IDLE_MINUTES if wanted.idle_minutes is None else parse_count(wanted.idle_minutes, what="--idle-minutes")
    rank = 1 if wanted.rank is None else parse_count(wanted.rank, what="--rank")
    for what, value, most in (("--idle-minutes", minutes, _MOST_MINUTES), ("--rank", rank, _MOST_RANK)):
        if value > most:
            raise UsageError(f"{what} {shorten(str(value))} is too large", why=f"the most is {most:,}")
    return Asked(
        rank=rank,
        cluster=wanted.cluster_name,
        purchase=wanted.capacity,
        reservation=wanted.reservation,
        max_hours=hours,
        idle_minutes=minutes,
        static=wanted.static,
        efa=not wanted.no_efa,
        recipe=wanted.recipe or "",
    )


def site_for(wanted: Wanted, settings: Settings) -> "Site":
    """The site that the option or the setting names. Raises UsageError where neither does."""
    path = settings.text("site") if wanted.site is None else wanted.site
    if path is None:
        raise UsageError(
            "it is not said where the cluster goes",
            why="no site was named; its file holds region, subnets and file system",
            next="--site site.yaml (its fields: fmctl schema site)",
        )
    from fmctl.documents.site import read_site

    return read_site(path)


def shared_store(settings: Settings, services: Services, where: str | None = None) -> "StateStore | None":
    """The store that an option or the setting names, which has plans too; None for the user's own data folder."""
    if where is None and settings.text("store") is None:
        return None
    return services.operations.store(settings, {"store": where})


def plan_document(name: str, shared: "StateStore | None" = None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The plan of that name or in that file, with what is wrong about it that does not stop anybody.

    Args:
        name: of a plan, or a path ending in .json.
        shared: looked in first; None for the user's own plans alone.

    Raises:
        UnknownName: neither.
        UnreadableFile: it is damaged.
    """
    if shared is not None and name in plan_names(shared):
        document = load_plan(shared, name)
    elif name in store.plan_names():
        document = store.load(name)
    elif name.endswith(".json"):
        document = store.read_document(Path(name).expanduser())
    else:
        raise UnknownName("plan", name, store.plan_names(), next="fmctl plan MODEL --save NAME")
    if _intact(document):
        return document, ()
    return document, (f"{shorten(name)} was changed after it was saved",)


def _intact(document: Mapping[str, Any]) -> bool:
    return document.get("schema") != "fmctl.plan/1" or store.intact(document)


def rendering_of(made: "ClusterSpec", document: Mapping[str, Any], services: Services) -> "Rendering":
    """The files of a cluster. Raises CannotRun, which names the first row of the plan that its program can run."""
    from fmctl.frameworks.choice import first_rank
    from fmctl.targets.parallelcluster.rendering import render
    from fmctl.targets.parallelcluster.spec import rows_of

    arch = arch_of(made, services)
    try:
        return render(made, services.catalogue.load_instance(made.instance), arch)
    except CannotRun as error:
        rank = first_rank(rows_of(document), arch, made.recipe)
        raise CannotRun(error.what, why=error.why, next=f"--rank {rank}" if rank else _PLAN_AGAIN) from None


def arch_of(spec: "ClusterSpec", services: Services) -> "ModelArch | None":
    """The model, if the catalogue has it; a plan of somebody's own file can be rendered without."""
    name = str(spec.row["model"])
    try:
        return services.catalogue.load_model(name) if name in services.catalogue.model_names() else None
    except UnreadableFile:
        return None


def _as_files(out: Output, settings: Settings) -> bool:
    """Whether the files themselves are the answer, and no document around them."""
    return settings.text("output") == "table" and out.query is None and out.fields is None


def _to_stdout(out: Output) -> Output:
    return Output(out.output, out.json, out.query, out.fields, None, out.no_color, out.quiet)


def _write(rendering: "Rendering", spec: "ClusterSpec", out: Output) -> None:
    from fmctl.report.renders import written_line

    folder = str(out.out)
    for name, text in rendering.files.items():
        write_atomic(Path(folder) / name, text, parents=True)
    if not out.quiet:
        write_stderr(f"fmctl: {written_line(rendering, spec, shorten(folder))}\n")
