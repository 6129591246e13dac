"""Each planted fault is caught by the check that is about it, and the good clusters pass. The survey is a fake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fmctl.adapters.parallelcluster.answers import failure
from fmctl.base.errors import OperationFailed, PermissionDenied
from fmctl.catalog import load_instance
from fmctl.domain.cluster import Capacity, ClusterSpec, FileSystem, ParallelClusterSite, Site, site_with
from fmctl.domain.ports import Finding, Identity, Lustre, Reservation, Subnet
from fmctl.targets.checks import worst
from fmctl.targets.parallelcluster.checks import ACTIONS
from fmctl.targets.parallelcluster.preflight import _validators, looks
from fmctl.targets.target import Check, Today
from fmctl.usecases.launching import exit_code
from tests.unit.operate.survey_fakes import HEAD, PRIVATE, FakeSurvey

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
P5 = {"instance": "p5.48xlarge", "nodes": 4, "checkpoint": {"checkpoint_bytes": 14 * 70e9}}


EXPIRED = PermissionDenied("the token has expired", next="aws sso login")
BUSY = OperationFailed("throttled", next="again in a minute")
SITE = Site("us-east-1", "123456789012", parallelcluster=ParallelClusterSite("subnet-a", "subnet-h"))


def cluster(row: Mapping[str, Any] = P5, capacity: Capacity | None = None, **more: Any) -> ClusterSpec:
    fields: dict[str, Any] = {"max_hours": 24.0, "usd_per_h": 220.16, "price_date": "2026-07-20"} | more
    site = site_with(SITE, **fields.pop("site", {}))
    return ClusterSpec("c", "p", "sha256:0", row, site, capacity or Capacity(), **fields)


def look(spec: ClusterSpec, survey: FakeSurvey, usd_per_h: float | None = 220.16, budget: float | None = None) -> Any:
    found = tuple(looks(spec, load_instance(spec.instance), survey, Today(NOW, usd_per_h, budget)))
    return {check.name: check for check in found}


def block(**more: Any) -> Reservation:
    fields: dict[str, Any] = {
        "id": "cr-1", "instance": "p5.48xlarge", "zone": "us-east-1a", "state": "active", "total": 4, "available": 4,
        "kind": "capacity-block", "start": NOW - timedelta(hours=1), "end": datetime(2026, 11, 24, 11, 30, tzinfo=UTC),
    }  # fmt: skip
    return Reservation(**(fields | more))


BLOCK, ODCR = Capacity("capacity-block", "cr-1"), Capacity("odcr", "cr-1")
LUSTRE = Lustre("fs-1", "vpc-1", ("us-east-1a",), "AVAILABLE", 96_000, 48_000.0, ("sg-1",))
MOUNTED = {"file_system": FileSystem(id="fs-1")}


def good() -> list[tuple[ClusterSpec, FakeSurvey]]:
    p6 = {"instance": "p6-b300.48xlarge", "nodes": 2, "checkpoint": {}}
    gb200 = {"instance": "u-p6e-gb200x72", "nodes": 1, "checkpoint": {}}
    rack = block(instance="p6e-gb200.36xlarge", total=18, available=18)
    return [
        (cluster(), FakeSurvey()),
        (cluster(capacity=ODCR), FakeSurvey(reserved=block(kind="default", end=None))),
        (cluster(capacity=BLOCK), FakeSurvey(reserved=block(), limit=0.0)),
        (cluster(p6), FakeSurvey()),
        (cluster(gb200, BLOCK), FakeSurvey(reserved=rack)),
        (cluster(site=MOUNTED), FakeSurvey(lustre=LUSTRE)),
    ]


@pytest.mark.parametrize("case", range(6))
def test_good_clusters_pass(case: int) -> None:
    spec, survey = good()[case]
    found = look(spec, survey)
    bad = {name: check for name, check in found.items() if check.state in ("fail", "unknown")}
    assert not bad
    assert all(check.found for check in found.values())


Fault = tuple[str, str, ClusterSpec, FakeSurvey]


def subnets(**more: Any) -> Mapping[str, Subnet]:
    return {"subnet-a": replace(PRIVATE, **more), "subnet-h": HEAD}


def faults() -> list[Fault]:
    big, small = dict(P5, nodes=64), dict(P5, nodes=2000)
    tiny = {"file_system": FileSystem(capacity_gib=1200, mb_per_s_per_tib=1000)}
    late = datetime(2026, 11, 23, 11, 30, tzinfo=UTC)
    return [
        # What ParallelCluster's own validators let pass.
        ("offering", "fail", cluster(), FakeSurvey(zones=("us-east-1c",))),
        ("addresses", "fail", cluster(big), FakeSurvey(subnets=subnets(free_addresses=11))),
        ("quota", "fail", cluster(small), FakeSurvey(subnets=subnets(free_addresses=4000))),
        ("purchase", "fail", cluster(capacity=Capacity("spot")), FakeSurvey()),
        ("storage", "fail", cluster(site=tiny), FakeSurvey()),
        ("head node", "warning", cluster(), FakeSurvey(subnets={**subnets(), "subnet-h": replace(HEAD, zone="z")})),
        # Identity, rights, network.
        ("account", "fail", cluster(), FakeSurvey(who=Identity("999999999999", "arn", "us-east-1"))),
        ("account", "fail", cluster(), FakeSurvey(who=Identity("123456789012", "arn", "us-west-2"))),
        ("account", "unknown", cluster(), FakeSurvey(who=EXPIRED)),
        ("permissions", "fail", cluster(), FakeSurvey(actions={**dict.fromkeys(ACTIONS, True), ACTIONS[0]: False})),
        ("permissions", "unknown", cluster(), FakeSurvey(actions={})),
        ("network", "fail", cluster(), FakeSurvey(subnets=subnets(way_out="internet"))),
        ("network", "fail", cluster(), FakeSurvey(subnets=subnets(way_out="none"))),
        ("network", "fail", cluster(), FakeSurvey(subnets=subnets(public_ips=True))),
        ("subnets", "fail", cluster(), FakeSurvey(subnets={"subnet-h": HEAD})),
        ("quota", "unknown", cluster(), FakeSurvey(limit=None)),
        ("quota", "fail", cluster(), FakeSurvey(limit=800.0, used=96)),
        # Reservations and blocks.
        ("reservation", "fail", cluster(capacity=BLOCK), FakeSurvey()),
        ("reservation", "fail", cluster(capacity=BLOCK), FakeSurvey(reserved=block(kind="default"))),
        ("reservation", "fail", cluster(capacity=ODCR), FakeSurvey(reserved=block(instance="p5en.48xlarge"))),
        ("reservation", "fail", cluster(capacity=BLOCK), FakeSurvey(reserved=block(instance="p5en.48xlarge"))),
        ("reservation", "fail", cluster(capacity=BLOCK), FakeSurvey(reserved=block(zone="us-east-1b"))),
        ("reservation", "fail", cluster(capacity=BLOCK), FakeSurvey(reserved=block(available=3))),
        ("reservation", "fail", cluster(capacity=BLOCK), FakeSurvey(reserved=block(state="expired"))),
        ("reservation", "fail", cluster(capacity=BLOCK), FakeSurvey(reserved=block(end=late))),
        ("reservation", "warning", cluster(capacity=Capacity("on-demand", "cr-1")), FakeSurvey(reserved=block())),
        (
            "reservation", "warning", cluster(capacity=BLOCK),
            FakeSurvey(reserved=block(state="scheduled", start=NOW + timedelta(hours=3), available=0)),
        ),
        # Storage, image, key, version, region.
        ("storage", "fail", cluster(site=MOUNTED), FakeSurvey()),
        ("storage", "fail", cluster(site=MOUNTED), FakeSurvey(lustre=replace(LUSTRE, vpc="vpc-2"))),
        ("storage", "fail", cluster(site=MOUNTED), FakeSurvey(lustre=replace(LUSTRE, open_to=()))),
        ("storage", "fail", cluster(site=MOUNTED), FakeSurvey(lustre=replace(LUSTRE, state="CREATING"))),
        ("storage", "warning", cluster(site=MOUNTED), FakeSurvey(lustre=replace(LUSTRE, zones=("us-east-1b",)))),
        ("storage", "warning", cluster(site=MOUNTED), FakeSurvey(lustre=replace(LUSTRE, mb_per_s=1000.0))),
        ("storage", "unknown", cluster(site=MOUNTED), FakeSurvey(lustre=BUSY)),
        ("storage", "fail", cluster(site={"file_system": FileSystem(efa=True)}), FakeSurvey()),
        ("storage", "warning", cluster(site={"file_system": None}), FakeSurvey()),
        ("image", "fail", cluster(), FakeSurvey(ami=None)),
        ("access", "fail", cluster(site={"key_name": "k"}), FakeSurvey(key=None)),
        ("access", "fail", cluster(site={"key_name": "k"}), FakeSurvey(key="rsa")),
        (
            "version", "fail",
            cluster({"instance": "p6-b300.48xlarge", "nodes": 2}, site={"pcluster_version": "3.14.1"}), FakeSurvey(),
        ),
        ("region", "fail", cluster(site={"region": "ap-south-2"}), FakeSurvey()),
    ]  # fmt: skip


@pytest.mark.parametrize("case", range(len(faults())))
def test_each_planted_fault_is_caught(case: int) -> None:
    name, state, spec, survey = faults()[case]
    check = look(spec, survey)[name]
    assert check.state == state, check
    assert check.found
    assert check.next or state == "warning"


def test_money() -> None:
    spec = cluster()
    assert look(spec, FakeSurvey(), usd_per_h=240.0)["price"].state == "warning"
    assert look(spec, FakeSurvey(), usd_per_h=None)["price"].state == "unknown"
    # 220.16 $/h x 24 h = 5,284 $: over 5,000, which lasts 22 h.
    found = look(spec, FakeSurvey(), budget=5000.0)["budget"]
    assert (found.state, found.next) == ("fail", "--max-hours 23")
    assert look(spec, FakeSurvey(), budget=5300.0)["budget"].state == "ok"
    assert look(replace(spec, usd_per_h=None), FakeSurvey())["budget"].state == "unknown"


def test_usable_hours_of_a_block_end_before_it() -> None:
    # It ends on the 24th at 11:30; instances go at 11:00, 47 h from now; an UltraServer's at 10:30.
    survey = FakeSurvey(reserved=block())
    assert look(cluster(capacity=BLOCK, max_hours=47.0), survey)["reservation"].state == "ok"
    found = look(cluster(capacity=BLOCK, max_hours=47.1), survey)["reservation"]
    assert (found.state, found.next) == ("fail", "--max-hours 47, or extend the block")
    gb200 = {"instance": "u-p6e-gb200x72", "nodes": 1, "checkpoint": {}}
    rack = FakeSurvey(reserved=block(instance="p6e-gb200.36xlarge", total=18, available=18))
    assert look(cluster(gb200, BLOCK, max_hours=47.0), rack)["reservation"].state == "fail"
    assert look(cluster(gb200, BLOCK, max_hours=46.5), rack)["reservation"].state == "ok"


class FakePcluster:
    def __init__(self, *findings: Finding) -> None:
        self.findings = findings

    def validate(self, name: str, config: str, region: str) -> tuple[Finding, ...]:
        return self.findings


def test_the_real_validators_are_one_line() -> None:
    spec = cluster()
    error, warning = Finding("ERROR", "XValidator", "no"), Finding("WARNING", "YValidator", "hm")
    for findings, state in (((), "ok"), ((warning,), "warning"), ((warning, error), "fail")):
        pcluster: Any = FakePcluster(*findings)
        found = tuple(looks(spec, load_instance(spec.instance), FakeSurvey(), Today(NOW, 220.16, None), "", pcluster))
        assert (found[-1].name, found[-1].state) == ("validators", state)
    assert worst((Check("a", "ok", ""), Check("b", "unknown", ""), Check("c", "warning", ""))) == "unknown"


def test_what_is_needed_is_not_read_as_what_is_left() -> None:
    found = look(cluster(), FakeSurvey(limit=9216.0, used=0))["quota"].found
    assert found == f"needs {192 * cluster().nodes} of the 9216 vCPUs left"


NO_RIGHT = PermissionDenied(
    "AWS refuses the subnet", why="UnauthorizedOperation: User: x is not authorized to perform: ec2:DescribeSubnets"
)


def test_a_missing_right_fails_the_check_that_needs_it_and_is_named() -> None:
    check = look(cluster(site=MOUNTED), FakeSurvey(lustre=NO_RIGHT))["storage"]
    assert (check.state, check.denied) == ("fail", True)
    assert "ec2:DescribeSubnets" in check.found
    assert exit_code((check,)) == 4


def test_what_broke_off_for_another_reason_is_unknown_as_before() -> None:
    for error in (BUSY, PermissionDenied("the token has expired", why="ExpiredToken", next="aws sso login")):
        check = look(cluster(site=MOUNTED), FakeSurvey(lustre=error))["storage"]
        assert (check.state, check.denied) == ("unknown", False)
        assert exit_code((check,)) == 0


def test_a_right_that_the_validators_lack_is_named_and_exits_4() -> None:
    """The first sentence of a message hides it."""
    said = "Unable to validate parameters. User: x is not authorized to perform: ec2:RunInstances because of y."
    check = _validators((Finding("ERROR", "ComputeResourceLaunchTemplateValidator", said),))
    assert (check.state, check.denied) == ("fail", True)
    assert "ec2:RunInstances" in check.found
    assert "fmctl policy operator" in check.next
    assert exit_code((check,)) == 4


@pytest.mark.parametrize(
    ("said", "action"),
    [
        ("Unable to initialize s3 bucket. Unexpected error when getting S3 bucket 'b': 'Forbidden'", "s3:GetObject"),
        ("Unable to initialize s3 bucket. Failed in accessing bucket 'b'. This can be due to bucket owner not matching",
         "s3:ListBucket"),
        ("Unable to initialize s3 bucket. Access Denied", "s3:CreateBucket"),
        ("Unable to upload cluster config to the S3 bucket b due to exception: Access Denied", "s3:PutObject"),
    ],
)  # fmt: skip
def test_a_right_of_s3_is_named_though_s3_names_none(said: str, action: str) -> None:
    found = failure("create", {"message": said})
    assert isinstance(found, PermissionDenied)
    assert action in (found.why or "")
    assert not isinstance(
        failure("create", {"message": "Unable to upload cluster config: disk full"}), PermissionDenied
    )
