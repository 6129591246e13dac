"""What capacity there is to buy now: zones, Capacity Blocks with their fee, Spot scores, reservations, quotas.

Describes only; nothing here can spend. What AWS would not say (a right, a region without the call) is in the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from fmctl.adapters.aws.session import Session, pages
from fmctl.adapters.aws.survey import AwsSurvey, reservation_of
from fmctl.base.errors import FmctlError, PermissionDenied
from fmctl.domain.block_end import block_usable_until
from fmctl.domain.ports import Reservation

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import (
        CapacityBlockOfferingTypeDef,
        DescribeCapacityBlockOfferingsRequestPaginateTypeDef,
    )

_T = TypeVar("_T")
_LIVING = ("active", "pending", "scheduled", "assessing")


@dataclass(frozen=True, slots=True)
class Answer(Generic[_T]):
    """What was found; or, with `why`, that it could not be asked, and what to do about it."""

    found: tuple[_T, ...]
    why: str = ""
    next: str = ""
    denied: bool = False  # it was a matter of rights or credentials

    @property
    def asked(self) -> bool:
        """Whether AWS answered: nothing found is then nothing there."""
        return not self.why


@dataclass(frozen=True, slots=True)
class BlockOffering:
    """A Capacity Block on sale."""

    id: str
    instance: str
    zone: str
    count: int  # instances, or UltraServers
    start: datetime
    end: datetime
    usable_until: datetime  # then EC2 takes its instances down
    duration_h: float  # a block that starts at another time than 11:30 UTC is no whole days
    fee_usd: float | None  # UpfrontFee, for all of it; None in another currency
    currency: str

    @property
    def usd_per_h(self) -> float | None:
        """Rate of one instance (UltraServer)."""
        return None if self.fee_usd is None else self.fee_usd / (self.count * self.duration_h)


@dataclass(frozen=True, slots=True)
class SpotScore:
    """How likely a request for Spot is to be met, 1 to 10, by AWS's own word."""

    region: str
    zone_id: str
    score: int


class Capacity(Protocol):
    """What one region has for sale; `AwsCapacity` says what each answers."""

    def zones(self, instance: str) -> Answer[str]:
        """Zone ids that offer the type."""

    def blocks(
        self, instance: str, count: int, days: int, start: datetime | None = None, end: datetime | None = None
    ) -> Answer[BlockOffering]:
        """Capacity Blocks on sale."""

    def spot_scores(self, instance: str, count: int, regions: Sequence[str]) -> Answer[SpotScore]:
        """Spot placement scores."""

    def reservations(self, instance: str) -> Answer[Reservation]:
        """What the account holds."""

    def quota(self, code: str | None) -> Answer[float]:
        """A quota in vCPUs."""

    def used_vcpus(self, family: str, spot: bool) -> Answer[int]:
        """What counts against it already."""


