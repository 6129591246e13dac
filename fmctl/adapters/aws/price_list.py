"""What AWS's Price List and Spot price history answer, as rows of price files. Parses; asks nobody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from fmctl.base.errors import OperationFailed
from fmctl.base.parse import NotParsed, from_json
from fmctl.base.read import Fields, part, text
from fmctl.catalog.price_files import usd_of
from fmctl.domain.hardware import LIVE_LIST, LIVE_SPOT, Price, StoragePrice

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import SpotPriceTypeDef

NO_PRICE = "AWS was asked and lists no price"
# Items of pricing/storage.csv: the first GB of each range of S3 Standard, and what tells the Lustre products apart.
S3_RANGES = {0.0: "s3/standard-first-50tb", 51_200.0: "s3/standard-next-450tb", 512_000.0: "s3/standard-over-500tb"}
_ONLY_PERSISTENT_2 = ("125", "250", "500", "1000")
"""MB/s per TiB that no other deployment type has (FSx for Lustre User Guide)."""


def on_demand_rows(instance: str, regions: Sequence[str], products: Iterable[str], day: date) -> list[Price]:
    """One row per region: the price of an hour, or that AWS lists none (none, or several)."""
    by_region: dict[str, set[float]] = {region: set() for region in regions}
    for product in _parsed(products):
        attributes = _attributes(product)
        region = text(attributes.get("regionCode"))
        if region in by_region and attributes.get("locationType") == "AWS Region":
            by_region[region] |= {usd for _, usd, unit in dimensions(product) if unit == "Hrs"}
    return [_row(instance, region, "on-demand", found, day) for region, found in by_region.items()]


def spot_rows(instance: str, region: str, history: Iterable[SpotPriceTypeDef], day: date) -> list[Price]:
    """The lowest, and the extremes, of the newest prices of the region's zones."""
    newest: dict[str, SpotPriceTypeDef] = {}
    for one in history:
        zone = one.get("AvailabilityZone")
        if not isinstance(zone, str) or not isinstance(one.get("Timestamp"), datetime):
            raise _none_of_aws("a Spot price without zone or time")
        if zone not in newest or one["Timestamp"] > newest[zone]["Timestamp"]:
            newest[zone] = one
    source = f"{LIVE_SPOT} {day.isoformat()}"
    if not newest:
        return [Price(instance, region, "spot", None, day.isoformat(), source, NO_PRICE)]
    usd = {zone: _usd(one.get("SpotPrice")) for zone, one in newest.items()}
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
        item = _lustre_item(_attributes(product))
        if item and prices:
            found.setdefault(item, set()).update(prices)
        else:
            unread += bool(prices)
    return _items(found, region, day), unread


def _parsed(products: Iterable[str]) -> Iterator[Fields]:
    for one in products:
        try:
            found = from_json(one)
        except NotParsed as error:
            raise _none_of_aws(str(error)) from None
        if not isinstance(found, dict):
            raise _none_of_aws("a product is no mapping")
        yield found


def _none_of_aws(why: str) -> OperationFailed:
    return OperationFailed("this is no price list of AWS", why=why, next="fmctl prices refresh, a little later")


def _attributes(product: Fields) -> Fields:
    return part(part(product.get("product")).get("attributes"))


def dimensions(product: Fields) -> list[tuple[float, float, str]]:
    """(first unit of the range, USD, unit) of the on-demand terms; zero is no price here: nothing asked for is free.

    Raises OperationFailed for a price that is none.
    """
    terms = part(part(product.get("terms")).get("OnDemand")).values()
    listed = [part(one) for term in terms for one in part(part(term).get("priceDimensions")).values()]
    priced = [(one, part(one.get("pricePerUnit")).get("USD")) for one in listed]
    return [(_begin(one.get("beginRange")), _usd(usd), text(one.get("unit"))) for one, usd in priced if not _free(usd)]


def _usd(found: object) -> float:
    try:
        return usd_of(str(found) if isinstance(found, str | int | float) else "")
    except ValueError as error:
        raise _none_of_aws(str(error)) from None


def _free(found: object) -> bool:
    """Whether this says that nothing is to pay, which is no price here."""
    try:
        return found is None or (isinstance(found, str | int | float) and float(found) == 0.0)
    except (ValueError, OverflowError):
        return False


def _begin(found: object) -> float:
    """Where a range begins; an odd word for it is no range of ours."""
    try:
        return float(found) if isinstance(found, str | int | float) and found != "" else 0.0
    except (ValueError, OverflowError):
        return -1.0


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


def _lustre_item(attributes: Fields) -> str:
    """The item that a product is; empty where it is none of ours. assumed: how the attributes are written."""
    said = " ".join(map(text, attributes.values())).lower()
    if text(attributes.get("storageType")).upper() == "HDD" or "intelligent" in said or "backup" in said:
        return ""
    if "scratch" in said:
        return "fsx-lustre/scratch-2"
    tier = re.match(r"[0-9,]*", text(attributes.get("throughputCapacity")))
    rate = tier.group().replace(",", "") if tier else ""
    return f"fsx-lustre/persistent-2-{rate}" if rate in _ONLY_PERSISTENT_2 else ""
