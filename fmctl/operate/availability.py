"""What capacity there is for so many instances, and by which ways they can be had: AWS's answers held against a need.

`look` asks one region everything; `ways` judges, without asking. What AWS would not say makes a way unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fmctl.adapters.aws.capacity import Answer, BlockOffering, Capacity, SpotScore
from fmctl.buying.blocks import MOST_INSTANCES
from fmctl.domain.ports import Reservation
from fmctl.domain.purchase import BLOCK, ON_DEMAND, SPOT
from fmctl.domain.quotas import quota_code, quota_family

State = Literal["yes", "maybe", "no", "unknown"]
RESERVATION = "reservation"


@dataclass(frozen=True, slots=True)
class Need:
    """So many instances (UltraServers) for so many days."""

    instance: str
    count: int
    days: int
    member_type: str  # with members: what one UltraServer is made of; of any other type it is its own only member
    members: int = 1
    vcpu: int | None = None  # of one instance, None where not known
    purchase: tuple[str, ...] = ()  # ways in which the catalogue says that it is sold
    start: datetime | None = None  # the earliest

    @property
    def in_a_block(self) -> int:
        """What one block is asked for."""
        return self.count if self.instance.startswith("u-") else min(self.count, MOST_INSTANCES)


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota in vCPUs, what counts against it already, and what is needed; None where not known."""

    purchase: str
    code: str | None
    limit_vcpu: float | None
    used_vcpu: int | None
    needed_vcpu: int | None

    @property
    def enough(self) -> bool | None:
        """Whether there is room; a limit that is too small without anything running is enough to say no."""
        if self.limit_vcpu is None or self.needed_vcpu is None:
            return None
        if self.limit_vcpu < self.needed_vcpu:
            return False
        return None if self.used_vcpu is None else self.limit_vcpu - self.used_vcpu >= self.needed_vcpu


