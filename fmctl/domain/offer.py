"""A way to buy an instance type in a region, at a dated rate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to buy. usd_per_h is of one instance (UltraServer); None, with `why`, where no rate is known.

    zones: ids where the type is offered; empty where the table names none. rate: listed, typical (a stated figure of
    one day), given (by the user), stale (a newer one exists and is unknown) or unknown. billed: used, held, up front or
    term; term_h: hours that are paid for in any case. note: what whoever buys should know.
    """

    instance: str
    region: str
    zones: tuple[str, ...]
    option: str
    usd_per_h: float | None
    rate: str
    why: str
    date: str
    source: str
    billed: str
    term_h: float
    note: str
