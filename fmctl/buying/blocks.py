"""Capacity Block calendars: which blocks hold a run, when it finishes, what is paid for. Nothing here reads a clock.

Source: EC2 User Guide, "Capacity Blocks for ML" (2026-10): 1 to 14 days or whole weeks up to 182 days; starts within
eight weeks; 1 to 64 instances a block, 256 of an organisation on any date; one zone; paid up front, neither cancelled
nor split. assumed: blocks begin at 11:30 UTC, when they end too, so that they are whole days (AWS also starts blocks
within half an hour; only the offering says how long those are); no type has a smaller limit than 64 (not published).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np

from fmctl.base.errors import UsageError
from fmctl.buying.durations import DAY_H, HORIZON, ROUNDING_H, Chains, chains, durations, sums, usable_h
from fmctl.domain.block import Block
from fmctl.domain.block_end import BLOCK_ENDS, block_usable_until, taken_down

MOST_INSTANCES = 64
MOST_IN_ORGANISATION = 256
SOONEST = timedelta(minutes=30)
PAYMENT_CLEARS = timedelta(hours=12)
"""A block that is not paid for by then is released."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a run wants of Capacity Blocks."""

    instances: int  # instances, or UltraServers of `members` instances each
    work_h: float  # useful hours, training alone
    members: int = 1
    save_h: float = 0.0  # the last checkpoint of a block must be begun so long before its instances go
    restart_h: float = 0.0  # from a block's start to the first step
    gap_days: int = 0  # days between two blocks
    most_blocks: int = 8  # blocks one after the other
    buy_later: bool = False  # blocks that start beyond the eight weeks may be bought when their time comes

    @property
    def lost_h(self) -> float:
        """Hours of every block in which nothing is trained: start, last checkpoint, and the end that AWS takes."""
        return self.spent_h + self.taken_down_h

    @property
    def spent_h(self) -> float:
        """Start and last checkpoint of a block."""
        return self.restart_h + self.save_h

    @property
    def taken_down_h(self) -> float:
        """What AWS takes of a block's end."""
        return taken_down(self.members > 1).total_seconds() / 3600.0


