"""`progress`: what a job's log tells, held against the plan that it runs."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from fmctl.base.errors import UsageError
from fmctl.base.files import write_atomic
from fmctl.cli.cluster_options import AwsOptions, Where
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.run_options import NodesOptions, RunOptions
from fmctl.cli.streams import tell
from fmctl.usecases import following
from fmctl.usecases.following import measured_csv
from fmctl.usecases.options import Text

_Plan = Annotated[str, Argument(metavar="PLAN", help="A saved plan, or a plan document.", show_default=False)]
_MEASURED = "Write the run as a row of measured runs (CSV), for `calibrate --data`"
_FOLLOW = "Until the run is over: redrawn on a terminal, else one JSON document per change"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Told:
    """What is done with it."""

    measured: Annotated[
        Text, Option("--measured", metavar="FILE", help=_MEASURED, rich_help_panel="Run", show_default=False)
    ] = None
    follow: Annotated[bool, Option("--follow", "-f", help=_FOLLOW, rich_help_panel="Run")] = False


def progress(
    ctx: typer.Context,
    plan_name: _Plan,
    run: RunOptions,
    told: Told,
    nodes: NodesOptions,
    aws: AwsOptions,
    out: Output,
    head: Where = None,
) -> None:
    """Steps, rate, memory, stalls, restarts and finish of a running job, each beside what its plan predicted.

    Reads Megatron, torchtitan, nanotron and DeepSpeed logs, and lines of JSON. Outside the predicted interval it names
    the likeliest reasons, the values they rest on, and what to try; --prometheus adds what metrics of the nodes show.
    """
    settings = settings_for(out)
    if told.follow and (out.out, out.query, out.fields) != (None, None, None):
        raise UsageError("--follow goes to stdout as it is", why="-O, --query or --fields was given", next="-o jsonl")
    found = following.follow(plan_name, run, nodes, aws, head, (ctx.obj, settings))
    if told.follow:
        from fmctl.cli.live import live

        live(found, out, settings)
    else:
        found.read()
        found.finish()
        found.measured = found.beside.measure(found.summary.progress())
        emit(found.answer(), out, settings)
    if told.measured is not None:
        write_atomic(Path(told.measured).expanduser(), measured_csv(found, plan_name, ctx.obj))
        tell(f"wrote the run to {told.measured}: fmctl calibrate --data {told.measured}")