class AwsCapacity:
    """An account in one region, asked for capacity.

    Args:
        session: credentials, region and clients.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def zones(self, instance: str) -> Answer[str]:
        """Zone ids of the region that offer the type."""

        def look() -> list[str]:
            listed = self._ec2("describe_instance_type_offerings").get_paginator("describe_instance_type_offerings")
            found = listed.paginate(
                LocationType="availability-zone-id", Filters=[{"Name": "instance-type", "Values": [instance]}]
            )
            offers = pages("where the type is offered", found)
            return sorted(one["Location"] for page in offers for one in page.get("InstanceTypeOfferings", ()))

        return _answer(look)

    def blocks(
        self, instance: str, count: int, days: int, start: datetime | None = None, end: datetime | None = None
    ) -> Answer[BlockOffering]:
        """Capacity Blocks on sale, the cheapest first: `count` instances (UltraServers) for `days`.

        start, end: the block lies between them; None as AWS sees fit.
        """
        ultraserver = instance.startswith("u-")
        given: DescribeCapacityBlockOfferingsRequestPaginateTypeDef = {"CapacityDurationHours": days * 24}
        if ultraserver:
            given |= {"UltraserverType": instance, "UltraserverCount": count}
        else:
            given |= {"InstanceType": instance, "InstanceCount": count}
        if start is not None:
            given["StartDateRange"] = start
        if end is not None:
            given["EndDateRange"] = end

        def look() -> list[BlockOffering]:
            listed = self._ec2("describe_capacity_block_offerings").get_paginator("describe_capacity_block_offerings")
            blocks = pages("Capacity Blocks", listed.paginate(**given))
            found = [_offering(one, ultraserver) for page in blocks for one in page.get("CapacityBlockOfferings", ())]
            return sorted(found, key=lambda one: (one.fee_usd is None, one.fee_usd or 0.0, one.start))

        return _answer(look)

    def spot_scores(self, instance: str, count: int, regions: Sequence[str]) -> Answer[SpotScore]:
        """Placement scores of `count` instances in one zone, the likeliest first; of a single type AWS scores low."""

        def look() -> list[SpotScore]:
            listed = self._ec2("get_spot_placement_scores").get_paginator("get_spot_placement_scores")
            scores = pages("Spot placement scores", listed.paginate(
                InstanceTypes=[instance], TargetCapacity=count, TargetCapacityUnitType="units",
                SingleAvailabilityZone=True, RegionNames=list(regions),
            ))  # fmt: skip
            found = [
                SpotScore(one["Region"], one.get("AvailabilityZoneId", ""), int(one["Score"]))
                for page in scores
                for one in page.get("SpotPlacementScores", ())
            ]
            return sorted(found, key=lambda one: (-one.score, one.region, one.zone_id))

        return _answer(look)

    def reservations(self, instance: str) -> Answer[Reservation]:
        """Reservations and Capacity Blocks of the account that hold the type or will, the earliest first."""

        def look() -> list[Reservation]:
            listed = self._ec2("describe_capacity_reservations").get_paginator("describe_capacity_reservations")
            held = pages("capacity reservations", listed.paginate(
                Filters=[{"Name": "instance-type", "Values": [instance]}, {"Name": "state", "Values": list(_LIVING)}],
            ))  # fmt: skip
            found = [reservation_of(one) for page in held for one in page.get("CapacityReservations", ())]
            return sorted(found, key=lambda one: (one.start is not None, one.start, one.id))

        return _answer(look)

    def quota(self, code: str | None) -> Answer[float]:
        """An EC2 quota in vCPUs (`domain.quotas`); a code of None is one that nobody has published."""
        if code is None:
            return Answer((), "no quota is known for this purchase", "Service Quotas, EC2")
        found = _answer(lambda: [AwsSurvey(self.session).quota(code)])
        if found.found == (None,):
            return Answer((), f"Service Quotas knows no {code}", "Service Quotas, EC2")
        known = tuple(value for value in found.found if value is not None)
        return Answer(known, found.why, found.next, found.denied)

    def used_vcpus(self, family: str, spot: bool) -> Answer[int]:
        """What runs of the types that begin with `family`, bought the same way: it counts against the quota."""
        return _answer(lambda: [AwsSurvey(self.session).running_vcpus([family], spot)])

    def _ec2(self, operation: str) -> EC2Client:
        """The client of EC2, if it has the operation: an older botocore may not know it."""
        client = self.session.client("ec2")
        if not hasattr(client, operation):
            raise FmctlError(f"this boto3 does not know {operation}", next="pip install --upgrade boto3")
        return client


def _answer(look: Callable[[], Iterable[_T]]) -> Answer[_T]:
    try:
        return Answer(tuple(look()))
    except FmctlError as error:
        why = f"{error.what}: {error.why}" if error.why else error.what
        return Answer((), why, error.next or "", isinstance(error, PermissionDenied))
    except (KeyError, TypeError, ValueError) as error:
        return Answer((), f"the answer is not what AWS's API describes: {error!r}")


def _offering(one: CapacityBlockOfferingTypeDef, ultraserver: bool) -> BlockOffering:
    currency = str(one.get("CurrencyCode", ""))
    return BlockOffering(
        id=one["CapacityBlockOfferingId"],
        instance=one["UltraserverType"] if ultraserver else one["InstanceType"],
        zone=one["AvailabilityZone"],
        count=int(one["UltraserverCount"] if ultraserver else one["InstanceCount"]),
        start=one["StartDate"],
        end=one["EndDate"],
        usable_until=block_usable_until(one["EndDate"], ultraserver),
        duration_h=float(one["CapacityBlockDurationHours"]) + one.get("CapacityBlockDurationMinutes", 0) / 60.0,
        fee_usd=float(one["UpfrontFee"]) if currency == "USD" else None,
        currency=currency,
    )
