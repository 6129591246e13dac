"""`status`, `watch`, `logs`, `extend`, `teardown`, `history`: clusters that there are or were."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from datetime import datetime
from typing import Annotated

import typer
from typer import Argument, Option

from fmctl.base.errors import UsageError
from fmctl.base.printing import json_text, printable
from fmctl.cli.cluster_options import AwsOptions, ConsentOptions, Name, Where
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.prompts import ask_for_name, needs_yes
from fmctl.cli.streams import tell, write_stderr, write_stdout
from fmctl.usecases import clusters
from fmctl.usecases.options import Text, head_named
from fmctl.usecases.places import Places

_Names = Annotated[Text, Argument(metavar="[NAME]", help="The cluster; all that are known by default.")]


def status(ctx: typer.Context, aws: AwsOptions, out: Output, name: _Names = None) -> None:
    """What AWS has of a cluster: state, nodes, cost so far against the cap, when it ends, and the next step."""
    settings = settings_for(out, whatever_stands_here=True)
    emit(clusters.status(name, Places(ctx.obj, settings, aws)), out, settings)


def watch(ctx: typer.Context, name: Name, aws: AwsOptions, out: Output) -> None:
    """Follow a cluster: stack and resource events, nodes, the end, the money; until it is gone or Ctrl-C.

    With -o jsonl one object per line; every row says when and from where.
    """
    settings = settings_for(out)
    ports = Places(ctx.obj, settings, aws).of(name)
    there = clusters.check_there(name, ports)
    lines = settings.text("output") in ("json", "jsonl")
    for event in clusters.events(name, ports, there):
        if lines:
            write_stdout(json_text(event.as_dict()) + "\n")
        else:
            found = event.as_dict()
            text = f"{event.at:%H:%M:%S} {event.source:14} {found['name']:28} {event.status:20} {event.text}"
            write_stdout(printable(text).rstrip() + "\n")


def logs(
    ctx: typer.Context,
    name: Name,
    aws: AwsOptions,
    out: Output,
    stream: Annotated[str, Argument(metavar="[STREAM]", help="Streams whose name holds this.")] = "cfn-init",
    job: Annotated[Text, Option("--job", metavar="JOB", help="Output of a job.", show_default=False)] = None,
    follow: Annotated[bool, Option("--follow", "-f", help="Until the job is over.")] = False,
    head: Where = None,
) -> None:
    """Lines of the cluster's CloudWatch streams (cfn-init, slurmctld, clustermgtd, ...), or the output of a job."""
    settings = settings_for(out)
    if job is not None:
        from fmctl.usecases.jobs import output, slurm_of

        for text in output(slurm_of(name, head, aws, (ctx.obj, settings)), job, follow):
            write_stdout(text)
        return
    ports = Places(ctx.obj, settings, aws).of(name)
    for at, line in clusters.log_lines(name, stream, ports):
        write_stdout(f"{at:%Y-%m-%dT%H:%M:%SZ} {printable(line)}\n")


def extend(
    ctx: typer.Context,
    name: Name,
    hours: Annotated[str, Argument(metavar="HOURS", help="So many more.", show_default=False)],
    aws: AwsOptions,
    consent: ConsentOptions,
    out: Output,
) -> None:
    """Move a cluster's end by so many hours."""
    settings = settings_for(out)
    consent.refuse(settings)
    needs_yes(consent.yes or consent.dry_run, True)
    ports = Places(ctx.obj, settings, aws, consent.read_only).of(name)

    def confirm(end: datetime, usd: float | None, more: float) -> bool:
        cost = "an unknown sum" if usd is None else f"${usd:,.2f}"
        write_stderr(f"{name} will end at {end:%Y-%m-%d %H:%M} UTC; {more:g} h cost at most {cost}\n")
        return consent.yes or ask_for_name(name, "extend")

    emit(clusters.extend(name, hours, ports, consent, confirm), out, settings)


def teardown(
    ctx: typer.Context,
    aws: AwsOptions,
    consent: ConsentOptions,
    out: Output,
    name: Annotated[Text, Argument(metavar="[NAME]", help="The cluster.", show_default=False)] = None,
    everything: Annotated[bool, Option("--all", help="Every cluster of the store.")] = False,
    expect: Annotated[Text, Option("--expect", metavar="N", help="Refuse where there are not N of them.")] = None,
) -> None:
    """Remove a cluster: fleet, stack, schedule; then name what still costs money.

    Lists what goes and what stays, then asks for the name. A cluster that is gone already is no error.
    """
    settings = settings_for(out, whatever_stands_here=True)
    consent.refuse(settings)
    needs_yes(consent.yes or consent.dry_run, True)
    if everything == (name is not None):
        raise UsageError("name one cluster, or say --all", next="fmctl teardown NAME")
    places = Places(ctx.obj, settings, aws, consent.read_only)
    from fmctl.usecases.runs import Reach, bring_up_to_date  # here: status and watch start without it

    reach = Reach(ctx.obj, settings, aws, head_named(None, settings))

    def confirm(name: str, text: str) -> bool:
        write_stderr(text)
        return consent.yes or ask_for_name(name, "teardown")

    removal = clusters.Removal(name, expect, aws.region)
    answer, error = clusters.teardown(removal, places, consent, confirm, lambda one: bring_up_to_date(one, reach, tell))
    emit(answer, out, settings)
    if error is not None:  # what went wrong with which stands in the table
        raise typer.Exit(int(error.exit_code))


def history(ctx: typer.Context, aws: AwsOptions, out: Output) -> None:
    """What was launched and submitted from this store: where, from which plan, by whom, how far, at what cost at most.

    `fmctl report RUN` says all that is on record of a run.
    """
    settings = settings_for(out)
    emit(clusters.history(ctx.obj.operations.store(settings, aws.options()), ctx.obj.now()), out, settings)
