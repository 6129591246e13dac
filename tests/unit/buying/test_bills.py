"""Bills put together from small lines, every quantity of a run by hand, and the rates that lines carry."""

from __future__ import annotations

from datetime import date
from math import nan

import numpy as np
import pytest

from fmctl.buying.bills import Bill, Entry, Line
from fmctl.buying.lines import Hours, Parts, bill
from fmctl.buying.offers import Offer
from fmctl.buying.rates import Rate, cached_rate, compute_rate, forget, item_rate, node_rate

TODAY = date(2026, 11, 22)
CHEAP, DEAR = Rate(2.0, "2026-01-01", "a table"), Rate(3.0, "2026-02-02", "another")
UNKNOWN = Rate(None, why="nobody says", indicative_usd=5.0)
OFFER = Offer("p5.48xlarge", "us-east-1", (), "on-demand", 50.0, "listed", "", "2026-07-20", "x", "used", 0.0, "")


def entry(name: str, quantity: list[float], *rates: Rate, compute: bool = False, choice: object = 0) -> Entry:
    column = np.array(quantity)
    return Entry(name, f"{name}-item", "h", column, column / 4.0, rates, choice=choice, compute=compute)  # type: ignore[arg-type]


def test_a_bill_by_hand() -> None:
    found = Bill.of(
        [
            entry("nodes", [10.0, 20.0], CHEAP, DEAR, compute=True, choice=np.array([0, 1])),
            entry("disks", [4.0, 0.0], UNKNOWN),
            entry("traffic", [0.0, 8.0], CHEAP),
        ]
    )
    assert found.quantity.tolist() == [[10.0, 20.0], [4.0, 0.0], [0.0, 8.0]]
    # Nothing of something whose price is unknown costs nothing.
    np.testing.assert_array_equal(found.usd, [[20.0, 60.0], [nan, 0.0], [0.0, 16.0]])
    np.testing.assert_array_equal(found.idle_usd, [[5.0, 15.0], [nan, 0.0], [0.0, 4.0]])
    np.testing.assert_array_equal(found.indicative_usd, [[nan, nan], [20.0, 0.0], [0.0, nan]])
    assert found.unknown.tolist() == [[False, False], [True, False], [False, False]]
    assert (found.known_usd.tolist(), found.known_idle_usd.tolist()) == ([20.0, 76.0], [5.0, 19.0])
    assert found.total_usd.tolist() == [20.0, 76.0]
    assert [line.name for line in found.lines()] == ["nodes", "disks"]
    assert found.lines(1) == (
        Line("nodes", "nodes-item", 20.0, "h", 3.0, 60.0, 15.0, "", "2026-02-02", "another", None),
        Line("traffic", "traffic-item", 8.0, "h", 2.0, 16.0, 4.0, "", "2026-01-01", "a table", None),
    )
    assert found.lines(0)[1] == Line("disks", "disks-item", 4.0, "h", None, None, None, "nobody says", "", "", 20.0)


def test_no_total_where_any_line_of_compute_is_unknown() -> None:
    known, unknown = entry("a", [1.0, 1.0], CHEAP, compute=True), entry("b", [0.0, 1.0], UNKNOWN, compute=True)
    np.testing.assert_array_equal(Bill.of([known, unknown]).total_usd, [2.0, nan])
    np.testing.assert_array_equal(Bill.of([known, entry("c", [1.0, 1.0], UNKNOWN)]).total_usd, [2.0, 2.0])


def test_rows_are_those_of_the_widest_line() -> None:
    one = Entry("a", ("x", "y"), "h", np.asarray(2.0), np.asarray(0.0), (CHEAP, DEAR), choice=np.array([1, 0, 1]))
    found = Bill.of([one, entry("b", [1.0, 2.0, 3.0], CHEAP)])
    assert found.usd.tolist() == [[6.0, 4.0, 6.0], [2.0, 4.0, 6.0]]
    assert [found.lines(row)[0].item for row in range(3)] == ["y", "x", "y"]
    assert found.lines(2)[0].quantity == 2.0


