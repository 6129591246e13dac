"""`preflight`, `launch`, `status`, `watch`, `logs`, `extend`, `teardown`, `history`: the running cluster."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

import getpass
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from fmctl.cli.options import Output, Text
from fmctl.cli.output import emit, settings_for
from fmctl.cli.prompts import ask_for_name, needs_yes
from fmctl.cli.rendering import Wanted, asked_for, plan_document, shared_store, site_for
from fmctl.cli.streams import write_stderr, write_stdout
from fmctl.config import Settings
from fmctl.errors import CapacityUnavailable, ExitCode, OperationFailed, PermissionDenied, UsageError
from fmctl.units import parse_number

if TYPE_CHECKING:
    from fmctl.cluster.rendered import ForLaunch
    from fmctl.domain.cluster import ClusterSpec
    from fmctl.domain.hardware import Instance

_Plan = Annotated[str, Argument(metavar="PLAN", help="A saved plan, or a plan document.", show_default=False)]
_Name = Annotated[str, Argument(metavar="NAME", help="The cluster.", show_default=False)]
_Names = Annotated[Text, Argument(metavar="[NAME]", help="The cluster; all that are known by default.")]
_CAPACITY = ("offering", "addresses", "quota", "reservation", "purchase")
_RIGHTS = ("account", "permissions")


def _aws(help: str, *flags: str, metavar: str) -> Any:
    return Option(*flags, metavar=metavar, help=help, rich_help_panel="AWS", show_default=False)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Aws:
    """Which account, and where the clusters are remembered."""

    profile: Annotated[Text, _aws("AWS profile", "--profile", metavar="NAME")] = None
    region: Annotated[Text, _aws("AWS region", "--region", metavar="NAME")] = None
    store: Annotated[Text, _aws("Folder or s3://bucket/prefix", "--store", metavar="WHERE")] = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Consent:
    """What may be spent or destroyed without asking."""

    yes: Annotated[bool, Option("--yes", "-y", help="Do not ask.", rich_help_panel="Consent")] = False
    dry_run: Annotated[bool, Option("--dry-run", help="Say what would be done.", rich_help_panel="Consent")] = False
    read_only: Annotated[bool, Option("--read-only", help="Refuse to.", rich_help_panel="Consent")] = False
    timeout: Annotated[
        Text, Option("--timeout", metavar="SECONDS", help="Stop waiting.", rich_help_panel="Consent")
    ] = None
    break_lock: Annotated[bool, Option("--break-lock", help="Take another host's lock.", rich_help_panel="Consent")] = (
        False
    )


def preflight(ctx: typer.Context, plan_name: _Plan, wanted: Wanted, aws: Aws, out: Output) -> None:
    """Look at everything that a launch of PLAN relies on; spends nothing and changes nothing.

    Each check is ok, warning, fail or unknown, with the next step. Exits 4 where rights or the account are wrong, 5
    where capacity, addresses or quota are missing, 1 where anything else fails.
    """
    settings = settings_for(out)
    from fmctl.cluster.preflight import worst
    from fmctl.report.clusters import preflight_answer

    spec, instance, files, _ = _specified(ctx, plan_name, wanted, settings, aws)
    found = _checked(ctx, spec, instance, files, settings, aws)
    emit(preflight_answer(spec, found, worst(found)), out, settings)
    code = _code(found)
    if code:
        raise typer.Exit(code)


def launch(
    ctx: typer.Context,
    plan_name: _Plan,
    wanted: Wanted,
    aws: Aws,
    consent: Consent,
    out: Output,
    rehearse: Annotated[bool, Option("--rehearse", help="Against a local AWS that fmctl starts itself.")] = False,
    skip_preflight: Annotated[bool, Option("--skip-preflight", help="Launch whatever the checks say.")] = False,
) -> None:
    """Make the cluster of PLAN, or go on making it; its end is arranged in AWS before the first GPU starts.

    Shows account, region, nodes, price, cap and what stays, then asks for the cluster's name. Without a terminal it
    needs --yes and --max-hours. Whatever interrupts it, the same command goes on.
    """
    settings = settings_for(out)
    if rehearse:
        from fmctl.cli.rehearsal import rehearsed

        emit(rehearsed(ctx, plan_name, wanted, settings), out, settings)
        return
    from fmctl.cluster import controller
    from fmctl.report.clusters import actions_answer, confirmation, launch_answer

    _refuse(consent, settings)
    capped = wanted.max_hours is not None or settings.number("max_hours") is not None
    needs_yes(consent.yes or consent.dry_run, capped or consent.dry_run)
    spec, instance, files, stale = _specified(ctx, plan_name, wanted, settings, aws)
    ports = ctx.obj.operations.ports(settings, _options(aws), spec.site, consent.read_only)
    if stale:
        from fmctl.errors import StalePlan

        raise StalePlan(f"{plan_name} was changed after it was saved", next="fmctl plan MODEL --save NAME")
    steps, money = controller.plan_launch(spec, files, ports)
    if consent.dry_run:
        emit(actions_answer("launch", spec.name, steps, money), out, settings)
        return
    # A launch that goes on has been looked at: its name is taken by itself now.
    if not skip_preflight and any(step.name == "create" for step in steps):
        _stop_on_fail(_checked(ctx, spec, instance, files, settings, aws))

    def confirm(steps: Any, money: Any) -> bool:
        write_stderr(confirmation(spec.name, money, steps))
        return consent.yes or ask_for_name(spec.name, "launch")

    found = controller.launch(
        spec, files, ports, confirm=confirm, timeout_s=_seconds(consent.timeout), break_lock=consent.break_lock
    )
    emit(launch_answer(found), out, settings)


def status(ctx: typer.Context, aws: Aws, out: Output, name: _Names = None) -> None:
    """What AWS has of a cluster: state, nodes, cost so far against the cap, when it ends, and the next step."""
    settings = settings_for(out)
    from fmctl.cluster import controller
    from fmctl.cluster.records import cluster_names, read_record

    ports = ctx.obj.operations.ports(settings, _options(aws), None, True)
    names = (
        [name] if name is not None else [n for n in cluster_names(ports.store) if _living(read_record(ports.store, n))]
    )
    found = [controller.status(one, ports) for one in names]
    from fmctl.report.clusters import status_answer  # after the question: AWS is asked the sooner

    emit(status_answer(found, ports.clock.now(), f"AWS and {ports.store.where}"), out, settings)


def watch(ctx: typer.Context, name: _Name, aws: Aws, out: Output) -> None:
    """Follow a cluster: stack and resource events, nodes, the end, the money; until it is gone or Ctrl-C.

    With -o jsonl one object per line; every row says when and from where.
    """
    settings = settings_for(out)
    import json

    from fmctl.cluster import controller
    from fmctl.cluster.records import read_record
    from fmctl.cluster.watch import Watch

    ports = ctx.obj.operations.ports(settings, _options(aws), None, True)
    record = read_record(ports.store, name)
    there = controller.status(name, ports).stack is not None  # an unknown name is said at once
    if not there and (record is None or record.state != "launching"):
        raise OperationFailed(f"there is nothing to watch: {name} is gone", next="fmctl history")
    cap = None if record is None or record.usd_per_h is None else record.usd_per_h * record.max_hours
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
    name: _Name,
    aws: Aws,
    out: Output,
    stream: Annotated[str, Argument(metavar="[STREAM]", help="Streams whose name holds this.")] = "cfn-init",
) -> None:
    """Lines of the cluster's CloudWatch streams: cfn-init, slurmctld, clustermgtd, bootstrap_error, ..."""
    settings = settings_for(out)
    from fmctl.cluster import controller

    ports = ctx.obj.operations.ports(settings, _options(aws), None, True)
    controller.status(name, ports)  # an unknown name is said at once
    for at, line in ports.cloud.log_lines(name, stream):
        write_stdout(f"{at:%Y-%m-%dT%H:%M:%SZ} {line}\n")


