"""No plan buys what is not sold: every type, region and option against the facts (tests/data/purchase.csv)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest

from fmctl.base.errors import UnknownName
from fmctl.buying.offers import NotSold, offers, regions, ways, zones
from fmctl.catalog import instance_names, regions_of, zones_of
from fmctl.domain.offer import Offer
from fmctl.domain.purchase import PURCHASES

TODAY = date(2026, 11, 22)
with (Path(__file__).parents[2] / "data" / "purchase.csv").open(encoding="utf-8", newline="") as file:
    FACTS: dict[str, Mapping[str, str]] = {row["instance"]: row for row in csv.DictReader(file)}
EVERYWHERE = sorted(
    {region for name in instance_names() for region in regions(name)}
    | {"eu-west-3", "us-west-2-phx-2a", "mars-north-1"}
)


def sold(fact: Mapping[str, str], region: str, option: str) -> bool:
    """What the facts say, without the catalogue's own purchase lists."""
    name = fact["instance"]
    if option == "spot":
        return fact["spot"] == "yes" and region in zones_of(name)
    if option == "capacity-block":
        return fact["capacity_block"] == "yes" and region in fact["regions_capacity_block"].split()
    listed = fact["regions_on_demand"].split() or list(zones_of(name))
    return fact["on_demand"] == "yes" and region in listed


def by_option(instance: str, region: str, **more: object) -> dict[str, Offer | NotSold]:
    return {one.option: one for one in ways(instance, region, TODAY, **more)}  # type: ignore[arg-type]


def an_offer(instance: str, region: str, option: str, **more: object) -> Offer:
    found = by_option(instance, region, **more)[option]
    assert isinstance(found, Offer), found
    return found


def not_sold(instance: str, region: str, option: str) -> str:
    found = by_option(instance, region)[option]
    assert isinstance(found, NotSold), found
    return found.why


def test_the_facts_name_every_type() -> None:
    assert set(FACTS) == set(instance_names())
    assert len(EVERYWHERE) > 20


@pytest.mark.parametrize("name", instance_names())
def test_what_is_sold_where_is_what_the_facts_say(name: str) -> None:
    seen = 0
    for region in EVERYWHERE:
        found = by_option(name, region)
        assert list(found) == list(PURCHASES)
        for option in ("on-demand", "odcr", "capacity-block", "spot"):
            one = found[option]
            assert isinstance(one, Offer) == sold(FACTS[name], region, option), (region, option)
            seen += isinstance(one, Offer)
        for one in found.values():
            assert (one.instance, one.region) == (name, region)
            if isinstance(one, NotSold):
                assert one.why
                continue
            assert (one.usd_per_h is None) == (one.rate == "unknown") == bool(one.why)
            assert one.usd_per_h is None or one.usd_per_h > 0.0
            assert one.billed == PURCHASES[one.option].billed
            # A committed term is sold only where hours of the type are.
            assert one.billed != "term" or sold(FACTS[name], region, "on-demand")
        assert [one for one in found.values() if isinstance(one, Offer)] == list(offers(name, region, TODAY))
    assert bool(seen) == bool(regions(name))


@pytest.mark.parametrize("name", instance_names())
def test_every_region_of_every_option_is_walked(name: str) -> None:
    for option in ("on-demand", "capacity-block", "spot"):
        assert set(regions_of(name, option)) <= set(EVERYWHERE)


@pytest.mark.parametrize(
    ("instance", "region", "option", "words"),
    [
        ("p6e-gb200.36xlarge", "us-east-1-dfw-2a", "capacity-block", "part of an UltraServer"),
        ("p6e-gb200", "us-east-1-dfw-2a", "on-demand", "Capacity Blocks alone"),
        ("p6e-gb200", "us-east-1-dfw-2a", "spot", "Capacity Blocks alone"),
        ("p6e-gb200", "us-east-1", "capacity-block", "us-east-1-dfw-2a"),
        ("p6e-gb300", "us-east-1", "capacity-block", "neither"),
        ("p5e", "us-east-2", "on-demand", "capacity-block or spot"),
        ("p5e", "us-east-2", "odcr", "on-demand rate"),
        ("p6-b300", "us-east-2", "on-demand", "us-west-2"),
        ("p5en", "us-east-1", "reserved-1y", "no reserved-1y rate"),
        ("p4de", "us-east-1", "savings-plan-1y", "on file"),
        ("g6e", "us-east-1", "capacity-block", "on-demand or spot"),
    ],
)
def test_why_it_is_not_sold(instance: str, region: str, option: str, words: str) -> None:
    assert words in not_sold(instance, region, option)


