"""`prices refresh` and `capacity`: what AWS sells now. Both ask, neither can spend."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import OperationFailed, PermissionDenied, UnknownName, UsageError, shorten
from fmctl.base.units import parse_count, parse_deadline, parse_list
from fmctl.domain.purchase import BLOCK, ON_DEMAND, SPOT
from fmctl.usecases.prices import check_region
from fmctl.usecases.services import Catalogue, Services

if TYPE_CHECKING:
    from fmctl.adapters.aws.pricing import NotAsked, Snapshot
    from fmctl.operate.availability import Need, Region
    from fmctl.report.view import Answer

Progress = Callable[[int, int], None]
_ANY = (ON_DEMAND.name, BLOCK.name, SPOT.name)
"""How a type may be sold of which nobody has said it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where AWS is asked, and as whom."""

    regions: str | None = None
    profile: str | None = None


def refresh(types: str | None, place: Place, settings: Settings, services: Services, progress: Progress) -> Answer:
    """Ask AWS for today's prices and keep them. Raises PermissionDenied, OperationFailed where it says nothing."""
    places = _regions(place.regions, settings)
    names = _types(types, services.catalogue)
    from fmctl.adapters.aws.pricing import keep
    from fmctl.buying import rates
    from fmctl.report.market import refresh_answer

    profile = place.profile or settings.text("profile")
    found = services.market.prices(profile, names, places, services.now(), progress)
    if not found.prices and not found.storage:
        raise _nothing(found)
    kept = keep(found)
    rates.forget()
    return refresh_answer(kept, names, places, _no_list_price(names))


@dataclass(frozen=True, slots=True)
class Wish:
    """So many of a type, for a Capacity Block of so many days from then on; texts as typed."""

    instance: str
    count: str | None = None
    days: str | None = None
    start: str | None = None


@dataclass(frozen=True, slots=True)
class Availability:
    """What capacity there is, as an answer and as one word."""

    answer: Answer
    state: str  # yes, maybe, no or unknown
    denied: bool  # whether rights are why something is unknown


def capacity(wish: Wish, place: Place, settings: Settings, services: Services, progress: Progress) -> Availability:
    """What capacity AWS has now in each region. Raises UsageError, UnknownName, PermissionDenied."""
    places, now = _regions(place.regions, settings), services.now()
    record = services.catalogue.instance_record(wish.instance)
    need = _needed(record, wish.count, wish.days, _start(wish.start, now))
    from fmctl.operate.availability import available, look, ways
    from fmctl.report.market import capacity_answer

    found: list[Region] = []
    regions = services.market.capacity(place.profile or settings.text("profile"), places)
    for name, region in zip(places, regions, strict=True):
        progress(len(found), len(places))
        found.append(look(region, need, name))
    progress(len(places), len(places))
    judged = [way for region in found for way in ways(need, region)]
    state = available(judged)
    denied = any(answer.denied for region in found for _, answer in region.sections())
    return Availability(capacity_answer(need, found, judged, state, now), state, denied)


# --- what was asked for -----------------------------------------------------------------------------------------------


def _regions(text: str | None, settings: Settings) -> list[str]:
    """Regions as named, or the one in force. AWS is asked by region: a zone is refused."""
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


def _needed(record: Mapping[str, object], count: str | None, days: str | None, start: datetime | None) -> Need:
    from fmctl.buying.durations import DAYS
    from fmctl.operate.availability import Need

    wanted = 1 if days is None else parse_count(days, what="--days")
    if wanted not in DAYS:
        longer = next((one for one in DAYS if one > wanted), DAYS[-1])
        raise UsageError(
            f"no Capacity Block lasts {wanted} days", why=f"1 to 14 days, or whole weeks up to {DAYS[-1]} days",
            next=f"--days {longer}",
        )  # fmt: skip
    name, sold = str(record["name"]), record["purchase"]
    return Need(
        instance=name,
        count=1 if count is None else parse_count(count, what="--count"),
        days=wanted,
        member_type=str(record.get("member_type") or name),
        members=_whole(record.get("member_count")) or 1,
        vcpu=_whole(record.get("vcpu")),
        purchase=(tuple(str(one) for one in sold) if isinstance(sold, list | tuple) else ()) or _ANY,
        start=start,
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


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


def _nothing(found: Snapshot) -> Exception:
    """The error of a refresh that learnt nothing."""
    if not found.missing:
        return OperationFailed("AWS lists nothing of what was asked for", next="fmctl prices refresh, without filters")
    first = next((one for one in found.missing if one.denied), found.missing[0])
    kind = PermissionDenied if first.denied else OperationFailed
    return kind("AWS gave no prices at all", why=f"{first.what}: {first.why}", next=first.next or None)


def _no_list_price(types: list[str]) -> list[NotAsked]:
    from fmctl.adapters.aws.pricing import NotAsked

    return [
        NotAsked(f"list prices of {name}", "UltraServers have none: they are sold in Capacity Blocks alone",
                 f"fmctl capacity {name}")
        for name in types
        if name.startswith("u-")
    ]  # fmt: skip