def extend(
    ctx: typer.Context,
    name: _Name,
    hours: Annotated[str, Argument(metavar="HOURS", help="So many more.", show_default=False)],
    aws: Aws,
    consent: Consent,
    out: Output,
) -> None:
    """Move a cluster's end by so many hours."""
    settings = settings_for(out)
    from fmctl.cluster import controller
    from fmctl.cluster.actions import Action
    from fmctl.report.clusters import actions_answer

    _refuse(consent, settings)
    needs_yes(consent.yes or consent.dry_run, True)
    more = parse_number(hours.removesuffix("h"), what="HOURS")
    ports = ctx.obj.operations.ports(settings, _options(aws), None, consent.read_only)

    def confirm(end: Any, usd: float | None) -> bool:
        cost = "an unknown sum" if usd is None else f"${usd:,.2f}"
        write_stderr(f"{name} will end at {end:%Y-%m-%d %H:%M} UTC; {more:g} h cost at most {cost}\n")
        return consent.yes or ask_for_name(name, "extend")

    record = controller.extend(name, more, ports, confirm=confirm, break_lock=consent.break_lock)
    said = Action("extend", f"{name} ends at {record.end:%Y-%m-%d %H:%M} UTC")
    emit(actions_answer("launch", name, (said,)), out, settings)


