"""What of a cluster still is in the account, by its tags and by the names that ParallelCluster gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fmctl.adapters.aws.errors import asked, code_of
from fmctl.adapters.aws.session import Session
from fmctl.base.errors import FmctlError, UnknownName
from fmctl.domain.end import end_name, warning_name
from fmctl.domain.ports import Leftover

_TAG = "parallelcluster:cluster-name"
_DAYS_A_MONTH = 365.0 / 12.0


def leftovers(session: Session, cluster: str) -> tuple[Leftover, ...]:
    """Everything found; a service that would not list is named as such, so that no answer looks complete and is not."""
    found: list[Leftover] = []
    for what, look in _LOOKS.items():
        try:
            found += look(session, cluster)
        except FmctlError as error:
            why = f"{error.what}: {error.why or ''}"
            found.append(Leftover("not listed", what, None, f"look for {what} of {cluster} in the console", why))
    return tuple(found)


def _filter(cluster: str) -> list[dict[str, Any]]:
    return [{"Name": f"tag:{_TAG}", "Values": [cluster]}]


def _instances(session: Session, cluster: str) -> Iterator[Leftover]:
    states = ["pending", "running", "stopping", "stopped", "shutting-down"]
    wanted = [*_filter(cluster), {"Name": "instance-state-name", "Values": states}]
    for group in session.pages("ec2", "describe_instances", "Reservations", "instances", Filters=wanted):
        for one in group["Instances"]:
            id, state = one["InstanceId"], one["State"]["Name"]
            usd = _instance_day(session, one["InstanceType"]) if state in ("pending", "running") else 0.0
            command = f"aws ec2 terminate-instances --instance-ids {id}{_region(session)}"
            yield Leftover("instance", id, usd, command, f"{one['InstanceType']}, {state}")


def _volumes(session: Session, cluster: str) -> Iterator[Leftover]:
    for one in session.pages("ec2", "describe_volumes", "Volumes", "volumes", Filters=_filter(cluster)):
        usd = _per_day(f"ebs/{one['VolumeType']}", session.region, one["Size"])
        command = f"aws ec2 delete-volume --volume-id {one['VolumeId']}{_region(session)}"
        yield Leftover(
            "volume", one["VolumeId"], usd, command, f"{one['Size']} GiB {one['VolumeType']}, {one['State']}"
        )


def _interfaces(session: Session, cluster: str) -> Iterator[Leftover]:
    listed = session.pages(
        "ec2", "describe_network_interfaces", "NetworkInterfaces", "network interfaces", Filters=_filter(cluster)
    )
    for one in listed:
        id = one["NetworkInterfaceId"]
        command = f"aws ec2 delete-network-interface --network-interface-id {id}{_region(session)}"
        yield Leftover("network interface", id, 0.0, command, one.get("Status", ""))


def _file_systems(session: Session, cluster: str) -> Iterator[Leftover]:
    for one in session.pages("fsx", "describe_file_systems", "FileSystems", "FSx file systems"):
        if {"Key": _TAG, "Value": cluster} not in one.get("Tags", ()):
            continue
        lustre = one.get("LustreConfiguration", {})
        kind = f"{lustre.get('DeploymentType', '')}-{lustre.get('PerUnitStorageThroughput', '')}"
        item = "fsx-lustre/" + kind.strip("-").lower().replace("_", "-")
        usd = _per_day(item, session.region, one.get("StorageCapacity", 0))
        command = f"aws fsx delete-file-system --file-system-id {one['FileSystemId']}{_region(session)}"
        yield Leftover("file system", one["FileSystemId"], usd, command, f"{one.get('StorageCapacity')} GiB {kind}")


def _log_groups(session: Session, cluster: str) -> Iterator[Leftover]:
    prefix = f"/aws/parallelcluster/{cluster}-"
    for one in session.pages("logs", "describe_log_groups", "logGroups", "log groups", logGroupNamePrefix=prefix):
        name = one["logGroupName"]
        if not name.removeprefix(prefix).isdigit():
            continue  # of a cluster whose name begins like this one's
        command = f"aws logs delete-log-group --log-group-name {name}{_region(session)}"
        yield Leftover("log group", name, None, command, f"{one.get('storedBytes', 0) / 1e9:.1f} GB, no price on file")


def _buckets(session: Session, cluster: str) -> Iterator[Leftover]:
    """ParallelCluster's bucket of account and region: all clusters share it, so only the cluster's folder counts."""
    client = session.client("s3")
    with asked("buckets"):
        listed = client.list_buckets().get("Buckets", ())
    for one in listed:
        name = one["Name"]
        if not name.startswith("parallelcluster-"):
            continue
        for prefix in _folders(client, name, cluster):
            command = f"aws s3 rm --recursive s3://{name}/{prefix}"
            yield Leftover("bucket folder", f"s3://{name}/{prefix}", None, command, "configuration and templates")


def _folders(client: Any, bucket: str, cluster: str) -> list[str]:
    """`parallelcluster/<version>/clusters/<cluster>-<16 letters>/` of every version."""
    from botocore.exceptions import ClientError

    with asked(f"the content of {bucket}"):
        try:
            pages = client.get_paginator("list_objects_v2")
            versions = [
                prefix["Prefix"]
                for page in pages.paginate(Bucket=bucket, Prefix="parallelcluster/", Delimiter="/")
                for prefix in page.get("CommonPrefixes", ())
            ]
            found = [
                prefix["Prefix"]
                for version in versions
                for page in pages.paginate(Bucket=bucket, Prefix=f"{version}clusters/{cluster}-", Delimiter="/")
                for prefix in page.get("CommonPrefixes", ())
            ]
        except ClientError as error:
            if code_of(error) in ("NoSuchBucket", "PermanentRedirect", "301"):  # of another region
                return []
            raise
    return [one for one in found if "-" not in one.rstrip("/").rpartition(f"/{cluster}-")[2]]


def _end(session: Session, cluster: str) -> Iterator[Leftover]:
    from botocore.exceptions import ClientError

    name, warning = end_name(cluster), warning_name(cluster)
    scheduler = session.client("scheduler")
    looks: tuple[tuple[str, str, Callable[[], Any], str], ...] = (
        *(
            (
                "schedule",
                one,
                partial(scheduler.get_schedule, Name=one, GroupName="default"),
                f"aws scheduler delete-schedule --name {one}{_region(session)}",
            )
            for one in (name, warning)
        ),
        (
            "IAM role",
            name,
            lambda: session.client("iam").get_role(RoleName=name),
            f"aws iam delete-role-policy --role-name {name} --policy-name delete-cluster; "
            f"aws iam delete-role --role-name {name}",
        ),
    )
    for kind, one, look, command in looks:
        with asked(f"the {kind} of the end"):
            try:
                look()
            except ClientError as error:
                if code_of(error) in ("ResourceNotFoundException", "NoSuchEntity"):
                    continue
                raise
        yield Leftover(kind, one, 0.0, command)


def _roles(session: Session, cluster: str) -> Iterator[Leftover]:
    for one in session.pages("iam", "list_roles", "Roles", "IAM roles", PathPrefix=f"/parallelcluster/{cluster}/"):
        command = f"aws iam delete-role --role-name {one['RoleName']}"
        yield Leftover("IAM role", one["RoleName"], 0.0, command, "its policies have to go first")


def _reservations(session: Session, cluster: str) -> Iterator[Leftover]:
    """Active reservations tagged as the cluster's: billed whether used or not, and by no stack deleted.

    Others of the account may be somebody else's: a command that cancels them is not put into anybody's hands.
    """
    mine = {"Key": "fmctl:cluster", "Value": cluster}
    wanted = [{"Name": "state", "Values": ["active"]}, {"Name": f"tag:{mine['Key']}", "Values": [cluster]}]
    listed = session.pages(
        "ec2", "describe_capacity_reservations", "CapacityReservations", "capacity reservations", Filters=wanted
    )
    for one in listed:
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


_LOOKS: dict[str, Callable[[Session, str], Iterator[Leftover]]] = {
    "instances": _instances,
    "volumes": _volumes,
    "network interfaces": _interfaces,
    "FSx file systems": _file_systems,
    "log groups": _log_groups,
    "S3 folders": _buckets,
    "the end": _end,
    "IAM roles": _roles,
    "capacity reservations": _reservations,
}
