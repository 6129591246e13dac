"""EC2 actions that moto lacks: capacity reservations, Capacity Blocks, placement groups."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response

from fmctl.adapters.lab.world import ACCOUNT, REGION, World
from fmctl.base.errors import UnknownName

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        CapacityBlockOfferingTypeDef,
        CapacityBlockStatusTypeDef,
        CapacityReservationStatusTypeDef,
        CapacityReservationTypeDef,
    )

    from fmctl.domain.tables import InstanceRecord

_Action = Callable[[EC2Response], ActionResult]
_FILTERS = {"instance-type": "InstanceType", "state": "State", "availability-zone": "AvailabilityZone"}
_BLOCK_TAG = "aws:ec2capacityreservation:"


def install(world: World) -> None:
    """Add the actions to moto's EC2."""
    for make in (_reservation_actions, _block_actions, _placement_group_actions):
        for action in make(world):
            if not hasattr(EC2Response, action.__name__):  # a newer moto may have it
                setattr(EC2Response, action.__name__, action)


def reserve(
    world: World,
    instance_type: str,
    zone: str,
    count: int,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> CapacityReservationTypeDef:
    """A reservation; one with an end is a Capacity Block."""
    made, now = "cr-" + uuid.uuid4().hex[:17], world.clock.now()
    kind: Literal["default", "capacity-block"] = "capacity-block" if end else "default"
    found: CapacityReservationTypeDef = {
        "CapacityReservationId": made,
        "OwnerId": ACCOUNT,
        "InstanceType": instance_type,
        "CapacityReservationArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:capacity-reservation/{made}",
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZone": zone,
        "Tenancy": "default",
        "TotalInstanceCount": count,
        "AvailableInstanceCount": count,
        "EbsOptimized": True,
        "State": "active",
        "StartDate": start or now,
        "CreateDate": now,
        "EndDateType": "limited" if end else "unlimited",
        "InstanceMatchCriteria": "targeted",
        "ReservationType": kind,
        "Tags": [],
    }
    if end:
        found["EndDate"] = end
        found["Tags"] = [
            {"Key": f"{_BLOCK_TAG}incrementalRequestedQuantity", "Value": str(count)},
            {"Key": f"{_BLOCK_TAG}capacityReservationType", "Value": kind},
        ]
    world.reservations[made] = found
    return found


def as_of_now(world: World, reservation: CapacityReservationTypeDef) -> CapacityReservationTypeDef:
    """The reservation with the state that its dates give it."""
    now, found = world.clock.now(), reservation.copy()
    if found["State"] == "cancelled":
        return found
    if found.get("EndDate") and now >= found["EndDate"]:
        found["State"], found["AvailableInstanceCount"] = "expired", 0
    elif now < found["StartDate"]:
        found["State"] = "scheduled"
    return found


def _reservation_actions(world: World) -> list[_Action]:
    def create_capacity_reservation(self: EC2Response) -> ActionResult:
        made = reserve(
            world,
            self._get_param("InstanceType"),
            self._get_param("AvailabilityZone"),
            int(self._get_param("InstanceCount")),
        )
        return ActionResult({"CapacityReservation": made})

    def describe_capacity_reservations(self: EC2Response) -> ActionResult:
        wanted = self._get_param("CapacityReservationIds", []) or []
        for one in wanted:
            _existing(world, one)
        found = [as_of_now(world, r) for key, r in world.reservations.items() if not wanted or key in wanted]
        filters = {one["Name"]: one["Values"] for one in self._get_param("Filters", []) or []}
        return ActionResult({"CapacityReservations": [one for one in found if _passes(one, filters)]})

    def cancel_capacity_reservation(self: EC2Response) -> ActionResult:
        _existing(world, self._get_param("CapacityReservationId"))["State"] = "cancelled"
        return ActionResult({"Return": True})

    return [create_capacity_reservation, describe_capacity_reservations, cancel_capacity_reservation]


def _passes(reservation: CapacityReservationTypeDef, filters: dict[str, list[str]]) -> bool:
    """The filters that fmctl uses; a name that is not known here lets everything through."""
    has: Mapping[str, object] = reservation
    fields = {name: has[field] for name, field in _FILTERS.items()}
    return all(fields.get(name, values[0]) in values for name, values in filters.items())


def _existing(world: World, wanted: str) -> CapacityReservationTypeDef:
    if wanted not in world.reservations:
        raise EC2ClientError(
            "InvalidCapacityReservationId.NotFound", f"The capacity reservation {wanted} does not exist"
        )
    return world.reservations[wanted]


def _block_actions(world: World) -> list[_Action]:
    def describe_capacity_block_offerings(self: EC2Response) -> ActionResult:
        rack = self._get_param("UltraserverType")
        count = int(self._get_param("UltraserverCount" if rack else "InstanceCount") or 1)
        hours, kind = int(self._get_param("CapacityDurationHours")), rack or self._get_param("InstanceType")
        return ActionResult({"CapacityBlockOfferings": _offers(world, kind, count, hours)})

    def purchase_capacity_block(self: EC2Response) -> ActionResult:
        offer = world.offers.get(self._get_param("CapacityBlockOfferingId"))
        if offer is None:
            raise EC2ClientError(
                "InvalidCapacityBlockOfferingId.NotFound", "The offering does not exist or has expired"
            )
        bought = reserve(
            world,
            offer["InstanceType"],
            offer["AvailabilityZone"],
            offer["InstanceCount"],
            start=offer["StartDate"],
            end=offer["EndDate"],
        )
        return ActionResult({"CapacityReservation": as_of_now(world, bought)})

    def describe_capacity_block_status(self: EC2Response) -> ActionResult:
        wanted = self._get_param("CapacityBlockIds", []) or []
        found = [_status(key, r) for key, r in world.reservations.items() if not wanted or key in wanted]
        return ActionResult({"CapacityBlockStatuses": found})

    return [describe_capacity_block_offerings, purchase_capacity_block, describe_capacity_block_status]


def _offers(world: World, instance_type: str, count: int, hours: int) -> list[CapacityBlockOfferingTypeDef]:
    """Three blocks in the coming days at the newest price that fmctl knows of; none where it knows none."""
    from fmctl.catalog import instance_record

    now = world.clock.now()
    try:
        record = instance_record(instance_type)
    except UnknownName:
        return []
    price = _block_usd_per_h(record, now.date())
    if price is None:
        return []
    sold: CapacityBlockOfferingTypeDef = {"InstanceType": instance_type, "InstanceCount": count}
    if instance_type.startswith("u-"):
        sold = {"InstanceType": record["member_type"], "InstanceCount": count * record["member_count"]}
        sold |= {"UltraserverType": instance_type, "UltraserverCount": count}
    day, made = now.replace(hour=11, minute=30, second=0, microsecond=0), []
    for start in (day + timedelta(days=2 * k) for k in (1, 2, 3)):
        offer: CapacityBlockOfferingTypeDef = {
            "CapacityBlockOfferingId": "cb-" + uuid.uuid4().hex[:17],
            **sold,
            "AvailabilityZone": f"{REGION}a",
            "StartDate": start,
            "EndDate": start + timedelta(hours=hours),
            "CapacityBlockDurationHours": hours,
            "UpfrontFee": f"{price * count * hours:.2f}",
            "CurrencyCode": "USD",
            "Tenancy": "default",
        }
        world.offers[offer["CapacityBlockOfferingId"]] = offer
        made.append(offer)
    return made


def _block_usd_per_h(record: InstanceRecord, day: date) -> float | None:
    """An old rate will do where today's is not known: no price of the lab is real."""
    from fmctl.catalog import find_price

    places = (REGION, *record["regions"].get("capacity-block", ()))
    found = (find_price(record["name"], place, "capacity-block", day, stale=True).usd_per_h for place in places)
    return next((usd for usd in found if usd is not None), None)


def _status(key: str, reservation: CapacityReservationTypeDef) -> CapacityBlockStatusTypeDef:
    inner: CapacityReservationStatusTypeDef = {
        "CapacityReservationId": key,
        "TotalCapacity": reservation["TotalInstanceCount"],
        "TotalAvailableCapacity": reservation["AvailableInstanceCount"],
        "TotalUnavailableCapacity": 0,
    }
    return {
        "CapacityBlockId": key,
        "InterconnectStatus": "ok",
        "TotalCapacity": inner["TotalCapacity"],
        "TotalAvailableCapacity": inner["TotalAvailableCapacity"],
        "TotalUnavailableCapacity": 0,
        "CapacityReservationStatuses": [inner],
    }


def _placement_group_actions(world: World) -> list[_Action]:
    groups = world.placement_groups

    def create_placement_group(self: EC2Response) -> ActionResult:
        name = self._get_param("GroupName")
        strategy = self._get_param("Strategy") or "cluster"
        groups[name] = {
            "GroupName": name, "Strategy": strategy, "State": "available", "GroupId": "pg-" + uuid.uuid4().hex[:17],
        }  # fmt: skip
        return ActionResult({"PlacementGroup": groups[name]})

    def describe_placement_groups(self: EC2Response) -> ActionResult:
        wanted = self._get_param("GroupNames", []) or []
        for name in wanted:
            if name not in groups:
                raise EC2ClientError("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")
        return ActionResult({"PlacementGroups": [g for name, g in groups.items() if not wanted or name in wanted]})

    def delete_placement_group(self: EC2Response) -> ActionResult:
        groups.pop(self._get_param("GroupName"), None)
        return ActionResult({})

    return [create_placement_group, describe_placement_groups, delete_placement_group]