@dataclass(frozen=True, slots=True)
class Chain:
    """Blocks one after the other that hold a run. Hours are of one instance; `finish` is when the last save is done."""

    need: Need
    blocks: tuple[Block, ...]
    finish: datetime
    paid_h: float
    lost_h: float
    idle_h: float
    notes: tuple[str, ...]

    @property
    def paid_instance_h(self) -> float:
        """Instance-hours (UltraServer-hours) that are paid for: whole blocks."""
        return self.paid_h * self.need.instances

    def usd(self, usd_per_h: float | None) -> float | None:
        """Paid up front for all blocks at a rate per instance-hour; None where no rate is known."""
        return None if usd_per_h is None else self.paid_instance_h * usd_per_h


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no blocks can hold the run, and the nearest chain that could be had."""

    reason: str
    nearest: Chain | None = None


def utc(moment: datetime) -> datetime:
    """The moment in UTC. Raises UsageError where it has no time zone."""
    if moment.tzinfo is None:
        raise UsageError(f"{moment.isoformat()} has no time zone", next=f"{moment.isoformat()}+00:00")
    return moment.astimezone(UTC)


def next_start(moment: datetime) -> datetime:
    """The first 11:30 UTC at or after a moment: where a planned block begins."""
    here = utc(moment)
    today = datetime.combine(here.date(), BLOCK_ENDS, UTC)
    return today if here <= today else today + timedelta(days=1)


def sizes(instances: int, members: int = 1) -> tuple[int, ...]:
    """Blocks side by side: 64 instances at most in each; an UltraServer is a block of its own (assumed)."""
    if members > 1:
        return (1,) * instances
    full, rest = divmod(instances, MOST_INSTANCES)
    return (MOST_INSTANCES,) * full + ((rest,) if rest else ())


@lru_cache(maxsize=4096)
def chain(need: Need, now: datetime, earliest: datetime | None = None) -> Chain | Refusal:
    """The blocks for a run, cheapest first, or why there are none with the nearest that could be had.

    now: the day of buying; earliest: the run may start then (None: as soon as AWS starts a block). Both aware.
    """
    soonest = utc(now) + SOONEST
    start = next_start(soonest if earliest is None else max(utc(earliest), soonest))
    refused = _too_many(need, now, earliest) or _too_far(need, now, start)
    if refused is not None:
        return refused
    ahead_h = (start - utc(now)).total_seconds() / 3600.0
    found = chains(
        need.work_h, need.spent_h, need.taken_down_h, gap_h=need.gap_days * DAY_H, ahead_h=ahead_h,
        most_blocks=need.most_blocks, buy_later=need.buy_later,
    )  # fmt: skip
    if not found.days:
        return _too_long(need, now, start, ahead_h)
    return _chain(need, utc(now), start, found)


def _chain(need: Need, now: datetime, start: datetime, found: Chains) -> Chain:
    blocks: list[Block] = []
    for days in durations(int(found.days), need.most_blocks):
        blocks.append(_block(need, start, days))
        start = blocks[-1].end + timedelta(days=need.gap_days)
    return Chain(
        need=need,
        blocks=tuple(blocks),
        finish=blocks[0].start + timedelta(hours=float(found.elapsed_h)),
        paid_h=float(found.paid_h),
        lost_h=int(found.blocks) * need.lost_h,
        idle_h=float(found.idle_h),
        notes=tuple(_notes(need, blocks, now)),
    )


def _block(need: Need, start: datetime, days: int) -> Block:
    end = start + timedelta(days=days)
    until = block_usable_until(end, need.members > 1)
    return Block(
        start=start,
        end=end,
        usable_until=until,
        save_by=until - timedelta(hours=need.save_h),
        buy_from=start - HORIZON,
        usable_h=float(usable_h(days, need.lost_h)),
        sizes=sizes(need.instances, need.members),
    )


def _notes(need: Need, blocks: list[Block], now: datetime) -> list[str]:
    notes = []
    if len(blocks[0].sizes) > 1:
        notes.append(f"{len(blocks[0].sizes)} blocks side by side: AWS does not promise them in one zone")
    if len(blocks) > 1:
        notes.append(
            f"{len(blocks)} blocks in a row: each is offered or not when it is bought; an extension saves the gap"
        )
    later = [block for block in blocks if block.buy_from > now]
    if later:
        notes.append(f"{len(later)} of them cannot be bought yet: the first from {later[0].buy_from:%Y-%m-%d}")
    return notes


def _too_many(need: Need, now: datetime, earliest: datetime | None) -> Refusal | None:
    """Counts that are not sold."""
    if need.instances < 1 or need.work_h < 0.0 or need.most_blocks < 1:
        return Refusal("at least one instance, one block and no negative work are needed")
    most = MOST_IN_ORGANISATION // need.members
    if need.instances <= most:
        return None
    nearest = chain(replace(need, instances=most), now, earliest)
    what = f"{need.instances * need.members} instances are more than the {MOST_IN_ORGANISATION} of one organisation"
    return Refusal(what, nearest if isinstance(nearest, Chain) else nearest.nearest)


def _too_far(need: Need, now: datetime, start: datetime) -> Refusal | None:
    """Starts that AWS does not sell yet."""
    last = utc(now) + HORIZON
    if start <= last or need.buy_later:
        return None
    latest = next_start(last) - timedelta(days=0 if next_start(last) <= last else 1)
    nearest = chain(need, now, latest)
    what = f"a start on {start:%Y-%m-%d} can be bought from {start - HORIZON:%Y-%m-%d} on: eight weeks ahead at most"
    return Refusal(what, nearest if isinstance(nearest, Chain) else nearest.nearest)


def _too_long(need: Need, now: datetime, start: datetime, ahead_h: float) -> Refusal:
    """More work than the blocks hold that can be bought; the nearest holds as much as they do."""
    fewest, longest, _ = sums(need.most_blocks)
    days = np.arange(len(fewest))
    begins_h = ahead_h + DAY_H * (days - longest) + need.gap_days * DAY_H * np.maximum(fewest - 1, 0)
    sold = (fewest <= need.most_blocks) & ((begins_h * 3600.0 <= HORIZON.total_seconds()) | need.buy_later)
    most_h = float(np.max(np.where(sold, usable_h(days, fewest * need.lost_h), 0.0)))
    said = f"{need.work_h:,.1f} h of work do not fit: {need.most_blocks} blocks one after the other"
    why = f"{said} that can be bought hold {most_h:,.1f} h"
    if most_h <= 0.0:
        return Refusal(f"a block has no useful hour left: {need.lost_h:,.1f} h of each are lost")
    nearest = chain(replace(need, work_h=most_h - ROUNDING_H), now, start)
    return Refusal(why, nearest if isinstance(nearest, Chain) else None)
