"""`preflight` and `launch`: from a plan to a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import (
    CapacityUnavailable,
    ExitCode,
    OperationFailed,
    PermissionDenied,
    UnknownName,
    UsageError,
)
from fmctl.domain.purchase import ON_DEMAND
from fmctl.usecases.operator import operator
from fmctl.usecases.options import Aws, Consent, Wanted
from fmctl.usecases.plans import plan_document, shared_store
from fmctl.usecases.rendering import asked_for, rendering_of, site_for
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.cluster import ClusterSpec
    from fmctl.domain.hardware import Instance
    from fmctl.operate.actions import Action, Money
    from fmctl.operate.launch import Price
    from fmctl.report.view import Answer
    from fmctl.targets.rendering import Rendering
    from fmctl.targets.target import Check

_CAPACITY = ("offering", "addresses", "quota", "reservation", "purchase")
_RIGHTS = ("account", "permissions")
# Checks that tell of money or capacity: what is not as it should be there has to be agreed to, by name or by a person.
AGREED = ("price", "budget", *_CAPACITY, "storage")
WARNING, UNKNOWN = "warning", "unknown"
Confirm = Callable[[str, str], bool]
"""Asked once, before anything is made or destroyed: the cluster's name, and what a person has to read."""


def preflight(
    plan_name: str, wanted: Wanted, aws: Aws, settings: Settings, services: Services,
    hear: Callable[[Answer, Check], None] = lambda answer, check: None,
) -> tuple[Answer, tuple[Check, ...]]:  # fmt: skip
    """Every check of what a launch relies on; `hear` gets each with the answer so far."""
    from fmctl.report.clusters import preflight_answer
    from fmctl.targets.checks import worst

    spec, instance, files, _ = specified(services, plan_name, wanted, settings, aws)
    found: tuple[Check, ...] = ()
    for check in checked(services, spec, instance, files, settings, aws):
        found = (*found, check)
        hear(preflight_answer(spec, found, worst(found)), check)
    return preflight_answer(spec, found, worst(found)), found


@dataclass(frozen=True, slots=True)
class Caller:
    """Who launches: what they are told, what they are asked, what they hear of checks."""

    confirm: Confirm
    say: Callable[[str], None] | None = None
    checks: Callable[[], None] = lambda: None
    hear: Callable[[Check], None] = lambda check: None
    accepted: Sequence[str] = ()  # names of checks that are agreed to as they are

    def __post_init__(self) -> None:
        """Raise UsageError where what is agreed to is no check that can be."""
        for name in self.accepted:
            if name not in AGREED:
                raise UnknownName("check to accept", name, AGREED, next="fmctl preflight PLAN")


def launch(
    plan_name: str, wanted: Wanted, aws: Aws, consent: Consent, asked: tuple[Services, Settings], caller: Caller,
    skip_preflight: bool = False,
) -> Answer:  # fmt: skip
    """Make the cluster of a plan, or go on making it; under --dry-run what would be done.

    Raises:
        StalePlan: the plan was changed since it was saved.
        PermissionDenied, CapacityUnavailable, OperationFailed: a check fails, or the launch does.
        UsageError: something about money or capacity is not as the plan says, and nobody is asked about it.
    """
    from fmctl.operate import launch as launches
    from fmctl.report.clusters import actions_answer, confirmation, launch_answer

    services, settings = asked
    spec, instance, files, stale = specified(services, plan_name, wanted, settings, aws)
    ports = services.operations.ports(settings, aws.options(), spec.site, consent.read_only)
    if caller.say is not None:
        ports = replace(ports, say=caller.say)
    refuse_stale(plan_name, stale)
    price = _price(services, spec)
    steps, money = launches.plan_launch(spec, files, ports, price=price)
    if consent.dry_run:
        return actions_answer("launch", spec.name, steps, money)
    # A launch that goes on has been looked at: its name is taken by itself now.
    new = any(step.name == "create" for step in steps)
    looked = checked(services, spec, instance, files, settings, aws) if not skip_preflight else _of_price(spec, price)
    found = tuple(_heard(looked, caller)) if new else ()
    stop_on_fail(found)
    doubts = [check for check in found if check.name in AGREED and check.state in (WARNING, UNKNOWN)]
    if consent.yes:
        _refuse_doubts([check for check in doubts if check.name not in caller.accepted])

    def confirm(steps: Sequence[Action], money: Money) -> bool:
        return caller.confirm(spec.name, confirmation(spec.name, money, steps, doubts))

    made = launches.launch(
        spec, files, ports, confirm=confirm, price=price, timeout_s=consent.timeout_s(), break_lock=consent.break_lock
    )
    return launch_answer(made)


