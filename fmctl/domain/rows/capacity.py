"""What AWS has for sale. Made of `fmctl.documents.capacity` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Envelope


class WayRow(TypedDict):
    """A way to have the instances: yes (on sale, or held), maybe (allowed, not promised), no, or unknown."""

    region: str
    way: Literal["reservation", "capacity-block", "on-demand", "spot"]
    state: Literal["yes", "maybe", "no", "unknown"]
    found: str
    next: str | None


class BlockRow(TypedDict):
    """A Capacity Block on sale."""

    region: str
    id: str
    instance: str
    zone: str
    count: int
    start: str
    end: str
    usable_until: str
    duration_h: float
    fee_usd: float | None
    currency: str
    usd_per_h: float | None


class ReservationRow(TypedDict):
    """A reservation or Capacity Block that the account holds."""

    region: str
    id: str
    instance: str
    zone: str
    state: str
    total: int
    available: int
    free: int
    kind: str
    start: str | None
    end: str | None


class QuotaRow(TypedDict):
    """A quota in vCPUs."""

    region: str
    purchase: Literal["on-demand", "spot"]
    code: str | None
    limit_vcpu: float | None
    used_vcpu: int | None
    needed_vcpu: int | None
    enough: bool | None
    next: str | None


class ScoreRow(TypedDict):
    """A Spot placement score, 1 to 10."""

    region: str
    zone_id: str
    score: int


class ZoneRow(TypedDict):
    """A zone that offers the type."""

    region: str
    zone_id: str


class NotAskedSection(TypedDict):
    """A section of a region that AWS did not answer, in whole or in part."""

    region: str
    section: Literal["zones", "blocks", "spot_scores", "reservations", "quotas"]
    why: str
    next: str | None


class Capacity(TypedDict):
    """What is to be had."""

    instance: str
    count: int
    days: int
    available: Literal["yes", "maybe", "no", "unknown"]
    ways: list[WayRow]
    blocks: list[BlockRow]
    reservations: list[ReservationRow]
    quotas: list[QuotaRow]
    spot_scores: list[ScoreRow]
    zones: list[ZoneRow]
    not_asked: list[NotAskedSection]


class CapacityDocument(Envelope):
    """What capacity AWS has now."""

    schema: Literal["fmctl.capacity/1"]
    result: Capacity
