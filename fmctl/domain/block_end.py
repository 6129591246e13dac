"""How a Capacity Block ends: the one place for the rule, used by whoever buys blocks and by whoever launches in one.

Source: EC2 User Guide, "Capacity Blocks for ML" (2026-10).
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

# Every block ends at this time of day, UTC; EC2 takes instances down half an hour before, UltraServers an hour before.
BLOCK_ENDS = time(11, 30)
TAKEN_DOWN = timedelta(minutes=30)
TAKEN_DOWN_ULTRASERVER = timedelta(minutes=60)


def taken_down(ultraserver: bool) -> timedelta:
    """How long before its end EC2 begins to take a block's instances down."""
    return TAKEN_DOWN_ULTRASERVER if ultraserver else TAKEN_DOWN


def block_usable_until(end: datetime, ultraserver: bool) -> datetime:
    """The last moment at which a block's instances are sure to run."""
    return end - taken_down(ultraserver)