def test_every_line_of_a_run_by_hand() -> None:
    """Two runs at once: 10 and 20 nodes of 3 members with 2 spare ones, that train 70 of the 90 h that are paid for."""
    parts = Parts(
        nodes=np.array([3.0, 20.0]),
        spare_nodes=2.0,
        members=3,
        login_nodes=2.0,
        file_systems={"fsx-lustre/persistent-2-125": 1200.0, "fsx-lustre/persistent-2-1000": np.array([0.0, 4800.0])},
        s3_gb=np.array([100.0, 60_000.0]),
        s3_puts=7000.0,
        s3_gets=9000.0,
        nat_gateways=2.0,
        nat_gb=11.0,
        cross_zone_gb=13.0,
        logs_gb=17.0,
    )
    hours = Hours(run_h=70.0, paid_h=90.0, before_h=1.0, between_h=2.0, after_h=4.0, kept_h=8.0, s3_h=50.0)
    found = bill(OFFER, parts, hours, TODAY)
    up, month = 97.0, 730.0
    # (quantity of each run; of those that pays for no training)
    wanted = {
        ("compute nodes", "p5.48xlarge", "instance-h"): ([270.0, 1800.0], [60.0, 400.0]),
        ("spare nodes", "p5.48xlarge", "instance-h"): ([180.0, 180.0], [40.0, 40.0]),
        # 15 instances and 66 of them.
        ("head node", "m6i.4xlarge m6i.16xlarge", "instance-h"): ([up, up], [27.0, 27.0]),
        ("login nodes", "m6i.2xlarge", "instance-h"): ([2 * up, 2 * up], [54.0, 54.0]),
        ("compute root volumes", "ebs/gp3", "GB-month"): (
            [15 * 200 * 90 / month, 66 * 200 * 90 / month],
            [15 * 200 * 20 / month, 66 * 200 * 20 / month],
        ),
        ("head root volume", "ebs/gp3", "GB-month"): (
            [200 * up / month, 1000 * up / month],
            [200 * 27 / month, 1000 * 27 / month],
        ),
        ("login root volumes", "ebs/gp3", "GB-month"): ([nan, nan], [nan, nan]),
        ("file system", "fsx-lustre/persistent-2-125", "GB-month"): ([1200 * 105 / month] * 2, [1200 * 35 / month] * 2),
        ("file system", "fsx-lustre/persistent-2-1000", "GB-month"): (
            [0.0, 4800 * 105 / month],
            [0.0, 4800 * 35 / month],
        ),
        # Objects lie there for less time than training takes.
        ("S3 storage", "s3/standard-first-50tb", "GB-month"): ([100 * 50 / month, 51_200 * 50 / month], [0.0, 0.0]),
        ("S3 storage", "s3/standard-next-450tb", "GB-month"): ([0.0, 8800 * 50 / month], [0.0, 0.0]),
        ("S3 storage", "s3/standard-over-500tb", "GB-month"): ([0.0, 0.0], [0.0, 0.0]),
        ("S3 writes", "s3/put", "1,000 requests"): ([7.0, 7.0], [0.0, 0.0]),
        ("S3 reads", "s3/get", "1,000 requests"): ([9.0, 9.0], [0.0, 0.0]),
        ("NAT gateways", "nat-gateway/hour", "hour"): ([2 * up, 2 * up], [54.0, 54.0]),
        ("NAT gateway data", "nat-gateway/data", "GB"): ([11.0, 11.0], [0.0, 0.0]),
        ("cross-zone traffic", "transfer/cross-az", "GB each way"): ([26.0, 26.0], [0.0, 0.0]),
        ("CloudWatch logs", "cloudwatch/logs", "GB"): ([17.0, 17.0], [0.0, 0.0]),
    }
    entries = {(e.name, _items(e), e.unit): i for i, e in enumerate(found.entries)}
    assert entries.keys() == wanted.keys()
    for key, i in entries.items():
        quantity, idle = wanted[key]
        np.testing.assert_allclose(found.quantity[i], quantity, rtol=1e-12, err_msg=str(key))
        shown = np.broadcast_to(found.entries[i].idle_quantity, (2,))
        np.testing.assert_allclose(shown, idle, rtol=1e-12, err_msg=str(key))
    assert [e.name for e in found.entries if e.compute] == ["compute nodes", "spare nodes"]
    named = {line.name: line for line in found.lines()}
    assert named["login root volumes"].why == "the root volume of a login node is as large as its image says"


