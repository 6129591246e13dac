"""A way to buy an instance type in a region, at a dated rate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to buy. usd_per_h is of one instance (UltraServer); None, with `why`, where no rate is known."""

    instance: str
    region: str
    zones: tuple[str, ...]  # ids where the type is offered; empty where the table names none
    option: str
    usd_per_h: float | None
    # listed, typical (a stated figure of one day), given (by the user), stale (a newer one exists and is unknown) or
    # unknown
    rate: str
    why: str
    date: str
    source: str
    billed: str  # used, held, up front or term
    term_h: float  # hours that are paid for in any case
    note: str  # what whoever buys should know
