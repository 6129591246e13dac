"""The dated rate of every line of a bill, or why none is known. Rates of another region are shown, never counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from fmctl.base.errors import UnknownName
from fmctl.catalog import find_price, find_storage_price
from fmctl.domain.offer import Offer
from fmctl.domain.purchase import ON_DEMAND

ON_FILE = "us-east-1"
"""The region whose storage and head-node prices are on file."""


@dataclass(frozen=True, slots=True)
class Rate:
    """USD per unit; None, with `why`, where unknown."""

    usd: float | None
    date: str = ""
    source: str = ""
    why: str = ""
    indicative_usd: float | None = None  # what is known of ON_FILE, where it is not here


def compute_rate(offer: Offer) -> Rate:
    """One hour of an instance (UltraServer), as offered."""
    return Rate(offer.usd_per_h, offer.date, offer.source, offer.why)


def node_rate(instance: str, region: str, on: date) -> Rate:
    """One on-demand hour of a head or login node."""
    try:
        here = find_price(instance, region, ON_DEMAND.name, on)
        there = find_price(instance, ON_FILE, ON_DEMAND.name, on)
    except UnknownName:
        return Rate(None, why=f"no price of {instance} is on file")
    if here.usd_per_h is not None:
        return Rate(here.usd_per_h, here.date, here.source)
    return Rate(None, why=here.note, indicative_usd=None if region == ON_FILE else there.usd_per_h)


def item_rate(item: str, region: str, on: date) -> Rate:
    """One unit of storage, transfer or service (pricing/storage.csv)."""
    try:
        here = find_storage_price(item, region, on)
        there = find_storage_price(item, ON_FILE, on)
    except UnknownName:
        return Rate(None, why=f"no price of {item} is on file")
    if here.usd is not None:
        return Rate(here.usd, here.date, here.source)
    return Rate(None, here.date, here.source, here.note, None if region == ON_FILE else there.usd)


@lru_cache(maxsize=4096)
def cached_rate(kind: str, name: str, region: str, on: date) -> Rate:
    """`node_rate` (kind "node") or `item_rate` ("item"), looked up once; see `forget`."""
    return node_rate(name, region, on) if kind == "node" else item_rate(name, region, on)


def forget() -> None:
    """Look everything up again: after a snapshot was written."""
    cached_rate.cache_clear()
