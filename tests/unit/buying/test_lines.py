"""Bills worked by hand: every line, what is paid while nothing runs, and what nobody has published."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.buying.bills import Bill
from fmctl.buying.durations import chains
from fmctl.buying.lines import Hours, Parts, bill, block_hours, s3_tiers, up_h
from fmctl.buying.offers import offers
from fmctl.catalog import load_instance
from fmctl.domain.bill import Line
from fmctl.domain.cluster import ParallelClusterSite, Site
from fmctl.domain.offer import Offer
from fmctl.targets.parallelcluster.head import head_node
from fmctl.targets.parallelcluster.storage import compute_disks

TODAY = date(2026, 11, 22)
SITE = Site("us-east-1", parallelcluster=ParallelClusterSite("subnet-a", "subnet-h"))


def offer(instance: str = "p5", region: str = "us-east-1", option: str = "on-demand") -> Offer:
    return next(one for one in offers(instance, region, TODAY) if one.option == option)


def by_name(found: Bill, row: int = 0) -> dict[str, Line]:
    lines = found.lines(row)
    assert len({line.name for line in lines}) == len(lines)
    return {line.name: line for line in lines}


def test_a_run_on_demand_by_line() -> None:
    # 16 + 1 nodes for 100 h of which 98 train; the cluster stands 2 h before and 10 h after; FSx is kept 20 days more.
    parts = Parts(
        nodes=16, spare_nodes=1, file_systems={"fsx-lustre/persistent-2-125": 4800}, s3_gb=1000.0,
        nat_gateways=1, nat_gb=200.0, cross_zone_gb=50.0,
    )  # fmt: skip
    hours = Hours(run_h=98.0, paid_h=100.0, before_h=2.0, after_h=10.0, kept_h=480.0, s3_h=730.0)
    found = bill(offer(), parts, hours, TODAY)
    lines = by_name(found)
    expected = {
        "compute nodes": (16 * 100 * 55.04, 16 * 2 * 55.04),
        "spare nodes": (100 * 55.04, 2 * 55.04),
        # 17 instances: more than 16, so an m6i.8xlarge and 500 GiB.
        "head node": (112 * 1.536, 14 * 1.536),
        "compute root volumes": (17 * 200 * 100 / 730 * 0.08, 17 * 200 * 2 / 730 * 0.08),
        "head root volume": (500 * 112 / 730 * 0.08, 500 * 14 / 730 * 0.08),
        "file system": (4800 * 592 / 730 * 0.145, 4800 * 494 / 730 * 0.145),
        "S3 storage": (23.0, 1000 * 632 / 730 * 0.023),
        "NAT gateways": (112 * 0.045, 14 * 0.045),
        "NAT gateway data": (9.0, 0.0),
        "cross-zone traffic": (1.0, 0.0),  # 50 GB, billed on both sides
    }
    assert {name: (line.usd, line.idle_usd) for name, line in lines.items()} == {
        name: (pytest.approx(usd), pytest.approx(idle)) for name, (usd, idle) in expected.items()
    }
    assert float(found.total_usd) == pytest.approx(sum(usd for usd, _ in expected.values()))
    assert float(found.known_idle_usd) == pytest.approx(sum(idle for _, idle in expected.values()))
    assert all(line.usd is not None for line in found.lines())
    assert all(line.date and line.source for line in lines.values())
    assert lines["head node"].item == "m6i.8xlarge"


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
@pytest.mark.parametrize("nodes", [1, 16, 17, 64, 65, 300])
def test_head_and_disks_are_those_that_are_rendered(nodes: int, arch: str) -> None:
    rendered = head_node(SITE, arch, nodes)
    lines = by_name(bill(offer(), Parts(nodes, arch=arch), Hours(730.0, 730.0), TODAY))
    assert lines["head node"].item == rendered.instance_type
    assert lines["head root volume"].quantity == pytest.approx(rendered.local_storage.root_volume.size)
    disk = compute_disks(load_instance("p5")).root_volume.size
    assert lines["compute root volumes"].quantity == pytest.approx(disk * nodes)


def test_what_is_not_on_file_is_named_and_not_counted() -> None:
    parts = Parts(
        nodes=100, login_nodes=2, file_systems={"fsx-lustre/persistent-2-250": 1200}, s3_puts=5e6, logs_gb=10.0
    )
    found = bill(offer(), parts, Hours(10.0, 10.0), TODAY)
    lines = by_name(found)
    unknown = {"head node", "login nodes", "login root volumes", "file system", "S3 writes", "CloudWatch logs"}
    assert {name for name, line in lines.items() if line.usd is None} == unknown
    assert all(lines[name].why for name in unknown)
    assert lines["login root volumes"].quantity is None
    assert lines["S3 writes"].quantity == 5000.0
    assert sum(line.usd is None for line in found.lines()) == len(unknown)
    # The compute nodes have a price: the total is that of the known lines.
    known = 100 * 10 * 55.04 + (100 * 200 + 1000) * 10 / 730 * 0.08
    assert float(found.total_usd) == pytest.approx(known)
    assert set(np.flatnonzero(found.unknown)) == {i for i, e in enumerate(found.entries) if e.name in unknown}


def test_without_a_rate_of_the_compute_nodes_there_is_no_total() -> None:
    found = bill(offer(option="capacity-block"), Parts(8), Hours(100.0, 120.0), TODAY)
    assert np.isnan(found.total_usd)
    assert float(found.known_usd) > 0.0
    assert by_name(found)["compute nodes"].usd is None
    assert "October 2026" in by_name(found)["compute nodes"].why


def test_another_region_is_unknown_but_may_be_looked_at() -> None:
    found = bill(offer(region="eu-north-1"), Parts(8, s3_gb=100.0, cross_zone_gb=1.0), Hours(73.0, 73.0), TODAY)
    lines = by_name(found)
    assert lines["compute nodes"].usd == pytest.approx(8 * 73 * 58.8928)
    head = lines["head root volume"]
    assert (head.usd, head.indicative_usd) == (None, pytest.approx(200 * 0.1 * 0.08))
    assert "us-east-1" in head.why
    assert (lines["head node"].usd, lines["head node"].indicative_usd) == (None, pytest.approx(73 * 0.768))
    assert lines["compute nodes"].indicative_usd is None
    # What has one price everywhere has it here too.
    assert lines["cross-zone traffic"].usd == pytest.approx(0.02)
    assert float(found.total_usd) == pytest.approx(8 * 73 * 58.8928 + 0.02)
    home = bill(offer(), Parts(8), Hours(73.0, 73.0), TODAY)
    assert all(line.indicative_usd is None for line in home.lines())


def test_ultraservers_are_sized_by_their_instances() -> None:
    rack = offer("p6e-gb200", "us-east-1-dfw-2a", "capacity-block")
    lines = by_name(bill(rack, Parts(2, members=18, arch="arm64"), Hours(20.0, 24.0), TODAY))
    assert lines["compute nodes"].quantity == 48.0
    assert lines["head node"].item == "m7g.8xlarge"  # 36 instances
    assert lines["compute root volumes"].quantity == pytest.approx(36 * 200 * 24 / 730)


def test_a_term_is_paid_whole_and_a_gap_costs_what_stands() -> None:
    year = by_name(bill(offer("p4d", option="reserved-1y"), Parts(4), Hours(100.0, 100.0), TODAY))
    assert year["compute nodes"].usd == pytest.approx(4 * 8760 * 13.92)
    assert year["compute nodes"].idle_usd == pytest.approx(4 * 8660 * 13.92)
    gap = by_name(bill(offer(), Parts(4), Hours(48.0, 48.0, between_h=72.0), TODAY))
    assert gap["compute nodes"].idle_usd == 0.0
    assert gap["head node"].idle_usd == pytest.approx(72 * 0.768)


def test_blocks_are_paid_whole_and_the_head_node_stands_in_the_gaps() -> None:
    # 350 h are a block of 1 day and one of 14, three days apart (see test_blocks).
    found = chains(np.array([350.0, 20.0]), 0.75, 0.5, gap_h=72.0)
    hours = block_hours(np.array([350.0, 20.0]), found, before_h=1.0, after_h=2.0)
    lines = by_name(bill(offer("p5en", option="capacity-block"), Parts(64), hours, TODAY))
    assert lines["compute nodes"].usd == pytest.approx(64 * 360 * 63.158)
    assert lines["compute nodes"].idle_usd == pytest.approx(64 * 10 * 63.158)
    assert lines["head node"].quantity == 1 + 360 + 72 + 2
    single = by_name(bill(offer("p5en", option="capacity-block"), Parts(64), hours, TODAY), 1)
    assert (single["compute nodes"].quantity, single["head node"].quantity) == (64 * 24, 1 + 24 + 2)


def test_s3_has_three_prices() -> None:
    tiers = list(s3_tiers(np.array([51_200.0, 60_000.0, 600_000.0])).values())
    assert np.array_equal(tiers[0], [51_200.0, 51_200.0, 51_200.0])
    assert np.array_equal(tiers[1], [0.0, 8_800.0, 460_800.0])
    assert np.array_equal(tiers[2], [0.0, 0.0, 88_000.0])
    found = bill(offer(), Parts(1, s3_gb=600_000.0), Hours(1.0, 1.0, s3_h=730.0), TODAY)
    usd = sum(line.usd or 0.0 for line in found.lines() if line.name == "S3 storage")
    assert usd == pytest.approx(51_200 * 0.023 + 460_800 * 0.022 + 88_000 * 0.021)


def test_the_prices_are_of_the_day() -> None:
    early = date(2026, 6, 1)
    lines = bill(offer(), Parts(1, file_systems={"fsx-lustre/scratch-2": 1200}), Hours(1.0, 1.0), early).lines()
    disk = next(line for line in lines if line.name == "file system")
    assert disk.usd is None
    assert "2026-06-01" in disk.why


COLUMN = st.lists(st.floats(0.5, 500.0), min_size=5, max_size=5)


@given(nodes=st.lists(st.integers(1, 300), min_size=5, max_size=5), run=COLUMN, more=COLUMN, gb=COLUMN)
def test_a_batch_is_its_rows_and_more_hours_never_cost_less(
    nodes: list[int], run: list[float], more: list[float], gb: list[float]
) -> None:
    n, r, m, g = (np.array(values, np.float64) for values in (nodes, run, more, gb))
    item = "fsx-lustre/scratch-2"

    def asked(row: Any) -> Bill:
        parts = Parts(n[row], file_systems={item: 1200.0}, s3_gb=g[row] * 1e3, nat_gb=g[row])
        return bill(offer(), parts, Hours(r[row], r[row] + m[row], before_h=1.0, s3_h=r[row] + m[row]), TODAY)

    batch = asked(slice(None))
    for row in range(5):
        one = asked(row)
        assert np.array_equal(one.usd, batch.usd[:, row], equal_nan=True)
        assert float(one.total_usd) == batch.total_usd[row]
        assert one.lines() == batch.lines(row)
    longer = bill(
        offer(), Parts(n, file_systems={item: 1200.0}, s3_gb=g * 1e3, nat_gb=g),
        Hours(r, r + m + 1.0, before_h=1.0, s3_h=r + m), TODAY,
    )  # fmt: skip
    assert np.all(longer.total_usd > batch.total_usd)
    assert np.all(batch.known_idle_usd <= batch.known_usd + 1e-9)


def test_up_is_everything_that_stands() -> None:
    assert float(up_h(Hours(5.0, 10.0, before_h=1.0, between_h=2.0, after_h=3.0, kept_h=100.0))) == 16.0
