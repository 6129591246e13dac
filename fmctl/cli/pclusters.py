"""`pcluster`: the environments that have AWS ParallelCluster."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from typing import Annotated

import typer
from typer import Option

from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.streams import stderr_is_terminal, tell
from fmctl.domain.cluster import PCLUSTER_VERSION
from fmctl.report.lab import pcluster_answer
from fmctl.usecases.options import Text

_Version = Annotated[
    Text, Option("--version", metavar="X.Y.Z", help=f"Version ({PCLUSTER_VERSION}).", show_default=False)
]


def pcluster_install(ctx: typer.Context, out: Output, version: _Version = None) -> None:
    """Install AWS ParallelCluster into an environment of its own, one per version; with node.js where there is none.

    A cluster is updated and deleted by the version that made it. Takes about a minute and 330 MB.
    """
    settings = settings_for(out)

    def say(text: str) -> None:
        if not out.quiet and stderr_is_terminal():
            tell(text)

    emit(pcluster_answer([ctx.obj.pclusters.install(version, say)], PCLUSTER_VERSION), out, settings)


def pcluster_status(ctx: typer.Context, out: Output) -> None:
    """Which versions of AWS ParallelCluster there are, where, and whether their node.js will do."""
    settings = settings_for(out)
    emit(
        pcluster_answer(ctx.obj.pclusters.environments(settings.text("pcluster_python")), PCLUSTER_VERSION),
        out,
        settings,
    )
