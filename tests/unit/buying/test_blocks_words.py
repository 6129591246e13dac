"""What a calendar says beside its dates: notes, refusals with the nearest that could be had, counts at their edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fmctl.buying.blocks import Block, Chain, Need, Refusal, chain, next_start, sizes, utc

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
START = datetime(2026, 11, 23, 11, 30, tzinfo=UTC)
SIDE_BY_SIDE = "{} blocks side by side: AWS does not promise them in one zone"
IN_A_ROW = "{} blocks in a row: each is offered or not when it is bought; an extension saves the gap"
NOT_YET = "{} of them cannot be bought yet: the first from {}"


def had(need: Need, now: datetime = NOW, earliest: datetime | None = None) -> Chain:
    found = chain(need, now, earliest)
    assert isinstance(found, Chain), found
    return found


def refused(need: Need, now: datetime = NOW, earliest: datetime | None = None) -> Refusal:
    found = chain(need, now, earliest)
    assert isinstance(found, Refusal), found
    return found


@pytest.mark.parametrize(
    ("need", "notes"),
    [
        (Need(64, 10.0), ()),
        (Need(65, 10.0), (SIDE_BY_SIDE.format(2),)),
        (Need(1, 10.0, 18), ()),
        (Need(2, 10.0, 18), (SIDE_BY_SIDE.format(2),)),
        (Need(8, 350.0), (IN_A_ROW.format(2),)),
        # 1, 105 and 182 days: the second starts a day after the first, the third 106 days after it, on 9 March.
        (
            Need(8, 24.0 * 288 - 1.5, buy_later=True),
            (IN_A_ROW.format(3), NOT_YET.format(1, "2027-01-12")),
        ),
        # Nine weeks' gap: the first is on sale, the second not yet.
        (Need(8, 350.0, gap_days=63, buy_later=True), (IN_A_ROW.format(2), NOT_YET.format(1, "2026-12-01"))),
    ],
)
def test_notes(need: Need, notes: tuple[str, ...]) -> None:
    assert had(need).notes == notes


def test_a_block_that_comes_on_sale_this_minute_can_be_bought() -> None:
    # Eight weeks before 17 Jan 11:30 it is 22 Nov 11:30.
    now, start = datetime(2026, 11, 22, 11, 30, tzinfo=UTC), datetime(2027, 1, 17, 11, 30, tzinfo=UTC)
    found = had(Need(8, 10.0), now, start)
    assert (found.blocks[0].start, found.blocks[0].buy_from, found.notes) == (start, now, ())
    # An eight of these weeks: 55 days after the 23rd the second block, of 182 days, starts on the last day on sale.
    longest = had(Need(8, 24.0 * 237 - 1.5), now)
    assert [block.days for block in longest.blocks] == [6, 49, 182]
    assert longest.blocks[-1].start == start


def test_a_block_in_full() -> None:
    found = had(Need(3, 30.0, 18, save_h=0.5, restart_h=0.25))
    assert found.blocks == (
        Block(
            start=START,
            end=START + timedelta(days=2),
            usable_until=START + timedelta(days=2) - timedelta(hours=1),
            save_by=START + timedelta(days=2) - timedelta(hours=1.5),
            buy_from=START - timedelta(weeks=8),
            usable_h=48.0 - 0.5 - 0.25 - 1.0,
            sizes=(1, 1, 1),
        ),
    )
    assert found.blocks[0].days == 2
    assert (found.paid_h, found.lost_h, found.idle_h) == (48.0, 1.75, 16.25)
    assert (found.paid_instance_h, found.usd(2.0), found.usd(0.0)) == (144.0, 288.0, 0.0)
    assert found.finish == START + timedelta(hours=30.75)


@pytest.mark.parametrize(
    ("members", "lost_h"),
    [(1, 0.5 + 0.3 + 0.2), (2, 1.0 + 0.3 + 0.2), (18, 1.0 + 0.3 + 0.2)],
)
def test_what_a_block_loses(members: int, lost_h: float) -> None:
    need = Need(1, 1.0, members, save_h=0.3, restart_h=0.2)
    assert (need.lost_h, need.spent_h, need.taken_down_h) == (
        pytest.approx(lost_h),
        pytest.approx(0.5),
        pytest.approx(lost_h - 0.5),
    )


def test_blocks_side_by_side() -> None:
    assert [sizes(count) for count in (1, 63, 64, 65, 128, 129)] == [
        (1,),
        (63,),
        (64,),
        (64, 1),
        (64, 64),
        (64, 64, 1),
    ]
    assert (sizes(2, 2), sizes(2, 1)) == ((1, 1), (2,))


def test_a_start_that_is_now() -> None:
    assert next_start(START) == START
    assert next_start(START + timedelta(microseconds=1)) == START + timedelta(days=1)
    assert utc(START) == START
    # Whoever may start earlier than AWS can starts when AWS can.
    assert had(Need(8, 10.0), NOW, NOW - timedelta(days=9)).blocks[0].start == START
    assert had(Need(8, 10.0), NOW, START + timedelta(days=4)).blocks[0].start == START + timedelta(days=4)


@pytest.mark.parametrize("need", [Need(0, 10.0), Need(8, -0.1), Need(8, 10.0, most_blocks=0)])
def test_counts_that_are_not_sold(need: Need) -> None:
    assert refused(need) == Refusal("at least one instance, one block and no negative work are needed")


def test_the_least_that_is_sold() -> None:
    found = had(Need(1, 0.0, most_blocks=1))
    assert (found.paid_h, found.blocks[0].sizes) == (24.0, (1,))


def test_more_than_an_organisation_may_have() -> None:
    assert had(Need(256, 10.0)).blocks[0].sizes == (64,) * 4
    assert had(Need(14, 10.0, 18)).blocks[0].sizes == (1,) * 14
    found = refused(Need(257, 10.0))
    assert found.reason == "257 instances are more than the 256 of one organisation"
    assert found.nearest == had(Need(256, 10.0))
    racks = refused(Need(15, 10.0, 18))
    assert racks.reason == "270 instances are more than the 256 of one organisation"
    # Where even those find no blocks, the nearest of the nearest.
    both = refused(Need(257, 10_000.0))
    assert both.nearest is not None
    assert both.nearest == refused(Need(256, 10_000.0)).nearest


def test_starts_beyond_eight_weeks() -> None:
    found = refused(Need(8, 10.0), NOW, datetime(2027, 2, 1, tzinfo=UTC))
    assert found.reason == ("a start on 2027-02-01 can be bought from 2026-12-07 on: eight weeks ahead at most")
    assert found.nearest is not None
    # 17 Jan 12:00 is the last moment: the block of that day at 11:30 is the last.
    assert found.nearest.blocks[0].start == datetime(2027, 1, 17, 11, 30, tzinfo=UTC)
    # Where the last moment is 11:30 itself, that block is on sale.
    exact = refused(Need(8, 10.0), NOW - timedelta(minutes=30), datetime(2027, 2, 1, tzinfo=UTC))
    assert exact.nearest is not None
    assert exact.nearest.blocks[0].start == datetime(2027, 1, 17, 11, 30, tzinfo=UTC)
    early = refused(Need(8, 10.0), NOW - timedelta(minutes=31), datetime(2027, 2, 1, tzinfo=UTC))
    assert early.nearest is not None
    assert early.nearest.blocks[0].start == datetime(2027, 1, 16, 11, 30, tzinfo=UTC)
    # More work than a late start leaves room for: the nearest of the nearest.
    assert refused(Need(8, 20_000.0), NOW, datetime(2027, 2, 1, tzinfo=UTC)).nearest is not None


def test_more_work_than_blocks_hold() -> None:
    # One block of 182 days less half an hour.
    found = refused(Need(8, 4400.0, most_blocks=1))
    assert found.reason == (
        "4,400.0 h of work do not fit: 1 blocks one after the other that can be bought hold 4,367.5 h"
    )
    assert found.nearest is not None
    assert 4367.49 < found.nearest.need.work_h < 4367.5
    assert [block.days for block in found.nearest.blocks] == [182]
    # Two blocks: the second starts 55 days on at the latest, a gap between them or not. 49 + 182 days, and 42 + 182.
    assert "hold 5,543.0 h" in refused(Need(8, 9000.0, most_blocks=2)).reason
    assert "hold 5,543.0 h" in refused(Need(8, 9000.0, most_blocks=2, gap_days=5)).reason
    assert "hold 5,375.0 h" in refused(Need(8, 9000.0, most_blocks=2, gap_days=7)).reason
    # Whoever buys later has both of 182 days.
    later = refused(Need(8, 9000.0, most_blocks=2, buy_later=True))
    assert "hold 8,735.0 h" in later.reason
    assert later.nearest is not None
    assert [block.days for block in later.nearest.blocks] == [182, 182]


def test_blocks_that_lose_more_than_they_hold() -> None:
    found = refused(Need(8, 10.0, restart_h=2000.0, save_h=3000.0))
    assert found == Refusal("a block has no useful hour left: 5,000.5 h of each are lost")
    # 4,368 h of the longest block are all lost, or all but one of them.
    assert refused(Need(8, 10.0, restart_h=4367.5, most_blocks=1)).nearest is None
    assert refused(Need(8, 10.0, restart_h=4366.5, most_blocks=1)).nearest is not None