@dataclass(frozen=True, slots=True)
class Region:
    """Everything that one region answered."""

    name: str
    zones: Answer[str]
    blocks: Answer[BlockOffering]
    spot: Answer[SpotScore]
    reservations: Answer[Reservation]
    quotas: tuple[Answer[Quota], ...]  # on demand and Spot, none of a type that is only sold in blocks

    def sections(self) -> tuple[tuple[str, Answer[object]], ...]:
        """Every answer by the name of its section."""
        named = {"zones": self.zones, "blocks": self.blocks, "spot_scores": self.spot}
        named |= {"reservations": self.reservations}
        return (*named.items(), *(("quotas", answer) for answer in self.quotas))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to have the instances in a region: yes (it is on sale or held), maybe (allowed, not promised), ..."""

    region: str
    way: str
    state: State
    found: str
    next: str = ""


def look(capacity: Capacity, need: Need, region: str) -> Region:
    """Ask one region everything. Raises nothing that AWS says: see `Answer`."""
    sold = [purchase for purchase in (ON_DEMAND.name, SPOT.name) if purchase in need.purchase]
    spot: Answer[SpotScore] = Answer(())
    if SPOT.name in sold:
        spot = capacity.spot_scores(need.instance, need.count, [region])
    return Region(
        name=region,
        zones=capacity.zones(need.member_type),
        blocks=capacity.blocks(need.instance, need.in_a_block, need.days, need.start),
        spot=spot,
        reservations=capacity.reservations(need.member_type),
        quotas=tuple(_quota(capacity, need, purchase) for purchase in sold),
    )


def _quota(capacity: Capacity, need: Need, purchase: str) -> Answer[Quota]:
    """The quota with its use; where only the use could not be asked, both the rest of it and why."""
    code, family = quota_code(need.instance, purchase), quota_family(need.instance, purchase)
    needed = None if need.vcpu is None else need.vcpu * need.count
    limit = capacity.quota(code)
    used: Answer[int] = Answer(())
    if limit.found and family is not None:
        used = capacity.used_vcpus(family, purchase == SPOT.name)
    found = Quota(purchase, code, next(iter(limit.found), None), next(iter(used.found), None), needed)
    why = " and ".join(f"{purchase}: {answer.why}" for answer in (limit, used) if answer.why)
    return Answer((found,), why, limit.next or used.next, limit.denied or used.denied)


def ways(need: Need, found: Region) -> tuple[Way, ...]:
    """How the instances can be had in this region, surest first."""
    judged = [_by_reservation(need, found), _by_block(need, found)]
    judged += [_by_quota(need, found, answer) for answer in found.quotas]
    return tuple(judged)


def available(found: Sequence[Way]) -> State:
    """The best of all ways in all regions; Spot alone that is unknown leaves a no a no."""
    states = {way.state for way in found}
    if states & {"yes", "maybe"}:
        return "yes" if "yes" in states else "maybe"
    return "unknown" if any(way.state == "unknown" and way.way != SPOT.name for way in found) else "no"


def _by_reservation(need: Need, found: Region) -> Way:
    def said(state: State, words: str, next_step: str = "") -> Way:
        return Way(found.name, RESERVATION, state, words, next_step)

    if not found.reservations.asked:
        return said("unknown", "reservations could not be asked", found.reservations.next)
    wanted = need.count * need.members
    free = [(free_instances(one), one.id) for one in found.reservations.found]
    enough = [name for count, name in free if count >= wanted]
    if enough:
        return said("yes", f"{', '.join(enough)}", f"fmctl render PLAN --reservation {enough[0]}")
    if free:
        most, name = max(free)
        return said("no", f"none has {wanted} free; {name} has {most}")
    return said("no", "none is held")


def free_instances(one: Reservation) -> int:
    """Instances that a run could take; all of a reservation that has not begun (assumed: AWS counts none as free yet).

    One that is only asked for (pending, assessing) may still be refused.
    """
    return {"active": one.available, "scheduled": one.total}.get(one.state, 0)


def _by_block(need: Need, found: Region) -> Way:
    offers = found.blocks.found
    if not found.blocks.asked:
        return Way(found.name, BLOCK.name, "unknown", "Capacity Blocks could not be asked", found.blocks.next)
    if not offers:
        words = f"none of {need.in_a_block} for {need.days} d is on sale"
        return Way(found.name, BLOCK.name, "no", words, "other --days, --count, --start or --regions")
    cheapest = min((one.fee_usd for one in offers if one.fee_usd is not None), default=None)
    price = "" if cheapest is None else f", from ${cheapest:,.2f}"
    if need.in_a_block < need.count:
        side_by_side = -(-need.count // need.in_a_block)
        words = f"{need.count} take {side_by_side} blocks; on sale of {need.in_a_block}: {len(offers)}{price} each"
        return Way(found.name, BLOCK.name, "maybe", words)
    return Way(found.name, BLOCK.name, "yes", f"{len(offers)} on sale{price}")


def _by_quota(need: Need, found: Region, answer: Answer[Quota]) -> Way:
    quota = answer.found[0]
    if found.zones.asked and not found.zones.found:
        return Way(found.name, quota.purchase, "no", f"no zone offers {need.member_type}", "other --regions")
    if quota.enough is None:
        return Way(found.name, quota.purchase, "unknown", "the quota could not be held against it", answer.next)
    if not quota.enough:
        words = f"{quota.needed_vcpu} vCPUs needed, {_left(quota)} of {quota.limit_vcpu:.0f} left"
        return Way(found.name, quota.purchase, "no", words, raise_quota(quota))
    if not found.zones.asked:
        return Way(found.name, quota.purchase, "unknown", "zones could not be asked", found.zones.next)
    return Way(found.name, quota.purchase, "maybe", "the quota has room; AWS promises no capacity")


def _left(quota: Quota) -> str:
    return f"{max((quota.limit_vcpu or 0.0) - (quota.used_vcpu or 0), 0.0):.0f}"


def raise_quota(quota: Quota) -> str:
    """The command that asks for a quota that is large enough."""
    wanted = (quota.needed_vcpu or 0) + (quota.used_vcpu or 0)
    return (
        "aws service-quotas request-service-quota-increase --service-code ec2 "
        f"--quota-code {quota.code} --desired-value {wanted}"
    )
