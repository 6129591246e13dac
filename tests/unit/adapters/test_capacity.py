"""What can be bought now, as AWS answers it; and what it would not answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from fmctl.adapters.aws.capacity import AwsCapacity
from fmctl.adapters.aws.session import Session
from fmctl.domain.quotas import quota_code, quota_family

START, END = datetime(2026, 11, 24, 11, 30, tzinfo=UTC), datetime(2026, 11, 26, 11, 30, tzinfo=UTC)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    return Session(region="us-east-1")


@pytest.fixture
def ec2(session: Session) -> Iterator[Stubber]:
    with Stubber(session.client("ec2")) as stub:
        yield stub
        stub.assert_no_pending_responses()


def offering(**more: Any) -> dict[str, Any]:
    return {
        "CapacityBlockOfferingId": "cb-1", "InstanceType": "p5.48xlarge", "AvailabilityZone": "us-east-1a",
        "InstanceCount": 4, "StartDate": START, "EndDate": END, "CapacityBlockDurationHours": 48,
        "UpfrontFee": "8064.00", "CurrencyCode": "USD", "Tenancy": "default",
    } | more  # fmt: skip


def test_zones(session: Session, ec2: Stubber) -> None:
    asked = {
        "LocationType": "availability-zone-id",
        "Filters": [{"Name": "instance-type", "Values": ["p5.48xlarge"]}],
    }
    listed = [{"InstanceType": "p5.48xlarge", "Location": zone} for zone in ("use1-az6", "use1-az1")]
    ec2.add_response("describe_instance_type_offerings", {"InstanceTypeOfferings": listed}, asked)
    assert AwsCapacity(session).zones("p5.48xlarge").found == ("use1-az1", "use1-az6")


def test_blocks_with_their_fee(session: Session, ec2: Stubber) -> None:
    asked = {
        "InstanceType": "p5.48xlarge", "InstanceCount": 4, "CapacityDurationHours": 48,
        "StartDateRange": START, "EndDateRange": END,
    }  # fmt: skip
    dear = offering(CapacityBlockOfferingId="cb-2", UpfrontFee="9000.00")
    euro = offering(CapacityBlockOfferingId="cb-3", UpfrontFee="1.00", CurrencyCode="EUR")
    ec2.add_response(
        "describe_capacity_block_offerings", {"CapacityBlockOfferings": [euro, dear], "NextToken": "n"}, asked
    )
    ec2.add_response(
        "describe_capacity_block_offerings", {"CapacityBlockOfferings": [offering()]}, asked | {"NextToken": "n"}
    )
    found = AwsCapacity(session).blocks("p5.48xlarge", 4, 2, START, END)
    assert found.asked
    assert [one.id for one in found.found] == ["cb-1", "cb-2", "cb-3"]
    cheapest = found.found[0]
    assert (cheapest.fee_usd, cheapest.usd_per_h) == (8064.0, 42.0)
    assert cheapest.usable_until == datetime(2026, 11, 26, 11, 0, tzinfo=UTC)
    assert (found.found[2].fee_usd, found.found[2].usd_per_h, found.found[2].currency) == (None, None, "EUR")


def test_a_block_that_starts_now_is_no_whole_days(session: Session, ec2: Stubber) -> None:
    soon = offering(
        StartDate=datetime(2026, 11, 24, 4, 55, tzinfo=UTC), EndDate=datetime(2026, 11, 24, 11, 30, tzinfo=UTC),
        CapacityBlockDurationHours=6, CapacityBlockDurationMinutes=35, UpfrontFee="79.00",
    )  # fmt: skip
    ec2.add_response("describe_capacity_block_offerings", {"CapacityBlockOfferings": [soon]})
    (found,) = AwsCapacity(session).blocks("p5.48xlarge", 4, 1).found
    assert found.duration_h == pytest.approx(6 + 35 / 60)
    assert found.usd_per_h == pytest.approx(3.0)


def test_ultraservers_are_asked_for_as_such(session: Session, ec2: Stubber) -> None:
    asked = {"UltraserverType": "u-p6e-gb200x72", "UltraserverCount": 1, "CapacityDurationHours": 24}
    rack = offering(
        InstanceType="p6e-gb200.36xlarge", InstanceCount=18, UltraserverType="u-p6e-gb200x72", UltraserverCount=1,
        CapacityBlockDurationHours=24, UpfrontFee="18285.696",
    )  # fmt: skip
    ec2.add_response("describe_capacity_block_offerings", {"CapacityBlockOfferings": [rack]}, asked)
    (found,) = AwsCapacity(session).blocks("u-p6e-gb200x72", 1, 1).found
    assert (found.instance, found.count) == ("u-p6e-gb200x72", 1)
    assert found.usd_per_h == pytest.approx(761.904)
    assert found.usable_until == datetime(2026, 11, 26, 10, 30, tzinfo=UTC)


def test_spot_scores(session: Session, ec2: Stubber) -> None:
    asked = {
        "InstanceTypes": ["p5en.48xlarge"], "TargetCapacity": 4, "TargetCapacityUnitType": "units",
        "SingleAvailabilityZone": True, "RegionNames": ["us-east-1", "us-west-2"],
    }  # fmt: skip
    listed = [
        {"Region": "us-east-1", "AvailabilityZoneId": "use1-az6", "Score": 1},
        {"Region": "us-west-2", "AvailabilityZoneId": "usw2-az2", "Score": 3},
    ]
    ec2.add_response("get_spot_placement_scores", {"SpotPlacementScores": listed}, asked)
    found = AwsCapacity(session).spot_scores("p5en.48xlarge", 4, ["us-east-1", "us-west-2"]).found
    assert [(one.zone_id, one.score) for one in found] == [("usw2-az2", 3), ("use1-az6", 1)]


def test_reservations(session: Session, ec2: Stubber) -> None:
    def one(id: str, **more: Any) -> dict[str, Any]:
        return {
            "CapacityReservationId": id, "InstanceType": "p5.48xlarge", "AvailabilityZone": "us-east-1a",
            "State": "active", "TotalInstanceCount": 4, "AvailableInstanceCount": 2,
        } | more  # fmt: skip

    block = one("cr-1", ReservationType="capacity-block", State="scheduled", StartDate=START, EndDate=END)
    ec2.add_response("describe_capacity_reservations", {"CapacityReservations": [block, one("cr-3"), one("cr-2")]})
    found = AwsCapacity(session).reservations("p5.48xlarge").found
    assert [(r.id, r.kind) for r in found] == [("cr-2", "default"), ("cr-3", "default"), ("cr-1", "capacity-block")]
    assert (found[2].start, found[2].end, found[2].available) == (START, END, 2)


def test_quota(session: Session) -> None:
    with Stubber(session.client("service-quotas")) as stub:
        asked = {"ServiceCode": "ec2", "QuotaCode": "L-417A185B"}
        stub.add_response("get_service_quota", {"Quota": {"Value": 384.0}}, asked)
        assert AwsCapacity(session).quota(quota_code("p5.48xlarge", "on-demand")).found == (384.0,)
        for operation in ("get_service_quota", "get_aws_default_service_quota"):
            stub.add_client_error(operation, "NoSuchResourceException", "no")
        unknown = AwsCapacity(session).quota("L-00000000")
    assert not unknown.asked
    assert "L-00000000" in unknown.why


def test_what_counts_against_a_quota(session: Session, ec2: Stubber) -> None:
    cpus = {"CpuOptions": {"CoreCount": 96, "ThreadsPerCore": 2}}
    asked = {
        "Filters": [
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
            {"Name": "instance-type", "Values": ["p*"]},
        ]
    }
    running = [cpus, cpus, cpus | {"InstanceLifecycle": "spot"}, cpus | {"InstanceLifecycle": "capacity-block"}]
    for _ in range(2):
        ec2.add_response("describe_instances", {"Reservations": [{"Instances": running}]}, asked)
    assert AwsCapacity(session).used_vcpus("p", False).found == (384,)
    assert AwsCapacity(session).used_vcpus("p", True).found == (192,)


@pytest.mark.parametrize(
    ("instance", "purchase", "code"),
    [
        ("p5.48xlarge", "on-demand", "L-417A185B"),
        ("p6-b200.48xlarge", "odcr", "L-417A185B"),
        ("p5en.48xlarge", "spot", "L-C4BD4855"),
        ("p4d.24xlarge", "spot", "L-7212CCBC"),
        ("p6-b200.48xlarge", "spot", None),  # nobody has published it
        ("p5.48xlarge", "capacity-block", None),  # blocks do not count
        ("g6e.48xlarge", "on-demand", "L-DB2E81BA"),
        ("trn2.48xlarge", "spot", "L-6B0D517C"),
    ],
)
def test_which_quota_counts(instance: str, purchase: str, code: str | None) -> None:
    assert quota_code(instance, purchase) == code
    family = quota_family(instance, purchase)
    assert (family is None) == (code is None)
    assert instance.startswith(family or "")


def test_a_quota_nobody_has_published(session: Session) -> None:
    found = AwsCapacity(session).quota(None)
    assert not found.asked
    assert found.next


@pytest.mark.parametrize(
    ("code", "says", "denied"),
    [
        ("UnauthorizedOperation", "AWS refuses Capacity Blocks", True),
        ("InvalidAction", "AWS would not give Capacity Blocks", False),  # a region without the call
        ("RequestLimitExceeded", "AWS has no time", False),
    ],
)
def test_what_could_not_be_asked_is_said(session: Session, ec2: Stubber, code: str, says: str, denied: bool) -> None:
    # Adaptive retries are of the transport; a stub answers once.
    ec2.add_client_error("describe_capacity_block_offerings", code, "no", 400)
    found = AwsCapacity(session).blocks("p5.48xlarge", 4, 1)
    assert not found.asked
    assert found.found == ()
    assert found.denied == denied
    assert says in found.why
    assert code in found.why


def test_an_older_boto3_and_an_odd_answer(session: Session, ec2: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2.add_response("describe_capacity_block_offerings", {"CapacityBlockOfferings": [{"UpfrontFee": "1"}]})
    odd = AwsCapacity(session).blocks("p5.48xlarge", 4, 1)
    assert not odd.asked
    assert "not what AWS's API describes" in odd.why
    monkeypatch.setattr(session, "client", lambda _: object())
    old = AwsCapacity(session).blocks("p5.48xlarge", 4, 1)
    assert "describe_capacity_block_offerings" in old.why
    assert "boto3" in old.next
