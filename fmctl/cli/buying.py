"""`prices refresh` and `capacity`: what AWS sells now. Both ask, neither can spend."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from fmctl.base.config import Settings
from fmctl.base.errors import ExitCode, OperationFailed, PermissionDenied, UnknownName, UsageError, shorten
from fmctl.base.units import parse_count, parse_deadline, parse_list
from fmctl.cli.options import Output
from fmctl.cli.output import emit, progress_line, settings_for
from fmctl.usecases.options import Text
from fmctl.usecases.services import Catalogue

if TYPE_CHECKING:
    from fmctl.adapters.aws.pricing import NotAsked, Snapshot
    from fmctl.operate.availability import Need


_ANY = ("on-demand", "capacity-block", "spot")
"""How a type may be sold of which nobody has said it."""


def _aws(help: str, *flags: str, metavar: str) -> Any:
    return Option(*flags, metavar=metavar, help=help, rich_help_panel="AWS", show_default=False)


def _need(help: str, flag: str, metavar: str) -> Any:
    return Option(flag, metavar=metavar, help=help, rich_help_panel="What is needed", show_default=False)


_Profile = Annotated[Text, _aws("AWS profile", "--profile", metavar="NAME")]
_Regions = Annotated[Text, _aws("AWS regions", "--regions", "--region", metavar="A,B")]
_Types = Annotated[Text, _aws("Instance types; all GPU types and head nodes by default", "--instances", "--instance",
                              metavar="A,B")]  # fmt: skip
_Instance = Annotated[str, Argument(metavar="INSTANCE", help="Instance type.", show_default=False)]


def prices_refresh(
    ctx: typer.Context, out: Output, instances: _Types = None, regions: _Regions = None, profile: _Profile = None
) -> None:
    """Ask AWS for today's prices and keep them as a dated snapshot, which prices and plan use from then on.

    On-demand and storage prices of the Price List, Spot prices of every region; the only command that asks for prices.
    What AWS would not say is listed; exits 4 or 1 where it said nothing at all.
    """
    settings = settings_for(out)
    places = _regions(regions, settings)
    types = _types(instances, ctx.obj.catalogue)
    from fmctl.adapters.aws.pricing import keep
    from fmctl.buying import rates
    from fmctl.report.market import refresh_answer

    progress = progress_line(out, "asking AWS") or (lambda done, total: None)
    found = ctx.obj.market.prices(profile or settings.text("profile"), types, places, ctx.obj.now(), progress)
    if not found.prices and not found.storage:
        raise _nothing(found)
    kept = keep(found)
    rates.forget()
    emit(refresh_answer(kept, types, places, _no_list_price(types)), out, settings)


def capacity(
    ctx: typer.Context,
    instance: _Instance,
    out: Output,
    count: Annotated[Text, _need("Instances or UltraServers (1)", "--count", "N")] = None,
    days: Annotated[Text, _need("Length of a Capacity Block (1)", "--days", "D")] = None,
    start: Annotated[Text, _need("Earliest start of a Capacity Block, 7d or a date", "--start", "WHEN")] = None,
    regions: _Regions = None,
    profile: _Profile = None,
) -> None:
    """What capacity AWS has now: Capacity Blocks with their fee, reservations with room, quotas, Spot scores, zones.

    Exits 5 where nothing is to be had (no block, no reservation with room, quota too small), 4 where credentials or
    rights keep it from knowing.
    """
    settings = settings_for(out)
    places, now = _regions(regions, settings), ctx.obj.now()
    need = _needed(ctx.obj.catalogue.instance_record(instance), count, days, _start(start, now))
    from fmctl.operate.availability import available, look, ways
    from fmctl.report.market import capacity_answer

    progress = progress_line(out, "asking AWS") or (lambda done, total: None)
    found = list[Any]()
    for place, region in zip(places, ctx.obj.market.capacity(profile or settings.text("profile"), places), strict=True):
        progress(len(found), len(places))
        found.append(look(region, need, place))
    progress(len(places), len(places))
    judged = [way for region in found for way in ways(need, region)]
    state = available(judged)
    emit(capacity_answer(need, found, judged, state, now), out, settings)
    if state == "unknown":
        denied = any(answer.denied for region in found for _, answer in region.sections())
        raise typer.Exit(ExitCode.PERMISSION if denied else ExitCode.FAILED)
    if state == "no":
        raise typer.Exit(ExitCode.CAPACITY)


# --- what was asked for -----------------------------------------------------------------------------------------------


def _regions(text: str | None, settings: Settings) -> list[str]:
    """Regions as named, or the one in force. AWS is asked by region: a zone is refused."""
    from fmctl.usecases.prices import check_region

    places = parse_list(text, what="--regions") if text is not None else [settings.text("region") or "us-east-1"]
    for place in places:
        check_region(place, settings["region"].origin if text is None else "--regions")
        region = re.match(r"[a-z]{2}(-[a-z]+)+-\d+", place)
        if region is not None and region[0] != place:
            raise UsageError(f"'{shorten(place)}' is a zone, not a region", next=f"--regions {region[0]}")
    return places


def _types(text: str | None, catalogue: Catalogue) -> list[str]:
    """Full names of the types named, or of those that a plan can be made for and of head nodes."""
    if text is not None:
        return list(dict.fromkeys(_full_name(name, catalogue) for name in parse_list(text, what="--instances")))
    from fmctl.adapters.aws.pricing import head_instances

    records = [catalogue.instance_record(name) for name in catalogue.instance_names()]
    names = [str(one["name"]) for one in records if one.get("plannable", True)]
    return [*(name for name in names if not name.startswith("u-")), *head_instances()]


def _full_name(name: str, catalogue: Catalogue) -> str:
    """A catalogued type, or one that only has prices (head nodes)."""
    try:
        return str(catalogue.instance_record(name)["name"])
    except UnknownName:
        from fmctl.adapters.aws.pricing import head_instances

        if name in head_instances() or catalogue.prices(name):
            return name
        raise


def _needed(record: Any, count: str | None, days: str | None, start: datetime | None) -> "Need":
    from fmctl.buying.durations import DAYS
    from fmctl.operate.availability import Need

    wanted = 1 if days is None else parse_count(days, what="--days")
    if wanted not in DAYS:
        longer = next((one for one in DAYS if one > wanted), DAYS[-1])
        raise UsageError(
            f"no Capacity Block lasts {wanted} days", why=f"1 to 14 days, or whole weeks up to {DAYS[-1]} days",
            next=f"--days {longer}",
        )  # fmt: skip
    name = record["name"]
    return Need(
        instance=name,
        count=1 if count is None else parse_count(count, what="--count"),
        days=wanted,
        member_type=record.get("member_type") or name,
        members=record.get("member_count") or 1,
        vcpu=record.get("vcpu"),
        purchase=tuple(record["purchase"]) or _ANY,
        start=start,
    )


def _start(text: str | None, now: datetime) -> datetime | None:
    """The moment named, within what AWS sells ahead."""
    if text is None:
        return None
    from fmctl.buying.durations import HORIZON

    when = parse_deadline(text, what="--start")
    if isinstance(when, date):
        begin = max(datetime.combine(when, time(), tzinfo=UTC), now)
        ahead, over = begin - now, when < now.date()
    else:
        ahead, over = timedelta(seconds=min(when, 1e9)), False
    if over:
        raise UsageError(f"--start {text} is over", why=f"today is {now.date()}", next="without --start")
    if ahead > HORIZON:
        weeks = HORIZON.days // 7
        raise UsageError(
            f"--start {shorten(text)} is too far ahead", why=f"AWS sells blocks that start within {weeks} weeks",
            next=f"--start {now.date() + HORIZON} or sooner",
        )  # fmt: skip
    return now + ahead


# --- what was not answered --------------------------------------------------------------------------------------------


def _nothing(found: "Snapshot") -> Exception:
    """The error of a refresh that learnt nothing."""
    if not found.missing:
        return OperationFailed("AWS lists nothing of what was asked for", next="fmctl prices refresh, without filters")
    first = next((one for one in found.missing if one.denied), found.missing[0])
    kind = PermissionDenied if first.denied else OperationFailed
    return kind("AWS gave no prices at all", why=f"{first.what}: {first.why}", next=first.next or None)


def _no_list_price(types: list[str]) -> "list[NotAsked]":
    from fmctl.adapters.aws.pricing import NotAsked

    return [
        NotAsked(f"list prices of {name}", "UltraServers have none: they are sold in Capacity Blocks alone",
                 f"fmctl capacity {name}")
        for name in types
        if name.startswith("u-")
    ]  # fmt: skip
