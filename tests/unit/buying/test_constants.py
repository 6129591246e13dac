"""Every constant of buying, stated again by hand with where it comes from; a new one is asked for here."""

from __future__ import annotations

from math import inf
from typing import Any

from tests.unit.constants import constants, defaults, others

GUIDE = "EC2 User Guide, Capacity Blocks for ML (2026-10)"
WEEKS = (21, 28, 35, 42, 49, 56, 63, 70, 77, 84, 91, 98, 105, 112, 119, 126, 133, 140, 147, 154, 161, 168, 175, 182)
CONSTANTS: dict[str, tuple[Any, str]] = {
    "buying.blocks.MOST_INSTANCES": (64, GUIDE),
    "buying.blocks.MOST_IN_ORGANISATION": (256, GUIDE),
    "buying.blocks.SOONEST": (30.0 * 60.0, GUIDE),
    "buying.blocks.PAYMENT_CLEARS": (12.0 * 3600.0, GUIDE),
    "buying.durations.DAY_H": (24.0, "definition"),
    "buying.durations.DAYS": ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, *WEEKS), GUIDE),
    "buying.durations.HORIZON": (56.0 * 86_400.0, GUIDE),
    "buying.durations.ROUNDING_H": (1e-6, "a few thousandths of a second"),
    "buying.durations._NEVER": (2**63 - 1, "the largest whole number of 64 bits"),
    "buying.lines.MONTH_H": (730.0, "assumed: a twelfth of 365 days"),
    "buying.lines.S3_TIERS_GB": (
        {
            "s3/standard-first-50tb": (0.0, 50.0 * 1024.0),
            "s3/standard-next-450tb": (50.0 * 1024.0, 500.0 * 1024.0),
            "s3/standard-over-500tb": (500.0 * 1024.0, inf),
        },
        "S3 pricing page; a TB of 1,024 GB is assumed",
    ),
}
# What nobody says is not there: no hours, no parts, no gap; a chain has eight blocks at most.
NOTHING_BUT_HOURS = {"before_h": 0.0, "between_h": 0.0, "after_h": 0.0, "kept_h": 0.0, "s3_h": 0.0}
NOTHING_BUT_NODES = {
    "spare_nodes": 0.0,
    "members": 1,
    "login_nodes": 0.0,
    "s3_gb": 0.0,
    "s3_puts": 0.0,
    "s3_gets": 0.0,
    "nat_gateways": 0.0,
    "nat_gb": 0.0,
    "cross_zone_gb": 0.0,
    "logs_gb": 0.0,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "buying.bills.Bill.lines": {"row": 0},
    "buying.bills.Entry": {"choice": 0, "compute": False},
    "buying.blocks.Need": {
        "members": 1,
        "save_h": 0.0,
        "restart_h": 0.0,
        "gap_days": 0,
        "most_blocks": 8,
        "buy_later": False,
    },
    "buying.blocks.sizes": {"members": 1},
    "buying.durations.chains": {"gap_h": 0.0, "ahead_h": 0.0, "most_blocks": 8, "buy_later": False},
    "buying.durations.durations": {"most_blocks": 8},
    "buying.lines.Hours": NOTHING_BUT_HOURS,
    "buying.lines.Parts": NOTHING_BUT_NODES,
    "buying.lines.block_hours": {"before_h": 0.0, "after_h": 0.0},
    "buying.offers.offers": {"stale": False},
    "buying.offers.ways": {"stale": False},
}


def test_every_constant_is_what_its_source_says() -> None:
    assert others(constants("fmctl.buying"), {name: value for name, (value, _) in CONSTANTS.items()}) == {}


def test_every_default_is_the_plain_case() -> None:
    assert others(defaults("fmctl.buying"), DEFAULTS) == {}