@pytest.mark.parametrize(
    ("instance", "region", "option", "usd", "rate", "day"),
    [
        ("p5", "us-east-1", "on-demand", 55.04, "listed", "2026-07-20"),
        ("p5", "us-east-1", "odcr", 55.04, "listed", "2026-07-20"),
        ("p5", "us-east-1", "reserved-3y", 23.776, "listed", "2026-09-19"),
        ("p5", "us-east-1", "spot", 20.784, "typical", "2026-09-19"),
        ("p5en", "us-west-2", "capacity-block", 63.158, "listed", "2026-10-08"),
        ("p5", "us-east-1", "capacity-block", None, "unknown", "2026-10-08"),
        ("p5", "us-east-1", "savings-plan-1y", None, "unknown", "2026-09-19"),
        ("p5", "eu-north-1", "spot", None, "unknown", ""),
        ("p4de", "us-east-1", "spot", None, "unknown", ""),  # extremes of one snapshot are no rate
        ("p4d", "eu-west-1", "reserved-1y", None, "unknown", ""),  # nothing is derived from another region
    ],
)
def test_rates_have_a_date_or_a_reason(
    instance: str, region: str, option: str, usd: float | None, rate: str, day: str
) -> None:
    found = an_offer(instance, region, option)
    assert (found.usd_per_h, found.rate, found.date) == (usd, rate, day)


def test_a_rate_is_of_the_day() -> None:
    before = next(one for one in offers("p5en", "us-east-1", date(2026, 10, 7)) if one.option == "capacity-block")
    assert (before.usd_per_h, before.date) == (54.92, "2026-07-01")
    after = next(one for one in offers("p5en", "us-east-1", date(2027, 1, 2)) if one.option == "capacity-block")
    assert "revised from 2027-01-01" in after.note
    assert not any("revised" in one.note for one in offers("p5en", "us-east-1", TODAY))
    for day, revised in ((date(2026, 12, 31), False), (date(2027, 1, 1), True)):
        block = next(one for one in offers("p5en", "us-east-1", day) if one.option == "capacity-block")
        assert ("revised" in block.note) is revised


def test_a_rate_that_is_evidence_holds_from_its_own_day() -> None:
    for day, rate in ((date(2026, 6, 30), 45.768), (date(2026, 7, 1), 54.92)):
        block = next(one for one in offers("p5en", "us-east-1", day) if one.option == "capacity-block")
        assert block.usd_per_h == rate, day
    for day, kind in ((date(2026, 9, 18), NotSold), (date(2026, 9, 19), Offer)):
        plan = next(one for one in ways("p5", "us-east-1", day) if one.option == "savings-plan-1y")
        assert isinstance(plan, kind), day


def test_the_users_spot_rate_and_a_stale_one_are_marked() -> None:
    given = an_offer("p4de", "us-east-1", "spot", spot_usd_per_h=11.5)
    assert (given.usd_per_h, given.rate, given.source) == (11.5, "given", "given by the user")
    assert an_offer("p5", "us-east-1", "on-demand", spot_usd_per_h=11.5).usd_per_h == 55.04
    stale = an_offer("p6e-gb200", "us-east-1-dfw-2a", "capacity-block", stale=True)
    assert (stale.usd_per_h, stale.rate, stale.date) == (761.904, "stale", "2026-07-01")
    assert "opt in" in stale.note
    assert an_offer("p5", "us-east-1", "on-demand", stale=True).rate == "listed"


def test_zones() -> None:
    assert zones("p6-b300", "us-west-2") == ("usw2-az2",)
    assert zones("p6e-gb200", "us-east-1-dfw-2a") == ("us-east-1-dfw-2a",)
    # Blocks are sold in a region whose zones the table does not name: none is made up.
    found = an_offer("p5e", "us-east-1", "capacity-block")
    assert found.zones == ()
    assert "ask AWS" in found.note


def test_terms_are_paid_whole() -> None:
    assert an_offer("p4d", "us-east-1", "reserved-1y").term_h == 8760.0
    assert an_offer("p5", "us-east-1", "on-demand").term_h == 0.0


def test_no_type_is_no_offer() -> None:
    with pytest.raises(UnknownName):
        offers("p7", "us-east-1", TODAY)


def test_no_offer_is_younger_than_the_day() -> None:
    for name in instance_names():
        for back in (0, 60, 200, 500):
            day = TODAY - timedelta(days=back)
            assert all(one.date <= day.isoformat() for one in offers(name, "us-east-1", day))
