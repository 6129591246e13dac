"""Capacity Block arithmetic for many rows at once: which sums of durations hold the work, shape [n] in and out.

Source: EC2 User Guide, "Capacity Blocks for ML" (2026-10): 1 to 14 days or whole weeks up to 182 days; starts within
eight weeks. A chain is a sum of such durations, and every block of it loses the same hours to its start and its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmctl.domain.result import FloatArray

DAY_H = 24.0
DAYS = (*range(1, 15), *range(21, 183, 7))
HORIZON = timedelta(weeks=8)
ROUNDING_H = 1e-6
_NEVER = np.iinfo(np.int64).max
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """Chains of many rows, arrays [n]; where none can be had `days` and `blocks` are 0 and the hours NaN."""

    days: Ints
    blocks: Ints
    last_start_h: FloatArray  # from the first block's start to the last one's
    paid_h: FloatArray
    idle_h: FloatArray
    between_h: FloatArray  # no block runs
    elapsed_h: FloatArray  # from the first start to the end of the last save


def usable_h(days: ArrayLike, lost_h: ArrayLike) -> FloatArray:
    """Useful hours of a block: 24 days - lost hours; shape [n]. lost_h: see `Need.lost_h`."""
    return DAY_H * np.asarray(days, dtype=np.float64) - np.asarray(lost_h, dtype=np.float64)


def chains(
    work_h: ArrayLike,
    spent_h: ArrayLike,
    taken_down_h: ArrayLike,
    *,
    gap_h: ArrayLike = 0.0,
    ahead_h: ArrayLike = 0.0,
    most_blocks: int = 8,
    buy_later: bool = False,
) -> Chains:
    """The blocks with the fewest paid days, then the fewest blocks, for each row.

    work + blocks x (spent + taken down) <= 24 x days, days a sum of durations that AWS sells, the shortest first.
    work_h, spent_h (start and last save of each block), taken_down_h (of each), gap_h (between two), ahead_h (from now
    to the first start): hours, shape [n] or scalars.
    Source: module docstring. Valid: most_blocks up to some dozens.
    """
    given = (np.asarray(hours, np.float64) for hours in (work_h, spent_h, taken_down_h, gap_h, ahead_h))
    work, spent, taken, gap, ahead = np.broadcast_arrays(*given)
    lost = spent + taken
    fewest, longest, reach = sums(most_blocks)
    days = np.zeros(work.shape, np.int64)
    horizon_h = np.inf if buy_later else HORIZON.total_seconds() / 3600.0
    for count in range(1, most_blocks + 1):
        least = np.ceil((work + count * lost - ROUNDING_H) / DAY_H)
        held = (least < reach.shape[1]) & (work >= 0.0)
        found = reach[count, np.where(held, np.maximum(least, 1.0), 0.0).astype(np.int64)]
        held &= (found > 0) & (found < _NEVER)
        found = np.where(held, found, 0)
        begins_h = ahead + DAY_H * (found - longest[found]) + gap * np.maximum(fewest[found] - 1, 0)
        better = held & (begins_h <= horizon_h + ROUNDING_H) & ((days == 0) | (found < days))
        days = np.where(better, found, days)
    return _columns(days, fewest[days], longest[days], (work, spent, lost, gap))


def _columns(days: Ints, blocks: Ints, longest: Ints, hours: tuple[FloatArray, ...]) -> Chains:
    """What follows from days and blocks; before the last block everything usable was used."""
    work, spent, lost, gap = hours
    none = np.where(days > 0, 0.0, np.nan)
    before = np.maximum(blocks - 1, 0)
    last_start_h = DAY_H * (days - longest) + gap * before + none
    done_h = DAY_H * (days - longest) - before * lost
    return Chains(
        days=days,
        blocks=blocks,
        last_start_h=last_start_h,
        paid_h=usable_h(days, 0.0) + none,
        idle_h=np.maximum(DAY_H * days - blocks * lost - work, 0.0) + none,
        between_h=gap * before + none,
        elapsed_h=last_start_h + spent + (work - done_h),
    )


@cache
def sums(most_blocks: int) -> tuple[Ints, Ints, Ints]:
    """By sum of days: fewest blocks that add up to it, the longest of them, and the next sum with at most k blocks."""
    most = most_blocks * DAYS[-1]
    fewest, longest = np.zeros(most + 1, np.int64), np.zeros(most + 1, np.int64)
    durations = np.array(DAYS[::-1])
    for total in range(1, most + 1):
        fits = durations[durations <= total]
        counts = fewest[total - fits]
        fewest[total], longest[total] = counts.min() + 1, fits[counts.argmin()]
    shorter = np.where(fewest <= np.arange(most_blocks + 1)[:, None], np.arange(most + 1), _NEVER)
    reach = np.minimum.accumulate(shorter[:, ::-1], axis=1)[:, ::-1]
    return fewest, longest, reach


def durations(days: int, most_blocks: int = 8) -> tuple[int, ...]:
    """The fewest durations on sale that add up to `days`, the shortest first: more of them can be bought today."""
    longest, found = sums(most_blocks)[1], []
    while days:
        found.append(int(longest[days]))
        days -= found[-1]
    return tuple(sorted(found))
