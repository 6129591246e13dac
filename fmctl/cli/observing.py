"""`observe render`: a plan's row as Prometheus rules, alerts and scrape jobs, and a Grafana dashboard."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from typer import Argument

from fmctl.base.errors import UsageError, shorten
from fmctl.base.files import write_atomic
from fmctl.cli.options import Output, row_option
from fmctl.cli.output import emit_files, settings_for
from fmctl.cli.panels import under
from fmctl.cli.streams import tell
from fmctl.usecases import observing
from fmctl.usecases.options import Watched

if TYPE_CHECKING:
    from typer.models import OptionInfo

_PlanName = Annotated[
    str, Argument(metavar="PLAN", help="A saved plan, or a plan document in a JSON file.", show_default=False)
]


def _option(help: str, *flags: str, metavar: str) -> "OptionInfo":
    return under("Cluster", help, *flags, metavar=metavar)


_HOSTS = "Compute nodes by Slurm's names, with commas; without it nodes.json and head.json say who there is"
_ENDS = "When the capacity is taken away, with a time zone; the plan's last Capacity Block unless said"


WatchedOptions: TypeAlias = Annotated[
    Watched,
    {
        "row": row_option("Cluster"),
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
    files, answer = observing.render(plan_name, wanted, settings, ctx.obj)
    if out.out is not None:
        _write(files, out)
    emit_files(files, answer, out, settings)


def _write(files: dict[str, str], out: Output) -> None:
    folder = str(out.out)
    for name, text in files.items():
        write_atomic(Path(folder) / name, text, parents=True, shared=True)
    if not out.quiet:
        tell(f"wrote {', '.join(files)} to {shorten(folder)}")
