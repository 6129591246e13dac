"""Prices by type, region, purchase option and date: the newest entry that was in force, or a stated unknown.

A row's region is one region or several patterns (`eu-* ap-*`). Among the rows of the newest date at or before the day
asked for, the most exact region wins. A row without a price says that none was found then, and hides older rows.
"""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase

from fmctl.base.errors import UnknownName
from fmctl.catalog.instances import find_instance
from fmctl.catalog.names import instance_names
from fmctl.catalog.price_files import read_prices, read_storage_prices, snapshot_files
from fmctl.catalog.store import data_dir
from fmctl.domain.hardware import Price, StoragePrice
from fmctl.domain.purchase import ON_DEMAND, priced

# Other options in the file than those of `priced` are evidence: Spot extremes, history, SageMaker, Savings Plans.
SAME_PRICE = {ON_DEMAND.name: (ON_DEMAND.name, "on-demand-history")}


def _rows() -> tuple[Price, ...]:
    """The rows on file, then those of the user's snapshots."""
    return read_prices(data_dir("pricing") / "instances.csv") + tuple(
        row for path in snapshot_files("instances.csv") for row in read_prices(path)
    )


def prices(instance: str = "", region: str = "", option: str = "") -> list[Price]:
    """Every row that matches; an empty argument matches all. Rows keep the region as the source gives it.

    Raises:
        UnknownName: no such instance, or an option that no row has.
    """
    wanted = _priced_name(instance) if instance else ""
    if option and option not in {row.option for row in _rows()}:
        raise _no_option(option)
    return [
        row
        for row in _rows()
        if wanted in ("", row.instance)
        and option in ("", row.option)
        and (not region or _exactness(row.region, region))
    ]


def find_price(instance: str, region: str, option: str, on: date, *, stale: bool = False) -> Price:
    """The price of one instance-hour (or UltraServer-hour) on a day; `usd_per_h` is None, with a note, where unknown.

    Args:
        instance: a type or its alias.
        region: an AWS region, or a Local Zone such as us-east-1-dfw-2a.
        option: one of `domain.purchase.priced`.
        on: the day.
        stale: take the newest known price where the one in force is unknown; the note says so.

    Raises:
        UnknownName: no such instance or option.
    """
    name = _priced_name(instance)
    if option not in priced():
        raise _no_option(option)
    options = SAME_PRICE.get(option, (option,))
    rows = [row for row in _rows() if row.instance == name and row.option in options and row.date <= on.isoformat()]
    matching = sorted(
        (row for row in rows if _exactness(row.region, region)),
        key=lambda row: (row.date, _exactness(row.region, region), row.usd_per_h is not None),
    )
    if not matching:
        note = f"no {option} price found for {name} in {region} on or before {on.isoformat()}"
        return Price(name, region, option, None, "", "", note)
    newest = matching[-1]
    known = next((row for row in reversed(matching) if row.usd_per_h is not None), None)
    return _answer(newest, known, region, option, stale=stale)


def _answer(newest: Price, known: Price | None, region: str, option: str, *, stale: bool) -> Price:
    note = newest.note
    if newest.usd_per_h is None and known is not None:
        if stale:
            note = f"rate of {known.date}: {newest.note} ({newest.date})"
            newest = known
        else:
            note = f"{newest.note}; the newest known is {known.usd_per_h:g} USD/h of {known.date}"
    return Price(newest.instance, region, option, newest.usd_per_h, newest.date, newest.source, note)


def _exactness(patterns: str, region: str) -> int:
    """How exactly a row's region names `region`: 3 by name, 2 by pattern, 1 by `*`, 0 not at all."""
    scores = (3 if p == region else (1 if p == "*" else 2) for p in patterns.split() if fnmatchcase(region, p))
    return max(scores, default=0)


def _priced_name(instance: str) -> str:
    """A catalogued type, or one that only has prices (head nodes)."""
    wanted = instance.strip().lower()
    if wanted in {row.instance for row in _rows()}:
        return wanted
    try:
        return find_instance(instance)
    except UnknownName:
        choices = dict.fromkeys([*instance_names(), *(row.instance for row in _rows())])
        raise UnknownName("instance", instance, choices, next="fmctl prices list") from None


def _no_option(option: str) -> UnknownName:
    names = priced()
    return UnknownName("purchase option", option, names, next=f"use one of {', '.join(names)}")


def storage_prices() -> tuple[StoragePrice, ...]:
    """Prices of storage, transfer and services, in the order of the file; then those of the user's snapshots."""
    return read_storage_prices(data_dir("pricing") / "storage.csv") + tuple(
        row for path in snapshot_files("storage.csv") for row in read_storage_prices(path)
    )


def find_storage_price(item: str, region: str, on: date | None = None) -> StoragePrice:
    """The price of one storage item in a region, the newest or that of a day; `usd` is None, with a note, if unknown.

    Raises:
        UnknownName: no such item.
    """
    rows = [row for row in storage_prices() if row.item == item]
    if not rows:
        raise UnknownName("storage price", item, {row.item for row in storage_prices()}, next="fmctl prices list")
    matching = [row for row in rows if _exactness(row.region, region)]
    in_force = [row for row in matching if on is None or row.date <= on.isoformat()]
    if in_force:
        return max(in_force, key=lambda row: (row.date, _exactness(row.region, region)))
    there = ", ".join(dict.fromkeys(row.region for row in rows))
    when = f" on or before {on.isoformat()}" if on is not None and matching else ""
    note = f"no price found for {region}{when}; the file has {there}"
    return StoragePrice(item, region, rows[0].unit, None, "", "", note)
