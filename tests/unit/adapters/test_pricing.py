"""Prices as AWS lists them become rows of a snapshot, and the catalogue reads them by its own rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from fmctl.adapters.aws import price_list, pricing
from fmctl.adapters.aws.session import Session
from fmctl.base.errors import UnreadableFile
from fmctl.buying.offers import offers
from fmctl.catalog import find_price, find_storage_price, price_files, prices
from fmctl.domain.cluster import Site, site_with
from fmctl.domain.hardware import Price

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
DAY = NOW.date()
REGIONS = ["us-east-1", "eu-north-1"]


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FMCTL_DATA", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    price_files.forget()
    yield tmp_path
    price_files.forget()


def product(usd: str, unit: str = "Hrs", begin: str = "0", **attributes: str) -> str:
    dimension = {"unit": unit, "beginRange": begin, "endRange": "Inf", "pricePerUnit": {"USD": usd}}
    terms = {"OnDemand": {"SKU.TERM": {"priceDimensions": {"SKU.TERM.RATE": dimension}}}}
    return json.dumps({"product": {"attributes": attributes}, "terms": terms})


def instance_product(usd: str, region: str, location: str = "AWS Region") -> str:
    return product(usd, regionCode=region, locationType=location)


def by_region(rows: list[Price]) -> dict[str, float | None]:
    return {row.region: row.usd_per_h for row in rows}


def test_one_price_is_a_price_and_several_or_none_are_not() -> None:
    listed = [
        instance_product("55.0400000000", "us-east-1"),
        instance_product("55.04", "us-east-1"),  # the same again, under another product
        instance_product("0.0000000000", "us-east-1"),  # a placeholder: nothing asked for is free
        instance_product("66.0", "us-east-1", "AWS Local Zone"),
        instance_product("58.9", "eu-north-1"),
        instance_product("59.9", "eu-north-1"),
        instance_product("61.0", "us-west-2"),  # not asked for
    ]
    rows = price_list.on_demand_rows("p5.48xlarge", [*REGIONS, "eu-west-3"], listed, DAY)
    assert by_region(rows) == {"us-east-1": 55.04, "eu-north-1": None, "eu-west-3": None}
    notes = {row.region: row.note for row in rows}
    assert notes["eu-north-1"] == "AWS lists several: 58.9, 59.9"
    assert notes["eu-west-3"] == price_list.NO_PRICE
    assert {(row.date, row.source) for row in rows} == {("2026-11-23", "AWS Price List API 2026-11-23")}


def spot(zone: str, usd: str, at: datetime = NOW) -> dict[str, Any]:
    return {"AvailabilityZone": zone, "SpotPrice": usd, "Timestamp": at, "InstanceType": "p5.48xlarge"}


def test_spot_is_the_lowest_zone_now_with_its_extremes() -> None:
    history = [
        spot("us-east-1a", "30.5"), spot("us-east-1a", "10.0", NOW - timedelta(hours=3)), spot("us-east-1b", "21.25"),
    ]  # fmt: skip
    rows = {row.option: row for row in price_list.spot_rows("p5.48xlarge", "us-east-1", history, DAY)}
    assert {option: row.usd_per_h for option, row in rows.items()} == {
        "spot": 21.25, "spot-min": 21.25, "spot-max": 30.5,
    }  # fmt: skip
    assert "us-east-1b" in rows["spot"].note
    (none,) = price_list.spot_rows("p5.48xlarge", "eu-west-3", [], DAY)
    assert (none.option, none.usd_per_h) == ("spot", None)


def test_storage() -> None:
    (gp3,) = price_list.ebs_rows("eu-north-1", [product("0.0836", "GB-Mo")], DAY)
    assert (gp3.item, gp3.unit, gp3.usd) == ("ebs/gp3", "GB-month", 0.0836)
    ranges = (("0", "0.023"), ("51200", "0.022"), ("512000", "0.021"), ("7", "0.5"))
    s3 = price_list.s3_rows("eu-north-1", [product(usd, "GB-Mo", begin) for begin, usd in ranges], DAY)
    assert {row.item: row.usd for row in s3} == {
        "s3/standard-first-50tb": 0.023, "s3/standard-next-450tb": 0.022, "s3/standard-over-500tb": 0.021,
    }  # fmt: skip
    lustre = [
        product("0.154", "GB-Mo", storageType="SSD", throughputCapacity="125 MB/s/TiB"),
        product("0.63", "GB-Mo", storageType="SSD", throughputCapacity="1,000 MB/s/TiB"),
        product("0.15", "GB-Mo", storageType="SSD", deploymentOption="Scratch"),
        product("0.14", "GB-Mo", storageType="SSD", throughputCapacity="200 MB/s/TiB"),  # persistent 1, or what?
        product("0.03", "GB-Mo", storageType="HDD", throughputCapacity="12 MB/s/TiB"),
        product("0.01", "GB", usagetype="DataTransfer"),
    ]
    rows, unread = price_list.lustre_rows("eu-north-1", lustre, DAY)
    assert {row.item: row.usd for row in rows} == {
        "fsx-lustre/persistent-2-125": 0.154, "fsx-lustre/persistent-2-1000": 0.63, "fsx-lustre/scratch-2": 0.15,
    }  # fmt: skip
    assert unread == 2
    # Two prices for one thing are none.
    assert price_list.ebs_rows("eu-north-1", [product("0.1", "GB-Mo"), product("0.2", "GB-Mo")], DAY) == []


def wanted(service: str, **values: str) -> dict[str, Any]:
    fields = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in values.items()]
    return {"ServiceCode": service, "Filters": fields}


@pytest.fixture
def stubs() -> Iterator[tuple[dict[str, Session], Stubber, Stubber]]:
    """Sessions of two regions; the list is asked in us-east-1, Spot in the region itself."""
    sessions = {region: Session(region=region) for region in REGIONS}
    with (
        Stubber(sessions["us-east-1"].client("pricing")) as listed,
        Stubber(sessions["eu-north-1"].client("ec2")) as ec2,
    ):
        yield sessions, listed, ec2
        listed.assert_no_pending_responses()
        ec2.assert_no_pending_responses()


def test_what_is_asked_and_what_is_kept(stubs: Any, data: Path) -> None:
    sessions, listed, ec2 = stubs
    on_demand = wanted(
        "AmazonEC2", instanceType="p5.48xlarge", operatingSystem="Linux", preInstalledSw="NA", tenancy="Shared",
        capacitystatus="Used", operation="RunInstances", marketoption="OnDemand",
    )  # fmt: skip
    listed.add_response(
        "get_products", {"PriceList": [instance_product("57.5", "eu-north-1")], "NextToken": "2"}, on_demand
    )
    listed.add_response("get_products", {"PriceList": []}, on_demand | {"NextToken": "2"})
    there = {"regionCode": "eu-north-1"}
    ebs = wanted("AmazonEC2", productFamily="Storage", volumeApiName="gp3", **there)
    listed.add_response("get_products", {"PriceList": [product("0.0836", "GB-Mo")]}, ebs)
    s3 = wanted("AmazonS3", productFamily="Storage", volumeType="Standard", storageClass="General Purpose", **there)
    listed.add_client_error("get_products", "AccessDeniedException", "no pricing:GetProducts", 400, expected_params=s3)
    fsx = wanted("AmazonFSx", fileSystemType="Lustre", productFamily="Storage", **there)
    listed.add_response("get_products", {"PriceList": [product("0.2", "GB-Mo", storageType="SSD")]}, fsx)
    history = {"InstanceTypes": ["p5.48xlarge"], "ProductDescriptions": ["Linux/UNIX"], "StartTime": NOW}
    ec2.add_response("describe_spot_price_history", {"SpotPriceHistory": [spot("eu-north-1a", "24.5")]}, history)

    found = pricing.ask(sessions.__getitem__, ["p5.48xlarge", "u-p6e-gb200x72"], ["eu-north-1"], NOW)
    assert {(row.option, row.usd_per_h) for row in found.prices} == {
        ("on-demand", 57.5), ("spot", 24.5), ("spot-min", 24.5), ("spot-max", 24.5),
    }  # fmt: skip
    missing = {one.what: one.why for one in found.missing}
    assert "AccessDeniedException" in missing["prices of S3 in eu-north-1"]
    assert "1 products" in missing["FSx for Lustre in eu-north-1"]

    kept = pricing.keep(found)
    assert kept.files == (data / "prices/2026-11-23/instances.csv", data / "prices/2026-11-23/storage.csv")
    # The catalogue reads it from that day on; the day before it knows what it knew.
    live = find_price("p5", "eu-north-1", "on-demand", DAY)
    assert (live.usd_per_h, live.date, live.source) == (57.5, "2026-11-23", "AWS Price List API 2026-11-23")
    assert find_price("p5", "eu-north-1", "on-demand", DAY - timedelta(days=1)).usd_per_h == 58.8928
    assert find_price("p5", "us-east-1", "on-demand", DAY).usd_per_h == 55.04
    assert find_storage_price("ebs/gp3", "eu-north-1").usd == 0.0836
    assert find_storage_price("ebs/gp3", "eu-north-1", DAY - timedelta(days=1)).usd is None
    offer = next(one for one in offers("p5", "eu-north-1", DAY) if one.option == "spot")
    assert (offer.usd_per_h, offer.rate) == (24.5, "listed")


def test_a_second_snapshot_of_a_day_adds_to_the_first(data: Path) -> None:
    def one(region: str, usd: float | None) -> Price:
        return Price("p5.48xlarge", region, "on-demand", usd, "2026-11-23", "AWS Price List API 2026-11-23", 'a, "b"')

    for rows in ((one("us-east-1", 50.0), one("us-east-2", 51.0)), (one("us-east-1", None),)):
        pricing.keep(pricing.Snapshot(DAY, rows, (), ()))
    found = {row.region: row for row in prices("p5", option="on-demand") if row.date == "2026-11-23"}
    assert {region: row.usd_per_h for region, row in found.items()} == {"us-east-1": None, "us-east-2": 51.0}
    assert found["us-east-2"].note == 'a, "b"'
    # AWS was asked and had none: the older price is shown, never used in silence.
    hidden = find_price("p5", "us-east-1", "on-demand", DAY)
    assert hidden.usd_per_h is None
    assert "55.04" in hidden.note


def test_nothing_found_writes_nothing(data: Path) -> None:
    assert pricing.keep(pricing.Snapshot(DAY, (), (), ())).files == ()
    assert not (data / "prices").exists()


def test_without_credentials_nothing_is_found_and_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    told: list[tuple[int, int]] = []
    found = pricing.ask(
        lambda region: Session(region=region), ["p5.48xlarge"], ["eu-north-1"], NOW, lambda *at: told.append(at)
    )
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]  # its list price, the region's storage, its Spot price, the end
    assert (found.prices, found.storage) == ((), ())
    assert len(found.missing) == 5
    assert all("credentials" in one.why and one.next and one.denied for one in found.missing)


def test_a_broken_snapshot_is_named(data: Path) -> None:
    path = price_files.snapshot_file(date(2026, 11, 1), "instances.csv")
    path.parent.mkdir(parents=True)
    path.write_text("instance,region,option,usd_per_h,date,source,note\np5.48xlarge,us-east-1,on-demand,cheap,x,y,z\n")
    price_files.forget()
    with pytest.raises(UnreadableFile) as error:
        find_price("p5", "us-east-1", "on-demand", DAY)
    assert str(path) in error.value.what


def test_head_nodes_are_asked_for() -> None:
    from fmctl.targets.parallelcluster.head import instance_type, login_nodes

    site = site_with(Site("us-east-1"), compute_subnet="subnet-a", head_subnet="subnet-h", login_nodes=1)
    for arch in ("x86_64", "arm64"):
        assert {instance_type(site, arch, nodes) for nodes in (1, 17, 65)} <= set(pricing.head_instances())
        login = login_nodes(site, arch)
        assert login is not None
        assert login.pools[0].instance_type in pricing.head_instances()
