"""`preflight` and `launch`: from a plan to a cluster."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from fmctl.base.config import Settings
from fmctl.base.errors import CapacityUnavailable, ExitCode, OperationFailed, PermissionDenied
from fmctl.cli.cluster_options import AwsOptions, WantedOptions
from fmctl.cli.consent import Consent
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.prompts import ask_for_name, needs_yes
from fmctl.cli.rendering import asked_for, plan_document, rendering_of, shared_store, site_for
from fmctl.cli.streams import write_stderr
from fmctl.usecases.operator import operator
from fmctl.usecases.options import Aws, Wanted
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fmctl.domain.cluster import ClusterSpec
    from fmctl.domain.hardware import Instance
    from fmctl.operate.checks import Check
    from fmctl.operate.rendered import ForLaunch

_Plan = Annotated[str, Argument(metavar="PLAN", help="A saved plan, or a plan document.", show_default=False)]
_CAPACITY = ("offering", "addresses", "quota", "reservation", "purchase")
_RIGHTS = ("account", "permissions")


def preflight(ctx: typer.Context, plan_name: _Plan, wanted: WantedOptions, aws: AwsOptions, out: Output) -> None:
    """Look at everything that a launch of PLAN relies on; spends nothing and changes nothing.

    Each check is ok, warning, fail or unknown, with the next step. Exits 4 where rights or the account are wrong, 5
    where capacity, addresses or quota are missing, 1 where anything else fails.
    """
    settings = settings_for(out)
    from fmctl.operate.preflight import worst
    from fmctl.report.clusters import preflight_answer

    spec, instance, files, _ = specified(ctx.obj, plan_name, wanted, settings, aws)
    found = tuple(checked(ctx.obj, spec, instance, files, settings, aws))
    emit(preflight_answer(spec, found, worst(found)), out, settings)
    code = _code(found)
    if code:
        raise typer.Exit(code)


def launch(
    ctx: typer.Context,
    plan_name: _Plan,
    wanted: WantedOptions,
    aws: AwsOptions,
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

        emit(rehearsed(ctx.obj, plan_name, wanted, settings), out, settings)
        return
    from fmctl.operate import controller
    from fmctl.report.clusters import actions_answer, confirmation, launch_answer

    consent.refuse(settings)
    capped = wanted.max_hours is not None or settings.number("max_hours") is not None
    needs_yes(consent.yes or consent.dry_run, capped or consent.dry_run)
    spec, instance, files, stale = specified(ctx.obj, plan_name, wanted, settings, aws)
    ports = ctx.obj.operations.ports(settings, aws.options(), spec.site, consent.read_only)
    refuse_stale(plan_name, stale)
    steps, money = controller.plan_launch(spec, files, ports)
    if consent.dry_run:
        emit(actions_answer("launch", spec.name, steps, money), out, settings)
        return
    # A launch that goes on has been looked at: its name is taken by itself now.
    if not skip_preflight and any(step.name == "create" for step in steps):
        stop_on_fail(tuple(checked(ctx.obj, spec, instance, files, settings, aws)))

    def confirm(steps: Any, money: Any) -> bool:
        write_stderr(confirmation(spec.name, money, steps))
        return consent.yes or ask_for_name(spec.name, "launch")

    found = controller.launch(
        spec, files, ports, confirm=confirm, timeout_s=consent.timeout_s(), break_lock=consent.break_lock
    )
    emit(launch_answer(found), out, settings)


# --- shared -----------------------------------------------------------------------------------------------------------


def specified(
    services: Services, plan_name: str, wanted: Wanted, settings: Settings, aws: Aws
) -> "tuple[ClusterSpec, Instance, ForLaunch, bool]":
    """The cluster, its hardware, what is rendered for it, and whether the plan was changed since it was saved."""
    from fmctl.operate.rendered import for_launch
    from fmctl.targets.parallelcluster.spec import spec

    document, notes = plan_document(plan_name, shared_store(settings, services, aws.store))
    asked = replace(asked_for(wanted, settings), created_by=operator())
    made = spec(document, site_for(wanted, settings), asked, plan_name.rpartition("/")[2].removesuffix(".json"))
    instance = services.catalogue.load_instance(made.instance)
    return made, instance, for_launch(rendering_of(made, document, services)), bool(notes)


def checked(
    services: Services, spec: Any, instance: Any, files: Any, settings: Settings, aws: Aws
) -> "Iterator[Check]":
    """The checks of a preflight one by one, as they are done."""
    from fmctl.operate.preflight import Today, looks

    operations = services.operations
    survey = operations.survey(settings, aws.options(), spec.site)
    now = services.now()
    price = services.catalogue.find_price(
        spec.instance, spec.site.region, str(spec.row["cost"].get("price_option") or "on-demand"), now.date()
    )
    each = price.usd_per_h
    today = Today(now, None if each is None else each * spec.nodes, None)
    try:
        validators = operations.pcluster(settings, spec.site.pcluster_version)
    except OperationFailed:
        validators = None
    yield from looks(spec, instance, survey, today, files.config, validators)


def refuse_stale(plan_name: str, stale: bool) -> None:
    """Raises StalePlan where the plan was changed since it was saved."""
    if stale:
        from fmctl.base.errors import StalePlan

        raise StalePlan(f"{plan_name} was changed after it was saved", next="fmctl plan MODEL --save NAME")


def _code(found: Any) -> int:
    failed = [check.name for check in found if check.state == "fail"]
    if not failed:
        return ExitCode.OK
    if any(name in _RIGHTS for name in failed):
        return ExitCode.PERMISSION
    return ExitCode.CAPACITY if any(name in _CAPACITY for name in failed) else ExitCode.FAILED


def stop_on_fail(found: Any) -> None:
    """Raises PermissionDenied, CapacityUnavailable or OperationFailed where a check fails."""
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
