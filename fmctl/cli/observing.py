"""`observe render`: a plan's row as Prometheus rules, alerts and scrape jobs, and a Grafana dashboard."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from typer import Argument, Option

from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError, UsageError, shorten
from fmctl.base.files import write_atomic
from fmctl.base.units import parse_count, parse_list, parse_usd
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for, warn
from fmctl.cli.rendering import plan_document, shared_store
from fmctl.cli.streams import write_stderr, write_stdout
from fmctl.usecases.options import Watched
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.observe.watched import Settings as Watching

_MOST_RANK = 10_000
_PlanName = Annotated[
    str, Argument(metavar="PLAN", help="A saved plan, or a plan document in a JSON file.", show_default=False)
]


def _option(help: str, *flags: str, metavar: str) -> Any:
    return Option(*flags, metavar=metavar, help=help, rich_help_panel="Cluster", show_default=False)


_HOSTS = "Compute nodes by Slurm's names, with commas; without it nodes.json and head.json say who there is"
_ENDS = "When the capacity is taken away, with a time zone; the plan's last Capacity Block unless said"


WatchedOptions: TypeAlias = Annotated[
    Watched,
    {
        "rank": _option("Row of the plan (1)", "--rank", metavar="N"),
        "cluster_name": _option("Name, the plan's unless said", "--cluster-name", metavar="NAME"),
        "run": _option("Label `run` of the job's metrics; any unless said", "--run", metavar="NAME"),
        "cap": _option("USD that may be spent", "--cap", metavar="USD"),
        "hosts": _option(_HOSTS, "--hosts", metavar="HOSTS"),
        "head": _option("Head node, for Slurm's metrics", "--head", metavar="HOST"),
        "ends": _option(_ENDS, "--ends", metavar="TIME"),
    },
]


def observe_render(ctx: typer.Context, plan_name: _PlanName, wanted: WatchedOptions, out: Output) -> None:
    """Prometheus rules, alerts, scrape jobs and a Grafana dashboard for a saved plan's cluster; nothing is contacted.

    With -O FOLDER: the files there, each whole or not at all; otherwise all on stdout. The plan's step time, interval,
    price and checkpoint interval are the alerts' thresholds and the dashboard's dashed lines.
    """
    settings = settings_for(out)
    if out.out is not None and not out.out.strip():
        raise UsageError("--out needs a folder", why="it is empty", next="-O ./observe")
    rank = 1 if wanted.rank is None else parse_count(wanted.rank, what="--rank")
    if rank > _MOST_RANK:
        raise UsageError(f"--rank {shorten(str(rank))} is too large", why=f"the most is {_MOST_RANK:,}")
    document, notes = plan_document(plan_name, shared_store(settings, ctx.obj))
    from fmctl.observe.render import rendered
    from fmctl.observe.scrape import Targets
    from fmctl.observe.watched import watched
    from fmctl.report.observing import observe_answer
    from fmctl.targets.parallelcluster.spec import cluster_name, row_of, rows_of
    from fmctl.targets.parallelcluster.spec import plan_name as named

    row = row_of(rows_of(document), rank)
    plan = named(document, Path(plan_name).stem)
    cluster = cluster_name(plan) if wanted.cluster_name is None else wanted.cluster_name
    hosts = () if wanted.hosts is None else tuple(parse_list(wanted.hosts, what="--hosts"))
    seen = watched(row, cluster, _watching(wanted, row, ctx.obj))
    files = rendered(seen, Targets(hosts, wanted.head))
    answer = observe_answer(files, seen, plan, rank, notes)
    if out.out is not None:
        _write(files, out)
    if _as_files(out, settings):
        if out.out is None:
            from fmctl.report.renders import file_text

            write_stdout(file_text(files))
        warn(answer.warnings, out)
    else:
        emit(answer, Output(out.output, out.json, out.query, out.fields, None, out.no_color, out.quiet), settings)


def _watching(wanted: Watched, row: Any, services: Services) -> "Watching":
    from fmctl.observe.watched import Settings as Watching

    return Watching(
        run=wanted.run,
        cap_usd=None if wanted.cap is None else parse_usd(wanted.cap, what="--cap"),
        efa_devices=_efa_devices(str(row.get("instance")), services),
        capacity_end=None if wanted.ends is None else _moment(wanted.ends),
    )


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(
            f"--ends '{shorten(text)}' is not a time with its zone", next="--ends 2027-03-01T11:30:00+00:00"
        )
    return found


def _efa_devices(instance: str, services: Services) -> int | None:
    """Of a node, by the catalogue; None for a type it does not have, and for UltraServers, whose nodes are parts."""
    if instance.startswith("u-"):
        return None
    try:
        return int(services.catalogue.load_instance(instance).efa_interfaces)
    except FmctlError:
        return None


def _as_files(out: Output, settings: Settings) -> bool:
    """Whether the files themselves are the answer, and no document around them."""
    return settings.text("output") == "table" and out.query is None and out.fields is None


def _write(files: dict[str, str], out: Output) -> None:
    folder = str(out.out)
    for name, text in files.items():
        write_atomic(Path(folder) / name, text, parents=True)
    if not out.quiet:
        write_stderr(f"fmctl: wrote {', '.join(files)} to {shorten(folder)}\n")
