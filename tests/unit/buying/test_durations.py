"""Sums of durations at their edges: what just fits and what just does not, what is on sale on the last day, ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fmctl.buying.durations import chains, durations, sums, usable_h

HORIZON_H = 1344.0  # eight weeks
NAMES = ("days", "blocks", "last_start_h", "paid_h", "idle_h", "between_h", "elapsed_h")


def row(found: Any) -> tuple[float, ...]:
    return tuple(float(getattr(found, name)) for name in NAMES)


def test_every_column_by_hand() -> None:
    # 350 h and 1.25 h lost in each of two blocks are within 15 days of 24 h: 352.5 <= 360. Three days lie between them.
    # The second starts 1 + 3 days after the first, which worked 24 - 1.25 = 22.75 h; 327.25 h and 0.75 h are left.
    found = chains(350.0, 0.75, 0.5, gap_h=72.0)
    assert row(found) == (15, 2, 96.0, 360.0, 7.5, 72.0, 96.0 + 0.75 + 327.25)
    # One block of three weeks: no gap, no second start.
    one = chains(350.0, 0.75, 0.5, gap_h=72.0, most_blocks=1)
    assert row(one) == (21, 1, 0.0, 504.0, 504.0 - 1.25 - 350.0, 0.0, 350.75)


def test_what_cannot_be_had_is_not_a_number() -> None:
    found = chains(np.array([-1.0, 5e5]), 0.5, 0.5)
    assert found.days.tolist() == found.blocks.tolist() == [0, 0]
    for name in NAMES[2:]:
        assert np.isnan(getattr(found, name)).all(), name


@pytest.mark.parametrize(("most_blocks", "longest"), [(1, 182), (2, 364), (3, 546)])
def test_the_most_that_blocks_hold(most_blocks: int, longest: int) -> None:
    """Up to the last hour of the longest chain; an hour, a day and a week beyond there is none."""
    held = 24.0 * longest - most_blocks * 1.0
    work = np.array([held, held + 1.0, held + 24.0, held + 25.0, held + 200.0])
    found = chains(work, 0.5, 0.5, most_blocks=most_blocks, buy_later=True)
    assert found.days.tolist() == [longest, 0, 0, 0, 0]
    assert found.idle_h[0] == 0.0


def test_no_work_is_a_day() -> None:
    assert row(chains(0.0, 0.0, 0.0))[:4] == (1, 1, 0.0, 24.0)
    assert chains(np.array([23.0, 23.0 + 5e-7, 23.1]), 0.5, 0.5).days.tolist() == [1, 1, 2]


def test_starts_on_the_last_day_on_sale() -> None:
    # 14 and 182 days: the long block starts two weeks after the first, 1,008 h + 336 h ahead are eight weeks.
    work = 24.0 * 196 - 2.0
    for ahead_h, days in ((1008.0, 196), (1008.1, 0)):
        assert int(chains(work, 0.5, 0.5, ahead_h=ahead_h, most_blocks=2).days) == days
    # A gap of a day puts it off by as much, and one block has no gap.
    for ahead_h, days in ((984.0, 196), (984.1, 0)):
        assert int(chains(work, 0.5, 0.5, gap_h=24.0, ahead_h=ahead_h, most_blocks=2).days) == days
    assert int(chains(100.0, 0.5, 0.5, gap_h=1e6, ahead_h=HORIZON_H).days) == 5
    assert int(chains(100.0, 0.5, 0.5, ahead_h=HORIZON_H + 0.1).days) == 0
    assert int(chains(100.0, 0.5, 0.5, ahead_h=HORIZON_H + 0.1, buy_later=True).days) == 5


def test_fewer_blocks_where_days_are_the_same() -> None:
    # 28 days are one block, and two of 14 as well.
    found = chains(24.0 * 28 - 2.0, 0.5, 0.5)
    assert (int(found.days), int(found.blocks)) == (28, 1)
    # 27.5 days of work and two losses fit two blocks of 28 days too: no more is paid for one of 28.
    assert (int(chains(24.0 * 27.5, 0.5, 0.5).days), int(chains(24.0 * 27.5, 0.5, 0.5).blocks)) == (28, 1)


def test_sums_by_hand() -> None:
    fewest, longest, reach = sums(2)
    assert (len(fewest), fewest[0], fewest[1], fewest[14], fewest[15], fewest[21]) == (365, 0, 1, 1, 2, 1)
    assert (longest[0], longest[1], longest[15], longest[21], longest[364]) == (0, 1, 14, 21, 182)
    # The next sum of no block, of one and of two from 15 days on; none beyond.
    assert reach.shape == (3, 365)
    assert (reach[0, 0], reach[1, 15], reach[2, 15], reach[1, 182], reach[2, 364]) == (0, 21, 15, 182, 364)
    assert reach[0, 1] == reach[1, 183] == np.iinfo(np.int64).max


def test_durations_of_a_sum() -> None:
    assert durations(15, 2) == (1, 14)
    assert durations(49, 8) == (49,)
    assert durations(0, 2) == ()


def test_useful_hours() -> None:
    assert usable_h(3, 1.5) == 70.5
    assert usable_h([1, 2], 0.0).tolist() == [24.0, 48.0]
