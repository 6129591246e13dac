"""Which price each instance type is planned at, when several regions or ways to pay were named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import inf
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import UsageError, shorten
from fmctl.base.units import parse_list, parse_usd
from fmctl.domain.hardware import Instance, Price
from fmctl.domain.purchase import BLOCK, ON_DEMAND, purchase
from fmctl.usecases.options import Asked
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.offer import Offer

_UNSTATED = (ON_DEMAND.name, BLOCK.name)  # a type that is not sold on demand is planned at its capacity block price


def choose_prices(
    asked: Asked, settings: Settings, services: Services, instances: Sequence[Instance]
) -> tuple[dict[str, Price], dict[str, object]]:
    """The price per instance type, and what was asked for, as the inputs record it.

    All else is equal between the regions and options that were named, so the cheapest known price stands for them.
    Where no option was named it is on demand, or a capacity block where a type has no price on demand.
    """
    regions = _regions(asked, settings)
    stated = _stated(asked, settings)
    today = services.now().date()
    find = services.catalogue.find_price
    chosen: dict[str, Price] = {}
    for instance in instances:
        by_option = [
            [find(instance.name, region, purchase(option).rate, today) for region in regions]
            for option in stated or _UNSTATED
        ]
        if stated:
            chosen[instance.name] = _cheapest([price for prices in by_option for price in prices])
        else:
            chosen[instance.name] = next(
                (p for ps in by_option if (p := _cheapest(ps)).usd_per_h is not None),
                next((ps[0] for ps in by_option if ps[0].option in instance.purchase), by_option[0][0]),
            )
    used = dict.fromkeys(price.option for price in chosen.values())
    return chosen, {"regions": regions, "purchase": list(stated or used)}


def choose_offers(
    asked: Asked, settings: Settings, services: Services, instances: Sequence[Instance], on: date
) -> tuple[dict[str, tuple[Offer, ...]], dict[str, str]]:
    """Every way in which each type may be bought that was asked for, and why types are left out that cannot be.

    Raises:
        UsageError: none of the types can be bought so.
    """
    regions = _regions(asked, settings)
    stated = _stated(asked, settings) or _UNSTATED
    spot = None if asked.spot_price is None else parse_usd(asked.spot_price, what="--spot-price")
    from fmctl.domain import offer

    found: dict[str, tuple[Offer, ...]] = {}
    left_out: dict[str, str] = {}
    for instance in instances:
        ways = [
            w
            for r in regions
            for w in services.catalogue.ways(instance.name, r, on, spot_usd_per_h=spot)
            if w.option in stated
        ]
        sold = tuple(way for way in ways if isinstance(way, offer.Offer))
        if sold:
            found[instance.name] = sold
        else:
            # Where it is sold that way, but not here, says more than that it is never sold another way.
            nearest = next((way for way in ways if way.option in instance.purchase), ways[0] if ways else None)
            left_out[instance.name] = nearest.why if nearest else f"it is not sold {' or '.join(stated)}"
    if not found:
        name, why = next(iter(left_out.items()))
        raise UsageError(f"{name} cannot be bought so", why=why, next=f"fmctl instances show {name}")
    return found, left_out


def _regions(asked: Asked, settings: Settings) -> list[str]:
    """Regions to buy in. Raises UsageError where one does not read like a region."""
    regions = parse_list(asked.regions, what="--regions") if asked.regions else [settings.text("region") or "us-east-1"]
    for region in regions:
        check_region(region, "--regions" if asked.regions else settings["region"].origin)
    return regions


def _stated(asked: Asked, settings: Settings) -> tuple[str, ...]:
    names = parse_list(asked.purchase, what="--purchase") if asked.purchase is not None else settings.texts("purchase")
    for name in names:
        purchase(name)
    return tuple(names)


def _cheapest(prices: Sequence[Price]) -> Price:
    return min(prices, key=lambda price: inf if price.usd_per_h is None else price.usd_per_h)


def check_region(region: str, origin: str) -> None:
    """Raises UsageError, naming who said it, where this does not read like a region."""
    import re

    if re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d+[a-z]?(-[a-z]+-\d+[a-z]?)?", region) is None:
        setting = not origin.startswith("--")
        raise UsageError(
            f"'{shorten(region)}' is not a region",
            why=f"{origin} has it; a region reads like us-east-1",
            next="--regions us-east-1, or fmctl config set region us-east-1" if setting else f"{origin} us-east-1",
        )
