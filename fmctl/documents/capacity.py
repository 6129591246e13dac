"""What `capacity` answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fmctl.documents.base import Envelope, Open


class WayRow(Open):
    """A way to have the instances: yes (on sale, or held), maybe (allowed, not promised), no, or unknown."""

    region: str
    way: Literal["reservation", "capacity-block", "on-demand", "spot"]
    state: Literal["yes", "maybe", "no", "unknown"]
    found: str
    next: str | None


class BlockRow(Open):
    """A Capacity Block on sale; fee_usd is for all of it, usd_per_h of one instance (UltraServer)."""

    region: str
    id: str
    instance: str
    zone: str
    count: int
    start: str
    end: str
    usable_until: str = Field(description="when EC2 begins to take its instances down")
    duration_h: float
    fee_usd: float | None = Field(description="UpfrontFee; null in another currency")
    currency: str
    usd_per_h: float | None


class ReservationRow(Open):
    """A reservation or Capacity Block that the account holds."""

    region: str
    id: str
    instance: str
    zone: str
    state: str
    total: int
    available: int = Field(description="as AWS says")
    free: int = Field(description="what a run could take: all of it where it has not begun, none while it is pending")
    kind: str
    start: str | None
    end: str | None


class QuotaRow(Open):
    """A quota in vCPUs; null is unknown."""

    region: str
    purchase: Literal["on-demand", "spot"]
    code: str | None
    limit_vcpu: float | None
    used_vcpu: int | None
    needed_vcpu: int | None
    enough: bool | None
    next: str | None = Field(description="the command that asks for more, where it is too small")


class ScoreRow(Open):
    """A Spot placement score, 1 to 10; zone_id is empty where it is of the region."""

    region: str
    zone_id: str
    score: int


class ZoneRow(Open):
    """A zone that offers the type."""

    region: str
    zone_id: str


class NotAskedSection(Open):
    """A section of a region that AWS did not answer, in whole or in part."""

    region: str
    section: Literal["zones", "blocks", "spot_scores", "reservations", "quotas"]
    why: str
    next: str | None


class Capacity(Open):
    """What is to be had; `available` is the best state of all ways."""

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

    schema_: Literal["fmctl.capacity/1"] = Field(alias="schema")
    result: Capacity
