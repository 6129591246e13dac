"""What of a cluster still is in the account, by its tags and by the names that its target gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fmctl.adapters.aws.marks import Marks
from fmctl.adapters.aws.session import Session, pages
from fmctl.base.errors import FmctlError, UnknownName
from fmctl.domain.cluster import CLUSTER_TAG
from fmctl.domain.end import end_name, role_name
from fmctl.domain.ports import Leftover

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import FilterTypeDef, TagTypeDef

_DAYS_A_MONTH = 365.0 / 12.0


def leftovers(session: Session, cluster: str, marks: Marks) -> tuple[Leftover, ...]:
    """Everything found; a service that would not list is named as such, so that no answer looks complete and is not."""
    found: list[Leftover] = []
    looks = {*_LOOKS, *marks.leftovers}
    for what in (*(one for one in _ORDER if one in looks), *sorted(looks - {*_ORDER})):
        try:
            own = marks.leftovers.get(what)
            found += own(session, cluster) if own is not None else _LOOKS[what](session, cluster, marks)
        except FmctlError as error:
            why = f"{error.what}: {error.why or ''}"
            found.append(Leftover("not listed", what, None, f"look for {what} of {cluster} in the console", why))
    return tuple(found)


def _filter(cluster: str, marks: Marks) -> list[FilterTypeDef]:
    return [{"Name": f"tag:{marks.cluster_tag}", "Values": [cluster]}]


def _instances(session: Session, cluster: str, marks: Marks) -> Iterator[Leftover]:
    states = ["pending", "running", "stopping", "stopped", "shutting-down"]
    wanted: list[FilterTypeDef] = [*_filter(cluster, marks), {"Name": "instance-state-name", "Values": states}]
    listed = session.client("ec2").get_paginator("describe_instances").paginate(Filters=wanted)
    for group in (group for page in pages("instances", listed) for group in page.get("Reservations", ())):
        for one in group["Instances"]:
            id, state = one["InstanceId"], one["State"]["Name"]
            usd = _instance_day(session, one["InstanceType"]) if state in ("pending", "running") else 0.0
            command = f"aws ec2 terminate-instances --instance-ids {id}{_region(session)}"
            yield Leftover("instance", id, usd, command, f"{one['InstanceType']}, {state}")


def _volumes(session: Session, cluster: str, marks: Marks) -> Iterator[Leftover]:
    listed = session.client("ec2").get_paginator("describe_volumes").paginate(Filters=_filter(cluster, marks))
    for one in (one for page in pages("volumes", listed) for one in page.get("Volumes", ())):
        usd = _per_day(f"ebs/{one['VolumeType']}", session.region, one["Size"])
        command = f"aws ec2 delete-volume --volume-id {one['VolumeId']}{_region(session)}"
        yield Leftover(
            "volume", one["VolumeId"], usd, command, f"{one['Size']} GiB {one['VolumeType']}, {one['State']}"
        )


def _interfaces(session: Session, cluster: str, marks: Marks) -> Iterator[Leftover]:
    listed = session.client("ec2").get_paginator("describe_network_interfaces")
    found = pages("network interfaces", listed.paginate(Filters=_filter(cluster, marks)))
    for one in (one for page in found for one in page.get("NetworkInterfaces", ())):
        id = one["NetworkInterfaceId"]
        command = f"aws ec2 delete-network-interface --network-interface-id {id}{_region(session)}"
        yield Leftover("network interface", id, 0.0, command, one.get("Status", ""))


def _file_systems(session: Session, cluster: str, marks: Marks) -> Iterator[Leftover]:
    listed = session.client("fsx").get_paginator("describe_file_systems").paginate()
    for one in (one for page in pages("FSx file systems", listed) for one in page.get("FileSystems", ())):
        if {"Key": marks.cluster_tag, "Value": cluster} not in one.get("Tags", ()):
            continue
        lustre = one.get("LustreConfiguration", {})
        kind = f"{lustre.get('DeploymentType', '')}-{lustre.get('PerUnitStorageThroughput', '')}"
        item = "fsx-lustre/" + kind.strip("-").lower().replace("_", "-")
        usd = _per_day(item, session.region, one.get("StorageCapacity", 0))
        command = f"aws fsx delete-file-system --file-system-id {one['FileSystemId']}{_region(session)}"
        yield Leftover("file system", one["FileSystemId"], usd, command, f"{one.get('StorageCapacity')} GiB {kind}")


def _log_groups(session: Session, cluster: str, marks: Marks) -> Iterator[Leftover]:
    prefix = marks.log_group(cluster)
    listed = session.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    for one in (one for page in pages("log groups", listed) for one in page.get("logGroups", ())):
        name = one["logGroupName"]
        if not name.removeprefix(prefix).isdigit():
            continue  # of a cluster whose name begins like this one's
        command = f"aws logs delete-log-group --log-group-name {name}{_region(session)}"
        yield Leftover("log group", name, None, command, f"{one.get('storedBytes', 0) / 1e9:.1f} GB, no price on file")


def _end(session: Session, cluster: str, marks: Marks) -> Iterator[Leftover]:
    from fmctl.adapters.aws.end import POLICY, Ends
    from fmctl.domain.policy import Place

    who = session.caller()
    place = Place(who["Account"], session.region, who["Arn"].split(":")[1])
    ends = Ends(session, marks)
    for name in ends.schedules(cluster):
        yield Leftover("schedule", name, 0.0, f"aws scheduler delete-schedule --name {name}{_region(session)}")
    for name in (role_name(cluster, session.region), end_name(cluster)):
        if ends.is_role(name, cluster, place):
            command = (
                f"aws iam delete-role-policy --role-name {name} --policy-name {POLICY}; "
                f"aws iam delete-role --role-name {name}"
            )
            yield Leftover("IAM role", name, 0.0, command)


def _reservations(session: Session, cluster: str, marks: Marks) -> Iterator[Leftover]:
    """Active reservations tagged as the cluster's: billed whether used or not, and by no stack deleted.

    Others of the account may be somebody else's: a command that cancels them is not put into anybody's hands.
    """
    mine: TagTypeDef = {"Key": CLUSTER_TAG, "Value": cluster}
    wanted: list[FilterTypeDef] = [
        {"Name": "state", "Values": ["active"]},
        {"Name": f"tag:{mine['Key']}", "Values": [cluster]},
    ]
    listed = session.client("ec2").get_paginator("describe_capacity_reservations").paginate(Filters=wanted)
    for one in (one for page in pages("capacity reservations", listed) for one in page.get("CapacityReservations", ())):
        if mine not in one.get("Tags", ()):
            continue  # whoever answers may not know the filter
        block = one.get("ReservationType") == "capacity-block"
        id, count = one["CapacityReservationId"], int(one.get("TotalInstanceCount", 0))
        each = _instance_day(session, one["InstanceType"])
        why = f"{count} x {one['InstanceType']}, active"
        if block:
            yield Leftover("Capacity Block", id, 0.0, "nothing: it is paid and ends by itself", why)
            continue
        command = f"aws ec2 cancel-capacity-reservation --capacity-reservation-id {id}{_region(session)}"
        yield Leftover("capacity reservation", id, None if each is None else each * count, command, why)


def _region(session: Session) -> str:
    return f" --region {session.region}"


def _per_day(item: str, region: str, gib: float) -> float | None:
    from fmctl.catalog.pricing import find_storage_price

    try:
        price = find_storage_price(item, region)
    except UnknownName:
        return None
    return None if price.usd is None or "month" not in price.unit else price.usd * gib / _DAYS_A_MONTH


def _instance_day(session: Session, kind: str) -> float | None:
    from fmctl.catalog.pricing import find_price

    try:
        price = find_price(kind, session.region, "on-demand", datetime.now(UTC).date())
    except UnknownName:
        return None
    return None if price.usd_per_h is None else price.usd_per_h * 24


# In which people read them; a target may have some of its own among them.
_ORDER = (
    "instances", "volumes", "network interfaces", "FSx file systems", "log groups", "S3 folders", "the end",
    "IAM roles", "capacity reservations",
)  # fmt: skip
_LOOKS: dict[str, Callable[[Session, str, Marks], Iterator[Leftover]]] = {
    "instances": _instances,
    "volumes": _volumes,
    "network interfaces": _interfaces,
    "FSx file systems": _file_systems,
    "log groups": _log_groups,
    "the end": _end,
    "capacity reservations": _reservations,
}