def _items(e: Entry) -> str:
    """The item, or those of the first and the second run."""
    if isinstance(e.item, str):
        return e.item
    return " ".join(e.item[int(which)] for which in np.asarray(e.choice))


def test_a_head_node_of_one_s_own() -> None:
    found = bill(OFFER, Parts(np.array([1.0, 100.0]), head="m6i.8xlarge"), Hours(1.0, 1.0), TODAY)
    for row in (0, 1):
        head = next(line for line in found.lines(row) if line.name == "head node")
        assert (head.item, head.rate_usd) == ("m6i.8xlarge", 1.536)


def test_what_nobody_has_is_no_line() -> None:
    shown = {line.name for line in bill(OFFER, Parts(1.0), Hours(1.0, 1.0), TODAY).lines()}
    assert shown == {"compute nodes", "head node", "compute root volumes", "head root volume"}


def test_objects_that_lie_there_longer_than_training_takes() -> None:
    found = bill(OFFER, Parts(1.0, s3_gb=73.0), Hours(run_h=10.0, paid_h=20.0, s3_h=30.0), TODAY)
    line = next(line for line in found.lines() if line.name == "S3 storage")
    assert line.quantity == pytest.approx(73.0 * 30.0 / 730.0)
    assert line.idle_usd == pytest.approx(73.0 * 20.0 / 730.0 * 0.023)


def test_a_term_is_paid_for_unless_the_run_is_longer() -> None:
    year = Offer("p4d.24xlarge", "us-east-1", (), "reserved-1y", 10.0, "listed", "", "d", "s", "term", 8760.0, "")
    found = bill(year, Parts(1.0), Hours(np.array([100.0, 9000.0]), np.array([100.0, 9010.0])), TODAY)
    assert found.quantity[0].tolist() == [8760.0, 9010.0]
    assert found.idle_usd[0].tolist() == [86_600.0, 100.0]


def test_rates_of_nodes_and_items() -> None:
    forget()
    karpenter = "aws/karpenter-provider-aws zz_generated.pricing_aws.go (generated 2026-07-20)"
    assert node_rate("m6i.4xlarge", "us-east-1", TODAY) == Rate(0.768, "2026-07-20", karpenter)
    assert node_rate("m6i.4xlarge", "eu-north-1", TODAY) == Rate(
        None,
        why="no on-demand price found for m6i.4xlarge in eu-north-1 on or before 2026-11-22",
        indicative_usd=0.768,
    )
    assert node_rate("m9z.large", "us-east-1", TODAY) == Rate(None, why="no price of m9z.large is on file")
    ebs = "public EBS price tables (2026)"
    assert item_rate("ebs/gp3", "us-east-1", TODAY) == Rate(0.08, "2026-01-01", ebs)
    assert item_rate("ebs/gp3", "eu-north-1", TODAY) == Rate(
        None, why="no price found for eu-north-1; the file has us-east-1", indicative_usd=0.08
    )
    # On file, and unpublished: the date and the source are those of the look; nothing is indicative at home.
    tier = item_rate("fsx-lustre/persistent-2-500", "us-east-1", TODAY)
    assert tier == Rate(None, "2026-11-22", "AWS pricing pages", "not published as text")
    early = item_rate("ebs/gp3", "us-east-1", date(2025, 6, 1))
    assert (early.usd, early.indicative_usd) == (None, None)
    assert item_rate("s3/put", "us-east-1", TODAY) == Rate(None, why="no price of s3/put is on file")
    assert cached_rate("node", "m6i.4xlarge", "us-east-1", TODAY).usd == 0.768
    assert cached_rate("item", "ebs/gp3", "us-east-1", TODAY).usd == 0.08
    assert compute_rate(OFFER) == Rate(50.0, "2026-07-20", "x", "")


def test_rates_are_looked_up_once_until_they_are_forgotten() -> None:
    first = cached_rate("item", "ebs/gp3", "us-east-1", TODAY)
    assert cached_rate("item", "ebs/gp3", "us-east-1", TODAY) is first
    forget()
    assert cached_rate("item", "ebs/gp3", "us-east-1", TODAY) is not first
