"""`render`: a plan as ParallelCluster configuration and Slurm job."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument

from fmctl.base.errors import UsageError, shorten
from fmctl.base.files import write_atomic
from fmctl.cli.cluster_options import WantedOptions
from fmctl.cli.options import Output
from fmctl.cli.output import emit_files, settings_for
from fmctl.cli.streams import tell
from fmctl.usecases import rendering

if TYPE_CHECKING:
    from fmctl.domain.cluster import ClusterSpec
    from fmctl.targets.rendering import Rendering

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
    found = rendering.render(plan_name, wanted, settings, ctx.obj)
    if out.out is not None:
        _write(found.rendering, found.spec, out)
    emit_files(found.rendering.files, found.answer, out, settings)


def _write(rendering: "Rendering", spec: "ClusterSpec", out: Output) -> None:
    from fmctl.report.renders import written_line

    folder = str(out.out)
    for name, text in rendering.files.items():
        write_atomic(Path(folder) / name, text, parents=True)
    if not out.quiet:
        tell(written_line(rendering, spec, shorten(folder)))
