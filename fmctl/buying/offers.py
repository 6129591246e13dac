"""Every way in which an instance type can be bought in a region on a day, with its dated rate or why there is none.

The only source of (instance, region, zones, option): what is not an `Offer` here is bought by no plan.
Source: EC2 User Guide, "Capacity Blocks for ML" and "On-Demand Capacity Reservations" (2026-10); the catalogue.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from fmctl.catalog import find_instance, find_price, instance_record, prices, regions_of, zones_of
from fmctl.domain.hardware import Price
from fmctl.domain.offer import Offer
from fmctl.domain.purchase import BLOCK, ON_DEMAND, PURCHASES, SPOT, Purchase

if TYPE_CHECKING:
    from fmctl.domain.tables import InstanceRecord

REVISIONS = ("2027-01-01",)
"""Announced days from which Capacity Block rates are others (Capacity Blocks pricing page, read 2026-10-08)."""
_LOCAL_ZONE = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]+-[a-z]{3}-[0-9]+[a-z]?")


@dataclass(frozen=True, slots=True)
class NotSold:
    """A way in which a type cannot be bought in a region, and why."""

    instance: str
    region: str
    option: str
    why: str


def offers(instance: str, region: str, on: date, *, spot_usd_per_h: float | None = None,
           stale: bool = False) -> tuple[Offer, ...]:  # fmt: skip
    """Every way to buy a type in a region, in the order of `domain.purchase.PURCHASES`.

    Args:
        instance: a type, an UltraServer, or an alias.
        region: a region, or a Local Zone such as us-east-1-dfw-2a.
        on: the day of buying.
        spot_usd_per_h: the user's own rate for Spot.
        stale: take the newest known rate where the one in force is unknown; the offer says so.

    Raises:
        UnknownName: no such type.
    """
    found = ways(instance, region, on, spot_usd_per_h=spot_usd_per_h, stale=stale)
    return tuple(one for one in found if isinstance(one, Offer))


def ways(instance: str, region: str, on: date, *, spot_usd_per_h: float | None = None,
         stale: bool = False) -> tuple[Offer | NotSold, ...]:  # fmt: skip
    """As `offers`, with the ways that are not sold and why."""
    name = find_instance(instance)
    record = instance_record(name)
    found: list[Offer | NotSold] = []
    for option in PURCHASES.values():
        why = _not_sold(record, name, region, option, on)
        if why:
            found.append(NotSold(name, region, option.name, why))
            continue
        price, rate = _price(name, region, option, on, stale)
        if option is SPOT and spot_usd_per_h is not None:
            price, rate = Price(name, region, SPOT.name, spot_usd_per_h, "", "given by the user"), "given"
        found.append(_offer(price, rate, option, _note(record, region, option, on)))
    return tuple(found)


def regions(instance: str) -> tuple[str, ...]:
    """Regions and Local Zones where a type can be bought in any way, sorted."""
    sold = {region for option in (ON_DEMAND, BLOCK, SPOT) for region in regions_of(instance, option.name)}
    return tuple(sorted(sold))


def zones(instance: str, region: str) -> tuple[str, ...]:
    """Zone ids of a region that offer the type (those of an UltraServer's members), or the Local Zone itself."""
    if _LOCAL_ZONE.fullmatch(region):
        return (region,)
    return zones_of(instance_record(instance).get("member_type") or find_instance(instance)).get(region, ())


def _not_sold(record: InstanceRecord, name: str, region: str, option: Purchase, on: date) -> str:
    """Why a type is not sold that way there; empty where it is."""
    if not record["purchase"]:
        return str(record["unplannable"])
    if option.listing not in record["purchase"]:
        return _never(record, option)
    there = regions_of(name, option.listing)
    if region not in there:
        return f"{name} is not sold {option} in {region}; it is in {', '.join(there)}"
    if option.evidence and not _evidence(name, region, option, on):
        return f"no Savings Plan rate of {name} in {region} is on file"
    return ""


def _never(record: InstanceRecord, option: Purchase) -> str:
    if record.get("member_type"):
        return "UltraServers are sold as Capacity Blocks alone"
    return option.never or f"AWS sells it as {' or '.join(record['purchase'])} alone"


def _price(name: str, region: str, option: Purchase, on: date, stale: bool) -> tuple[Price, str]:
    """The price in force and what kind of rate it is; with `stale` the newest known one where that is unknown."""
    if option.evidence:
        price = _evidence(name, region, option, on)[-1]
        return price, "listed" if price.usd_per_h is not None else "unknown"
    price = find_price(name, region, option.rate, on)
    if price.usd_per_h is not None:
        return price, "typical" if option is SPOT and price.kind != "live" else "listed"
    older = find_price(name, region, option.rate, on, stale=True) if stale else price
    return older, "unknown" if older.usd_per_h is None else "stale"


def _evidence(name: str, region: str, option: Purchase, on: date) -> list[Price]:
    """Rows in force on a day, oldest first, of an option whose rates are evidence and hold for nothing else."""
    rows = [row for row in prices(name, region, option.name) if row.date <= on.isoformat()]
    return sorted(rows, key=lambda row: row.date)


def _offer(price: Price, rate: str, option: Purchase, note: str) -> Offer:
    known = price.usd_per_h is not None
    return Offer(
        instance=price.instance,
        region=price.region,
        zones=zones(price.instance, price.region),
        option=option.name,
        usd_per_h=price.usd_per_h,
        rate=rate,
        why="" if known else price.note or "no price is on file",
        date=price.date,
        source=price.source,
        billed=option.billed,
        term_h=option.term_h,
        note="; ".join(filter(None, (note, price.note if known else ""))),
    )


def _note(record: InstanceRecord, region: str, option: Purchase, on: date) -> str:
    notes = []
    if _LOCAL_ZONE.fullmatch(region):
        notes.append("a Local Zone: the account has to opt in")
    elif not zones(record["name"], region):
        notes.append("the table of zones names none here: ask AWS")
    if option.note:
        notes.append(option.note)
    if option is BLOCK:
        if record.get("member_type"):
            notes.append("one block per UltraServer; it cannot be shared with other accounts")
        notes += [f"rates are revised from {day}" for day in REVISIONS if on.isoformat() >= day]
    return "; ".join(notes)
