"""What AWS's Price List and Spot price history answer, as rows of price files. Parses; asks nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, TypedDict

from fmctl.domain.hardware import LIVE_LIST, LIVE_SPOT, Price, StoragePrice

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import SpotPriceTypeDef

NO_PRICE = "AWS was asked and lists no price"
# Items of pricing/storage.csv: the first GB of each range of S3 Standard, and what tells the Lustre products apart.
S3_RANGES = {0.0: "s3/standard-first-50tb", 51_200.0: "s3/standard-next-450tb", 512_000.0: "s3/standard-over-500tb"}
_ONLY_PERSISTENT_2 = ("125", "250", "500", "1000")
"""MB/s per TiB that no other deployment type has (FSx for Lustre User Guide)."""


class Described(TypedDict):
    """What a product is."""

    attributes: dict[str, str]


class Dimension(TypedDict, total=False):
    """A price of a term, of a range of units."""

    pricePerUnit: dict[str, str]
    beginRange: str
    unit: str


class Term(TypedDict):
    """A way to buy a product."""

    priceDimensions: dict[str, Dimension]


class Product(TypedDict, total=False):
    """A product of the Price List, as far as it is read here."""

    product: Described
    terms: dict[str, dict[str, Term]]


def on_demand_rows(instance: str, regions: Sequence[str], products: Iterable[str], day: date) -> list[Price]:
    """One row per region: the price of an hour, or that AWS lists none (none, or several)."""
    by_region: dict[str, set[float]] = {region: set() for region in regions}
    for product in _parsed(products):
        attributes = product["product"]["attributes"]
        if attributes.get("regionCode") in by_region and attributes.get("locationType") == "AWS Region":
            found = {usd for _, usd, unit in dimensions(product) if unit == "Hrs"}
            by_region[attributes["regionCode"]] |= found
    return [_row(instance, region, "on-demand", found, day) for region, found in by_region.items()]


def spot_rows(instance: str, region: str, history: Iterable[SpotPriceTypeDef], day: date) -> list[Price]:
    """The lowest, and the extremes, of the newest prices of the region's zones."""
    newest: dict[str, SpotPriceTypeDef] = {}
    for one in history:
        zone = one["AvailabilityZone"]
        if zone not in newest or one["Timestamp"] > newest[zone]["Timestamp"]:
            newest[zone] = one
    source = f"{LIVE_SPOT} {day.isoformat()}"
    if not newest:
        return [Price(instance, region, "spot", None, day.isoformat(), source, NO_PRICE)]
    usd = {zone: float(one["SpotPrice"]) for zone, one in newest.items()}
    low, high = min(usd, key=lambda zone: usd[zone]), max(usd, key=lambda zone: usd[zone])
    said = (
        ("spot", low, f"lowest of {len(usd)} zones: {low}; it moves"),
        ("spot-min", low, low),
        ("spot-max", high, high),
    )
    return [Price(instance, region, option, usd[zone], day.isoformat(), source, note) for option, zone, note in said]


def ebs_rows(region: str, products: Iterable[str], day: date) -> list[StoragePrice]:
    """gp3 by GB and month."""
    found = {usd for product in _parsed(products) for _, usd, unit in dimensions(product) if unit == "GB-Mo"}
    return _items({"ebs/gp3": found}, region, day)


def s3_rows(region: str, products: Iterable[str], day: date) -> list[StoragePrice]:
    """S3 Standard by GB and month, in its three ranges; ranges that begin elsewhere are not taken for these."""
    found: dict[str, set[float]] = {}
    for begin, usd, unit in (one for product in _parsed(products) for one in dimensions(product)):
        if unit == "GB-Mo" and begin in S3_RANGES:
            found.setdefault(S3_RANGES[begin], set()).add(usd)
    return _items(found, region, day)


def lustre_rows(region: str, products: Iterable[str], day: date) -> tuple[list[StoragePrice], int]:
    """FSx for Lustre by GB and month; and how many storage products could not be told apart."""
    found: dict[str, set[float]] = {}
    unread = 0
    for product in _parsed(products):
        prices = {usd for _, usd, unit in dimensions(product) if unit == "GB-Mo"}
        item = _lustre_item(product["product"]["attributes"])
        if item and prices:
            found.setdefault(item, set()).update(prices)
        else:
            unread += bool(prices)
    return _items(found, region, day), unread


def _parsed(products: Iterable[str]) -> Iterator[Product]:
    return map(json.loads, products)


def dimensions(product: Product) -> list[tuple[float, float, str]]:
    """(first unit of the range, USD, unit) of the on-demand terms; zero is no price here: nothing asked for is free."""
    terms = product.get("terms", {}).get("OnDemand", {}).values()
    listed = [one for term in terms for one in term["priceDimensions"].values()]
    priced = [(one, float(one["pricePerUnit"].get("USD", 0.0))) for one in listed]
    return [(float(one.get("beginRange", 0) or 0), usd, str(one["unit"])) for one, usd in priced if usd > 0.0]


def _row(instance: str, region: str, option: str, found: set[float], day: date) -> Price:
    source = f"{LIVE_LIST} {day.isoformat()}"
    usd = next(iter(found)) if len(found) == 1 else None
    several = f"AWS lists several: {', '.join(f'{one:g}' for one in sorted(found))}"
    note = "" if usd is not None else several if found else NO_PRICE
    return Price(instance, region, option, usd, day.isoformat(), source, note)


def _items(found: Mapping[str, set[float]], region: str, day: date) -> list[StoragePrice]:
    """A row per item that has one price; an item with several or none is left to the older rows."""
    source = f"{LIVE_LIST} {day.isoformat()}"
    return [
        StoragePrice(item, region, "GB-month", next(iter(usd)), day.isoformat(), source)
        for item, usd in found.items()
        if len(usd) == 1
    ]


def _lustre_item(attributes: Mapping[str, str]) -> str:
    """The item that a product is; empty where it is none of ours. assumed: how the attributes are written."""
    text = " ".join(attributes.values()).lower()
    if attributes.get("storageType", "").upper() == "HDD" or "intelligent" in text or "backup" in text:
        return ""
    if "scratch" in text:
        return "fsx-lustre/scratch-2"
    tier = re.match(r"[0-9,]*", attributes.get("throughputCapacity", ""))
    rate = tier.group().replace(",", "") if tier else ""
    return f"fsx-lustre/persistent-2-{rate}" if rate in _ONLY_PERSISTENT_2 else ""