def teardown(
    ctx: typer.Context,
    aws: Aws,
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
    from fmctl.cluster.records import cluster_names, read_record
    from fmctl.cluster.teardown import plan_teardown
    from fmctl.cluster.teardown import teardown as torn_down
    from fmctl.report.clusters import actions_answer, teardown_answer, teardown_text

    _refuse(consent, settings)
    needs_yes(consent.yes or consent.dry_run, True)
    if everything == (name is not None):
        raise UsageError("name one cluster, or say --all", next="fmctl teardown NAME")
    ports = ctx.obj.operations.ports(settings, _options(aws), None, consent.read_only)
    names = (
        [name] if name is not None else [n for n in cluster_names(ports.store) if _living(read_record(ports.store, n))]
    )
    if expect is not None and len(names) != int(parse_number(expect, what="--expect")):
        raise UsageError(f"there are {len(names)} clusters, not {expect}", next="fmctl status")
    if consent.dry_run:
        steps, _ = plan_teardown(names[0], ports, region=aws.region)
        emit(actions_answer("teardown", names[0], steps), out, settings)
        return

    def torn(one: str) -> Any:
        def confirm(steps: Any, actual: Any) -> bool:
            write_stderr(teardown_text(one, steps, actual))
            return consent.yes or ask_for_name(one, "teardown")

        return torn_down(
            one, ports, confirm=confirm, region=aws.region, timeout_s=_seconds(consent.timeout),
            break_lock=consent.break_lock,
        )  # fmt: skip

    emit(teardown_answer([torn(one) for one in names]), out, settings)


def history(ctx: typer.Context, aws: Aws, out: Output) -> None:
    """What was launched from this store: where, from which plan and configuration, by whom, at what cost at most."""
    settings = settings_for(out)
    from fmctl.cluster.records import cluster_names, read_record
    from fmctl.report.clusters import history_answer

    store = ctx.obj.operations.store(settings, _options(aws))
    found = [record for name in cluster_names(store) if (record := read_record(store, name)) is not None]
    emit(history_answer(sorted(found, key=lambda record: record.began, reverse=True)), out, settings)


# --- shared -----------------------------------------------------------------------------------------------------------


def _specified(
    ctx: typer.Context, plan_name: str, wanted: Wanted, settings: Settings, aws: Aws
) -> "tuple[ClusterSpec, Instance, ForLaunch, bool]":
    """The cluster, its hardware, what is rendered for it, and whether the plan was changed since it was saved."""
    from fmctl.cli.rendering import _arch
    from fmctl.cluster.render import render, spec
    from fmctl.cluster.rendered import for_launch

    document, notes = plan_document(plan_name, shared_store(settings, ctx.obj, aws.store))
    asked = replace(asked_for(wanted, settings), created_by=_operator())
    made = spec(document, site_for(wanted, settings), asked, plan_name.rpartition("/")[2].removesuffix(".json"))
    instance = ctx.obj.catalogue.load_instance(made.instance)
    return made, instance, for_launch(render(made, instance, _arch(made, ctx.obj))), bool(notes)


def _checked(ctx: typer.Context, spec: Any, instance: Any, files: Any, settings: Settings, aws: Aws) -> Any:
    from fmctl.cluster.preflight import Today
    from fmctl.cluster.preflight import preflight as look

    operations = ctx.obj.operations
    survey = operations.survey(settings, _options(aws), spec.site)
    now = ctx.obj.now()
    price = ctx.obj.catalogue.find_price(
        spec.instance, spec.site.region, str(spec.row["cost"].get("price_option") or "on-demand"), now.date()
    )
    each = price.usd_per_h
    today = Today(now, None if each is None else each * spec.nodes, None)
    try:
        validators = operations.pcluster(settings, spec.site.pcluster_version)
    except OperationFailed:
        validators = None
    return look(spec, instance, survey, today, files.config, validators)


def _code(found: Any) -> int:
    failed = [check.name for check in found if check.state == "fail"]
    if not failed:
        return ExitCode.OK
    if any(name in _RIGHTS for name in failed):
        return ExitCode.PERMISSION
    return ExitCode.CAPACITY if any(name in _CAPACITY for name in failed) else ExitCode.FAILED


def _stop_on_fail(found: Any) -> None:
    failed = [check for check in found if check.state == "fail"]
    if not failed:
        return
    what = f"{len(failed)} of {len(found)} checks fail"
    why = "; ".join(f"{check.name}: {check.found}" for check in failed)
    code = _code(found)
    kind = {ExitCode.PERMISSION: PermissionDenied, ExitCode.CAPACITY: CapacityUnavailable}.get(
        ExitCode(code), OperationFailed
    )
    raise kind(what, why=why, next=failed[0].next or "fmctl preflight")


def _refuse(consent: Consent, settings: Settings) -> None:
    if (consent.read_only or settings.switch("read_only")) and not consent.dry_run:
        raise PermissionDenied("nothing is spent or destroyed under read-only", next="without --read-only")


def _options(aws: Aws) -> dict[str, str | None]:
    return {"profile": aws.profile, "region": aws.region, "store": aws.store}


def _seconds(text: str | None) -> float | None:
    return None if text is None else parse_number(text.removesuffix("s"), what="--timeout")


def _living(record: Any) -> bool:
    return record is not None and record.state != "gone"


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
