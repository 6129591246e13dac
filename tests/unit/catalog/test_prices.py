"""Prices by day, region and option: the newest that holds, a stated unknown, never an inference."""

from datetime import date, timedelta

import pytest

from fmctl.base.errors import UnknownName
from fmctl.catalog import find_price, find_storage_price, instance_names, prices, storage_prices
from fmctl.domain.purchase import priced

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("instance", "region", "option", "usd"),
    [
        ("p4d", "us-east-1", "on-demand", 21.957642),
        ("p5", "us-east-1", "on-demand", 55.04),
        ("p5en", "us-west-2", "on-demand", 63.296),
        ("p6-b200", "us-east-2", "on-demand", 113.9328),
        ("p6-b300", "us-west-2", "on-demand", 142.416),
        ("p5", "us-east-1-atl-2a", "on-demand", 55.04),
        ("p5en", "us-east-1", "capacity-block", 63.158),
        ("p5", "us-west-2", "spot", 20.784),
        ("p4d", "us-east-1", "reserved-3y", 9.376),
        ("m7i.8xlarge", "us-east-1", "on-demand", 1.6128),
    ],
)
def test_known_prices(instance, region, option, usd):
    price = find_price(instance, region, option, TODAY)
    assert price.usd_per_h == usd
    assert price.date
    assert price.source


@pytest.mark.parametrize(
    ("day", "usd"),
    [
        (date(2025, 5, 30), None),
        (date(2025, 5, 31), 98.32),
        (date(2025, 6, 1), 55.04),
        (date(2026, 11, 22), 55.04),
    ],
)
def test_on_demand_knows_its_history(day, usd):
    assert find_price("p5", "us-east-1", "on-demand", day).usd_per_h == usd


@pytest.mark.parametrize(
    ("day", "region", "usd"),
    [
        (date(2026, 6, 18), "us-east-1", 41.612),
        (date(2026, 6, 19), "us-east-1", 45.768),
        (date(2026, 7, 1), "us-east-1", 54.92),
        (date(2026, 7, 1), "eu-north-1", 49.928),
        (date(2026, 10, 8), "us-east-1", 63.158),
        (date(2026, 10, 8), "eu-north-1", None),
    ],
)
def test_capacity_block_rates_move_by_quarter_and_region(day, region, usd):
    assert find_price("p5en", region, "capacity-block", day).usd_per_h == usd


def test_p5e_never_has_an_on_demand_price():
    for region in ("us-east-1", "us-east-2", "us-west-2", "eu-north-1", "ap-southeast-3"):
        price = find_price("p5e", region, "on-demand", TODAY)
        assert price.usd_per_h is None
        assert price.note
    assert "no on-demand price exists" in find_price("p5e", "us-east-1", "on-demand", TODAY).note


def test_an_unknown_revision_hides_the_older_rate_unless_asked_for():
    unknown = find_price("p6e-gb200", "us-east-1-dfw-2a", "capacity-block", TODAY)
    assert unknown.usd_per_h is None
    assert "761.904" in unknown.note
    stale = find_price("p6e-gb200", "us-east-1-dfw-2a", "capacity-block", TODAY, stale=True)
    assert (stale.usd_per_h, stale.date) == (761.904, "2026-07-01")
    assert "2026-07-01" in stale.note


def test_regions_are_never_inferred():
    assert find_price("p6-b300", "us-east-2", "on-demand", TODAY).usd_per_h is None
    assert find_price("p5", "eu-north-1", "spot", TODAY).usd_per_h is None
    assert find_price("p5", "us-east-1-atl-2a", "capacity-block", TODAY, stale=True).usd_per_h is None


def test_the_answer_carries_the_region_asked_for():
    price = find_price("p5", "us-west-2", "spot", TODAY)
    assert (price.instance, price.region, price.option) == ("p5.48xlarge", "us-west-2", "spot")


def test_no_answer_is_younger_than_the_day():
    for name in instance_names():
        for option in priced():
            for back in (0, 100, 300, 600):
                day = TODAY - timedelta(days=back)
                price = find_price(name, "us-east-1", option, day)
                assert price.date <= day.isoformat()
                assert price.usd_per_h is None or price.usd_per_h > 0
                assert price.usd_per_h is not None or price.note


def test_rows_can_be_listed_by_any_column():
    assert len(prices()) > 200
    assert {row.option for row in prices("p5", option="on-demand")} == {"on-demand"}
    assert all(row.instance == "p5.48xlarge" for row in prices("p5", region="us-east-1"))
    assert prices("p5", region="mars-north-1", option="on-demand") == []
    for row in prices():
        assert date.fromisoformat(row.date) <= TODAY
        assert row.source


def test_mistakes_are_helped():
    with pytest.raises(UnknownName) as error:
        find_price("p5", "us-east-1", "ondemand", TODAY)
    assert "on-demand" in error.value.suggestions
    with pytest.raises(UnknownName):
        find_price("p7", "us-east-1", "on-demand", TODAY)
    with pytest.raises(UnknownName):
        prices(option="free")


def test_storage():
    assert find_storage_price("fsx-lustre/persistent-2-1000", "us-east-1").usd == 0.6
    assert find_storage_price("fsx-lustre/persistent-2-250", "us-east-1").usd is None
    elsewhere = find_storage_price("s3/standard-first-50tb", "eu-north-1")
    assert elsewhere.usd is None
    assert "us-east-1" in elsewhere.note
    assert find_storage_price("efa", "eu-north-1").usd == 0
    assert len(storage_prices()) == 25
    with pytest.raises(UnknownName):
        find_storage_price("floppy", "us-east-1")
