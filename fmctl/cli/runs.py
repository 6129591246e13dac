"""`report` and `note`: the record of a training run, brought up to date and read."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from dataclasses import dataclass
from typing import Annotated

import typer
from typer import Argument, Option

from fmctl.cli.cluster_options import AwsOptions, Where
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.run_options import NodesOptions
from fmctl.usecases import runs
from fmctl.usecases.options import Text, head_named
from fmctl.usecases.runs import Reach

_RunName = Annotated[str, Argument(metavar="RUN", help="A run; `fmctl history` lists them.", show_default=False)]
_LOG = "Its log on this machine; by default it is asked of the head node"
_QUALITY = "A figure of quality, NAME=NUMBER; again for more."


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Seen:
    """Where the job and its log are looked at."""

    log: Annotated[Text, Option("--log", metavar="FILE", help=_LOG, show_default=False)] = None
    offline: Annotated[bool, Option("--offline", help="As last brought up to date; ask nobody.")] = False


def report(
    ctx: typer.Context,
    run_name: _RunName,
    seen: Seen,
    nodes: NodesOptions,
    aws: AwsOptions,
    out: Output,
    head: Where = None,
) -> None:
    """What ran, who started it, when, from which artefacts, what it reused, what it cost, and how it held to its plan.

    Brought up to date first: job and log are asked of the cluster's head node where that answers, power and reasons of
    --prometheus. -o md and -o html write it with its curves; the page needs nothing else and nobody's network.
    """
    settings = settings_for(out)
    reach = Reach(ctx.obj, settings, aws, head_named(head, settings), nodes)
    emit(runs.report(run_name, reach, seen.log, seen.offline), out, settings)


def note(
    ctx: typer.Context,
    run_name: _RunName,
    aws: AwsOptions,
    out: Output,
    quality: Annotated[list[str] | None, Option("--quality", metavar="NAME=NUMBER", help=_QUALITY)] = None,
    text: Annotated[Text, Option("--text", metavar="TEXT", help="Words, signed and dated.", show_default=False)] = None,
) -> None:
    """Add final figures of quality, or words, to the record of a run."""
    settings = settings_for(out)
    reach = Reach(ctx.obj, settings, aws, head_named(None, settings))
    emit(runs.note(run_name, quality or (), text, reach), out, settings)
