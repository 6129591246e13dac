"""`submit`, `jobs`, `cancel`, and `logs --job`: Slurm on a cluster's head node."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from dataclasses import dataclass
from typing import Annotated

import typer
from typer import Argument, Option

from fmctl.base.units import parse_count
from fmctl.cli.cluster_options import AwsOptions, ConsentOptions, Name, WantedOptions, Where
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.prompts import ask_for_name, needs_yes
from fmctl.cli.streams import write_stderr
from fmctl.usecases import jobs as cases
from fmctl.usecases.jobs import Placed, slurm_of
from fmctl.usecases.options import Text

_Job = Annotated[str, Argument(metavar="JOB", help="Slurm's number of the job.", show_default=False)]
_Plan = Annotated[str, Argument(metavar="PLAN", help="A saved plan, or a plan document.", show_default=False)]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Place:
    """Where a job lies, and what it is told beside its plan."""

    folder: Annotated[
        Text, Option("--folder", metavar="DIR", help="Where the job lies; on the file system.", show_default=False)
    ] = None
    given: Annotated[
        list[str] | None,
        Option("--set", metavar="NAME=VALUE", help="A variable of job.env: image, data, program; again for more."),
    ] = None


def submit(
    ctx: typer.Context,
    plan_name: _Plan,
    wanted: WantedOptions,
    aws: AwsOptions,
    consent: ConsentOptions,
    out: Output,
    placed: Place,
    head: Where = None,
) -> None:
    """Hand the plan's job to the Slurm of its cluster, once: a second call finds the one that waits or runs.

    Nodes that come with a job start now, within the cluster's cap and until its end.
    """
    settings = settings_for(out)
    consent.refuse(settings)
    given = Placed(placed.folder, placed.given or (), head, consent.dry_run, consent.break_lock)
    emit(cases.submit(plan_name, wanted, aws, given, (ctx.obj, settings)), out, settings)


def jobs(
    ctx: typer.Context,
    aws: AwsOptions,
    out: Output,
    name: Annotated[Text, Argument(metavar="[NAME]", help="The cluster; none with --head local.")] = None,
    head: Where = None,
) -> None:
    """Jobs of a cluster: what each does or why it waits, nodes that are out, and what to do about it."""
    settings = settings_for(out)
    emit(cases.jobs(name, slurm_of(name, head, aws, (ctx.obj, settings)), ctx.obj), out, settings)


def cancel(
    ctx: typer.Context, name: Name, job: _Job, aws: AwsOptions, consent: ConsentOptions, out: Output, head: Where = None
) -> None:
    """End a job: what it did since its last checkpoint is lost. One that is over is no error."""
    settings = settings_for(out, whatever_stands_here=True)
    consent.refuse(settings)
    number = parse_count(job, what="JOB")
    needs_yes(consent.yes or consent.dry_run, True)

    def confirm(name: str, text: str) -> bool:
        write_stderr(text)
        return consent.yes or ask_for_name(name, "cancel")

    slurm = slurm_of(name, head, aws, (ctx.obj, settings))
    emit(cases.cancel(name, number, slurm, consent.dry_run, confirm), out, settings)
