"""Capacity Block calendars, worked by hand: the end of the day, the end of the month, what is on sale when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.base.errors import UsageError
from fmctl.buying.blocks import Chain, Need, Refusal, chain, next_start, sizes
from fmctl.buying.durations import DAYS, HORIZON, chains, durations

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def had(need: Need, now: datetime = NOW, earliest: datetime | None = None) -> Chain:
    found = chain(need, now, earliest)
    assert isinstance(found, Chain), found
    return found


def refused(need: Need, now: datetime = NOW, earliest: datetime | None = None) -> Refusal:
    found = chain(need, now, earliest)
    assert isinstance(found, Refusal), found
    return found


def test_the_durations_on_sale() -> None:
    assert DAYS[:14] == tuple(range(1, 15))
    assert DAYS[14:17] == (21, 28, 35)
    assert (DAYS[-1], len(DAYS)) == (182, 38)


@pytest.mark.parametrize(
    ("now", "start"),
    [
        ("2026-11-22T10:59", "2026-11-22T11:30"),  # half an hour is what AWS needs
        ("2026-11-22T11:00", "2026-11-22T11:30"),
        ("2026-11-22T11:01", "2026-11-23T11:30"),
        ("2026-12-31T12:00", "2027-01-01T11:30"),
    ],
)
def test_the_first_start(now: str, start: str) -> None:
    assert had(Need(8, 10.0), at(now)).blocks[0].start == at(start)


def test_a_start_is_told_in_utc_wherever_it_is_asked() -> None:
    seoul = timezone(timedelta(hours=9))
    # 20:00 in Seoul is 11:00 UTC of the same day, 21:00 is past the start.
    assert next_start(datetime(2026, 11, 22, 20, 0, tzinfo=seoul)) == at("2026-11-22T11:30")
    assert next_start(datetime(2026, 11, 22, 21, 0, tzinfo=seoul)) == at("2026-11-23T11:30")
    with pytest.raises(UsageError):
        next_start(datetime(2026, 11, 22))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("members", "work_h", "days"),
    [
        # 24 h less 30 min, of which the start takes 15 min and the last checkpoint 6: 23.15 h are useful.
        (1, 23.15, 1),
        (1, 23.16, 2),
        # An UltraServer goes an hour before the end: 22.65 h.
        (18, 22.65, 1),
        (18, 22.66, 2),
    ],
)
def test_the_end_of_the_day(members: int, work_h: float, days: int) -> None:
    found = had(Need(4, work_h, members, save_h=0.1, restart_h=0.25))
    (block,) = found.blocks
    assert block.days == days
    assert (block.start.hour, block.start.minute, block.end.hour, block.end.minute) == (11, 30, 11, 30)
    goes = at("2026-11-23T11:00") if members == 1 else at("2026-11-23T10:30")
    assert block.usable_until == goes + timedelta(days=days)
    assert block.save_by == block.usable_until - timedelta(minutes=6)
    assert found.paid_h == 24.0 * days
    assert found.paid_instance_h == 4 * 24.0 * days
    assert found.idle_h == pytest.approx(24.0 * days - found.lost_h - work_h, abs=1e-9)


def test_when_it_finishes_and_what_it_costs() -> None:
    # Starts on the 23rd at 11:30; 15 min to the first step, 100 h of work, 6 min for the last save.
    found = had(Need(8, 100.0, save_h=0.1, restart_h=0.25))
    assert found.finish == at("2026-11-23T11:30") + timedelta(hours=100.35)
    assert found.blocks[0].end == at("2026-11-28T11:30")
    assert found.usd(63.158) == pytest.approx(8 * 120 * 63.158)
    assert found.usd(None) is None


@pytest.mark.parametrize(
    ("now", "work_h", "end"),
    [
        ("2026-11-28T12:00", 90.0, "2026-12-03T11:30"),  # over a month's end: 29 Nov + 4 days
        ("2028-02-27T12:00", 40.0, "2028-03-01T11:30"),  # 28 Feb + 2 days: there is a 29th
        ("2027-02-26T12:00", 40.0, "2027-03-01T11:30"),  # 27 Feb + 2 days: there is none
        ("2026-12-30T12:00", 40.0, "2027-01-02T11:30"),  # over the year's end
        ("2027-03-27T12:00", 40.0, "2027-03-30T11:30"),  # clocks turn in Europe on the 28th; UTC does not
    ],
)
def test_ends_of_months_and_years(now: str, work_h: float, end: str) -> None:
    assert had(Need(8, work_h), at(now)).blocks[-1].end == at(end)


def test_fifteen_days_are_two_blocks_or_one_of_three_weeks() -> None:
    # 350 h + 2 x 0.5 h are within 15 days; no single block of 15 is sold.
    two = had(Need(8, 350.0))
    assert [block.days for block in two.blocks] == [1, 14]
    assert two.blocks[1].start == two.blocks[0].end
    assert two.paid_h == 360.0
    assert two.lost_h == 1.0
    # 23.5 h in the first block, the other 326.5 h in the second.
    assert two.finish == two.blocks[1].start + timedelta(hours=326.5)
    one = had(Need(8, 350.0, most_blocks=1))
    assert [block.days for block in one.blocks] == [21]
    assert one.paid_h == 504.0


def test_a_gap_and_a_restart_between_blocks() -> None:
    found = had(Need(8, 350.0, restart_h=0.5, save_h=0.25, gap_days=3))
    first, second = found.blocks
    assert (first.days, second.days) == (1, 14)
    assert second.start == first.end + timedelta(days=3)
    # The first block works 24 - 0.5 - 0.5 - 0.25 = 22.75 h, so 327.25 h are left after half an hour's restart.
    assert found.finish == second.start + timedelta(hours=0.5 + 327.25 + 0.25)
    assert found.lost_h == 2 * 1.25
    assert found.idle_h == pytest.approx(360.0 - 2.5 - 350.0)


def test_more_than_64_instances_are_blocks_side_by_side() -> None:
    assert sizes(64) == (64,)
    assert sizes(65) == (64, 1)
    assert sizes(256) == (64, 64, 64, 64)
    assert sizes(3, 18) == (1, 1, 1)
    found = had(Need(150, 10.0))
    assert found.blocks[0].sizes == (64, 64, 22)
    assert any("one zone" in note for note in found.notes)


def test_more_than_the_organisation_may_have() -> None:
    found = refused(Need(257, 10.0))
    assert "256" in found.reason
    assert found.nearest is not None
    assert found.nearest.need.instances == 256
    # 256 instances are 14 UltraServers of 18.
    racks = refused(Need(15, 10.0, 18))
    assert racks.nearest is not None
    assert racks.nearest.need.instances == 14


def test_eight_weeks_ahead() -> None:
    # From 22 Nov 12:00 eight weeks are 17 Jan 12:00: the block of the 17th is on sale, that of the 18th is not.
    assert had(Need(8, 10.0), NOW, at("2027-01-17T08:00")).blocks[0].start == at("2027-01-17T11:30")
    found = refused(Need(8, 10.0), NOW, at("2027-01-17T12:00"))
    assert "2026-11-23" in found.reason
    assert found.nearest is not None
    assert found.nearest.blocks[0].start == at("2027-01-17T11:30")
    later = had(Need(8, 10.0, buy_later=True), NOW, at("2027-01-17T12:00"))
    assert later.blocks[0].start == at("2027-01-18T11:30")
    assert later.blocks[0].buy_from == at("2026-11-23T11:30")
    assert any("2026-11-23" in note for note in later.notes)


def test_eight_weeks_to_the_minute() -> None:
    now, last = at("2026-11-22T11:30"), at("2027-01-17T11:30")
    assert had(Need(8, 10.0), now, last).blocks[0].start == last
    found = refused(Need(8, 10.0), now, last + timedelta(minutes=1))
    assert found.nearest is not None
    assert found.nearest.blocks[0].start == last


def test_the_shortest_block_is_first_so_that_all_can_be_bought_today() -> None:
    # 182 days hold 4,367.5 h. The next that can be bought with the first is two weeks before it.
    found = had(Need(8, 4690.0))
    assert [block.days for block in found.blocks] == [14, 182]
    assert all(block.buy_from <= NOW for block in found.blocks)
    # 55 days (23 Nov + 55 = 17 Jan, the last start on sale) and 182 are the most: 6 + 49 + 182.
    most = refused(Need(8, 10_000.0))
    assert most.nearest is not None
    assert sorted(block.days for block in most.nearest.blocks) == [6, 49, 182]
    assert "5,686.5 h" in most.reason  # 24 x 237 - 3 x 0.5
    assert isinstance(chain(Need(8, 10_000.0, buy_later=True), NOW), Chain)


def test_what_no_block_can_hold() -> None:
    assert refused(Need(8, 4400.0, most_blocks=1)).nearest is not None
    assert refused(Need(0, 10.0)).nearest is None
    assert refused(Need(8, -1.0)).nearest is None
    assert "no useful hour" in refused(Need(8, 10.0, restart_h=5000.0)).reason


# Every sum of at most three durations, by brute force.
SUMS = sorted({(sum(parts), len(parts)) for count in (1, 2, 3) for parts in combinations_with_replacement(DAYS, count)})


@given(work_h=st.floats(0.1, 12_000.0), spent_h=st.floats(0.0, 6.0))
def test_no_other_chain_of_three_pays_fewer_days(work_h: float, spent_h: float) -> None:
    fits = [days for days, count in SUMS if 24.0 * days - count * (spent_h + 0.5) >= work_h - 1e-6]
    found = chains(work_h, spent_h, 0.5, most_blocks=3, buy_later=True)
    assert int(found.days) == min(fits, default=0)


@given(work=st.lists(st.floats(0.0, 6000.0), min_size=1, max_size=20), ahead_h=st.floats(0.0, 1344.0))
def test_a_batch_is_its_rows_and_more_work_never_costs_less(work: list[float], ahead_h: float) -> None:
    batch = chains(np.sort(work), 0.6, 0.5, ahead_h=ahead_h)
    for row, hours in enumerate(np.sort(work)):
        one: Any = chains(hours, 0.6, 0.5, ahead_h=ahead_h)
        for name in ("days", "blocks", "last_start_h", "paid_h", "idle_h", "elapsed_h"):
            assert np.array_equal(getattr(one, name), getattr(batch, name)[row], equal_nan=True)
    held = batch.days[batch.days > 0]
    assert np.all(np.diff(held) >= 0)
    assert np.all(batch.days[len(held) :] == 0)
    assert np.all(np.isnan(batch.paid_h) == (batch.days == 0))


@given(
    work_h=st.floats(0.1, 5000.0), restart_h=st.floats(0.0, 3.0), gap_days=st.integers(0, 5), hour=st.integers(0, 999)
)
def test_the_calendar_adds_up(work_h: float, restart_h: float, gap_days: int, hour: int) -> None:
    need = Need(16, work_h, save_h=0.2, restart_h=restart_h, gap_days=gap_days)
    now = NOW + timedelta(hours=hour)
    found = chain(need, now)
    if isinstance(found, Refusal):
        assert found.nearest is not None
        found = found.nearest
        assert found.need.work_h < work_h
    work = found.need.work_h
    assert sum(block.usable_h for block in found.blocks) == pytest.approx(work + found.idle_h)
    assert found.paid_h == sum((b.end - b.start).total_seconds() for b in found.blocks) / 3600.0
    assert found.paid_h == pytest.approx(work + found.lost_h + found.idle_h)
    assert all(block.days in DAYS and block.start <= now + HORIZON for block in found.blocks)
    for before, after in zip(found.blocks, found.blocks[1:], strict=False):
        assert after.start == before.end + timedelta(days=gap_days)
    # It finishes inside the last block, before its instances go.
    last = found.blocks[-1]
    assert last.start <= found.finish <= last.usable_until + timedelta(seconds=1)


def test_durations_are_the_sums() -> None:
    for days in range(1, 400):
        found = durations(days)
        assert sum(found) == days
        assert set(found) <= set(DAYS)
        assert list(found) == sorted(found)