def _price(services: Services, spec: ClusterSpec) -> Price:
    """What the nodes cost now; where nobody knows, what the plan says, which the checks then tell."""
    from fmctl.operate.launch import Price

    option = str(spec.row["cost"].get("price_option") or ON_DEMAND)
    found = services.catalogue.find_price(spec.instance, spec.site.region, option, services.now().date())
    if found.usd_per_h is None:
        return Price(spec.usd_per_h, spec.price_date)
    return Price(found.usd_per_h * spec.nodes, found.date)


def _of_price(spec: ClusterSpec, price: Price) -> Iterator[Check]:
    """The one check that nobody may skip: what is agreed to is what it costs."""
    from fmctl.targets.checks import price_check

    yield price_check(spec, price.usd_per_h)


def _refuse_doubts(doubts: Sequence[Check]) -> None:
    if doubts:
        raise UsageError(
            "what the launch costs or gets is not as the plan says, and nobody is asked",
            why="; ".join(f"{check.name}: {check.found}" for check in doubts),
            next=" ".join(f"--accept {check.name}" for check in doubts),
        )


def _heard(checks: Iterator[Check], caller: Caller) -> Iterator[Check]:
    caller.checks()
    for check in checks:
        caller.hear(check)
        yield check


def specified(
    services: Services, plan_name: str, wanted: Wanted, settings: Settings, aws: Aws
) -> tuple[ClusterSpec, Instance, Rendering, bool]:
    """The cluster, its hardware, what is rendered for it, and whether the plan was changed since it was saved."""
    from fmctl.targets.spec import spec

    document, notes = plan_document(plan_name, shared_store(settings, services, aws.store))
    asked = replace(asked_for(wanted, settings), created_by=operator())
    made = spec(document, site_for(wanted, settings), asked, plan_name.rpartition("/")[2].removesuffix(".json"))
    instance = services.catalogue.load_instance(made.instance)
    return made, instance, rendering_of(made, document, services), bool(notes)


def checked(
    services: Services, spec: ClusterSpec, instance: Instance, files: Rendering, settings: Settings, aws: Aws
) -> Iterator[Check]:
    """The checks of a preflight one by one, as they are done."""
    from fmctl.targets.target import Today

    operations = services.operations
    survey = operations.survey(settings, aws.options(), spec.site)
    now = services.now()
    option = str(spec.row["cost"].get("price_option") or ON_DEMAND)
    each = services.catalogue.find_price(spec.instance, spec.site.region, option, now.date()).usd_per_h
    today = Today(now, None if each is None else each * spec.nodes, None)
    target = operations.target(settings, aws.options(), spec.site)
    yield from target.checks(spec, instance, survey, today, files.config)


def refuse_stale(plan_name: str, stale: bool) -> None:
    """Raises StalePlan where the plan was changed since it was saved."""
    if stale:
        from fmctl.base.errors import StalePlan

        raise StalePlan(f"{plan_name} was changed after it was saved", next="fmctl plan MODEL --save NAME")


def exit_code(found: Sequence[Check]) -> int:
    """0 where no check fails, else what kind of failure weighs most."""
    failed = [check.name for check in found if check.state == "fail"]
    if not failed:
        return ExitCode.OK
    if any(name in _RIGHTS for name in failed) or any(check.denied for check in found):
        return ExitCode.PERMISSION
    return ExitCode.CAPACITY if any(name in _CAPACITY for name in failed) else ExitCode.FAILED


def stop_on_fail(found: Sequence[Check]) -> None:
    """Raises PermissionDenied, CapacityUnavailable or OperationFailed where a check fails."""
    failed = [check for check in found if check.state == "fail"]
    if not failed:
        return
    what = f"{len(failed)} of {len(found)} checks fail"
    why = "; ".join(f"{check.name}: {check.found}" for check in failed)
    code = exit_code(found)
    kind = {ExitCode.PERMISSION: PermissionDenied, ExitCode.CAPACITY: CapacityUnavailable}.get(
        ExitCode(code), OperationFailed
    )
    raise kind(what, why=why, next=failed[0].next or "fmctl preflight")
