"""`status`, `watch`, `logs`, `extend`, `teardown`, `history`: clusters that there are or were."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from typing import Annotated, Any

import typer
from typer import Argument, Option

from fmctl.base.errors import OperationFailed, UsageError
from fmctl.base.units import parse_number
from fmctl.cli.cluster_options import AwsOptions, Name, Where
from fmctl.cli.consent import Consent
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.prompts import ask_for_name, needs_yes
from fmctl.cli.streams import write_stderr, write_stdout
from fmctl.usecases.options import Text, head_named

_Names = Annotated[Text, Argument(metavar="[NAME]", help="The cluster; all that are known by default.")]


def status(ctx: typer.Context, aws: AwsOptions, out: Output, name: _Names = None) -> None:
    """What AWS has of a cluster: state, nodes, cost so far against the cap, when it ends, and the next step."""
    settings = settings_for(out)
    ports = ctx.obj.operations.ports(settings, aws.options(), None, True)  # first: AWS is asked while we import
    from fmctl.operate import controller
    from fmctl.operate.records import cluster_names, read_record

    names = (
        [name] if name is not None else [n for n in cluster_names(ports.store) if _living(read_record(ports.store, n))]
    )
    found = [controller.status(one, ports) for one in names]
    from fmctl.report.clusters import status_answer

    emit(status_answer(found, ports.clock.now(), f"AWS and {ports.store.where}"), out, settings)


def watch(ctx: typer.Context, name: Name, aws: AwsOptions, out: Output) -> None:
    """Follow a cluster: stack and resource events, nodes, the end, the money; until it is gone or Ctrl-C.

    With -o jsonl one object per line; every row says when and from where.
    """
    settings = settings_for(out)
    import json

    from fmctl.operate import controller
    from fmctl.operate.records import read_record
    from fmctl.operate.watch import Watch

    ports = ctx.obj.operations.ports(settings, aws.options(), None, True)
    record = read_record(ports.store, name)
    there = controller.status(name, ports).stack is not None  # an unknown name is said at once
    if not there and (record is None or record.state != "launching"):
        raise OperationFailed(f"there is nothing to watch: {name} is gone", next="fmctl history")
    cap = None if record is None else record.cap_usd
    seen = Watch(
        name, ports.cloud, ports.clock, usd_per_h=record.usd_per_h if record else None, cap_usd=cap,
        node_count=record.nodes if record else 0,
    )  # fmt: skip
    lines = settings.text("output") in ("json", "jsonl")

    def over(state: str) -> bool:
        nonlocal there
        there, was = state != "", there
        return was and not there

    for event in seen.events(until=over):
        if lines:
            write_stdout(json.dumps(event.as_dict(), ensure_ascii=False) + "\n")
        else:
            found = event.as_dict()
            text = f"{event.at:%H:%M:%S} {event.source:14} {found['name']:28} {event.status:20} {event.text}"
            write_stdout(text.rstrip() + "\n")


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
        from fmctl.adapters.slurm.commands import Slurm
        from fmctl.cli.jobs import job_output

        job_output(
            Slurm(ctx.obj.operations.head(settings, aws.options(), head_named(head, settings), name)), job, follow
        )
        return
    from fmctl.operate import controller

    ports = ctx.obj.operations.ports(settings, aws.options(), None, True)
    controller.status(name, ports)  # an unknown name is said at once
    for at, line in ports.cloud.log_lines(name, stream):
        write_stdout(f"{at:%Y-%m-%dT%H:%M:%SZ} {line}\n")


def extend(
    ctx: typer.Context,
    name: Name,
    hours: Annotated[str, Argument(metavar="HOURS", help="So many more.", show_default=False)],
    aws: AwsOptions,
    consent: Consent,
    out: Output,
) -> None:
    """Move a cluster's end by so many hours."""
    settings = settings_for(out)
    from fmctl.operate import controller
    from fmctl.report.clusters import extend_answer, would_extend_answer

    consent.refuse(settings)
    needs_yes(consent.yes or consent.dry_run, True)
    more = parse_number(hours.removesuffix("h"), what="HOURS")
    ports = ctx.obj.operations.ports(settings, aws.options(), None, consent.read_only)
    if consent.dry_run:
        emit(would_extend_answer(name, controller.plan_extend(name, more, ports)[0]), out, settings)
        return

    def confirm(end: Any, usd: float | None) -> bool:
        cost = "an unknown sum" if usd is None else f"${usd:,.2f}"
        write_stderr(f"{name} will end at {end:%Y-%m-%d %H:%M} UTC; {more:g} h cost at most {cost}\n")
        return consent.yes or ask_for_name(name, "extend")

    found = controller.extend(name, more, ports, confirm=confirm, break_lock=consent.break_lock)
    emit(extend_answer(found), out, settings)


def teardown(
    ctx: typer.Context,
    aws: AwsOptions,
    consent: Consent,
    out: Output,
    name: Annotated[Text, Argument(metavar="[NAME]", help="The cluster.", show_default=False)] = None,
    everything: Annotated[bool, Option("--all", help="Every cluster of the store.")] = False,
    expect: Annotated[Text, Option("--expect", metavar="N", help="Refuse where there are not N of them.")] = None,
) -> None:
    """Remove a cluster: fleet, stack, schedule; then name what still costs money.

    Lists what goes and what stays, then asks for the name. A cluster that is gone already is no error.
    """
    settings = settings_for(out)
    from fmctl.cli.runs import Reach, bring_up_to_date  # here: status and watch start without it
    from fmctl.operate.records import cluster_names, read_record
    from fmctl.operate.teardown import plan_teardown
    from fmctl.operate.teardown import teardown as torn_down
    from fmctl.report.clusters import actions_answer, teardown_answer, teardown_text

    consent.refuse(settings)
    needs_yes(consent.yes or consent.dry_run, True)
    if everything == (name is not None):
        raise UsageError("name one cluster, or say --all", next="fmctl teardown NAME")
    ports = ctx.obj.operations.ports(settings, aws.options(), None, consent.read_only)
    names = (
        [name] if name is not None else [n for n in cluster_names(ports.store) if _living(read_record(ports.store, n))]
    )
    if expect is not None and len(names) != int(parse_number(expect, what="--expect")):
        raise UsageError(f"there are {len(names)} clusters, not {expect}", next="fmctl status")
    if consent.dry_run:
        steps, _ = plan_teardown(names[0], ports, region=aws.region)
        emit(actions_answer("teardown", names[0], steps), out, settings)
        return

    reach = Reach(ctx.obj, settings, aws, head_named(None, settings))

    def torn(one: str) -> Any:
        bring_up_to_date(one, reach)

        def confirm(steps: Any, actual: Any) -> bool:
            write_stderr(teardown_text(one, steps, actual))
            return consent.yes or ask_for_name(one, "teardown")

        return torn_down(
            one, ports, confirm=confirm, region=aws.region, timeout_s=consent.timeout_s(),
            break_lock=consent.break_lock,
        )  # fmt: skip

    emit(teardown_answer([torn(one) for one in names]), out, settings)


def history(ctx: typer.Context, aws: AwsOptions, out: Output) -> None:
    """What was launched and submitted from this store: where, from which plan, by whom, how far, at what cost at most.

    `fmctl report RUN` says all that is on record of a run.
    """
    settings = settings_for(out)
    from fmctl.operate.records import read_records
    from fmctl.operate.runs import read_runs
    from fmctl.report.history import history_answer

    store = ctx.obj.operations.store(settings, aws.options())
    emit(history_answer(read_records(store), read_runs(store)), out, settings)


def _living(record: Any) -> bool:
    return record is not None and record.state != "gone"
