"""`prices refresh`: asks AWS for prices, keeps them as a dated snapshot in the user's data folder. Spends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fmctl.adapters.aws import price_list
from fmctl.adapters.aws.session import Session, pages
from fmctl.base.errors import FmctlError, PermissionDenied
from fmctl.base.files import write_atomic
from fmctl.catalog import price_files
from fmctl.domain.hardware import Price, StoragePrice
from fmctl.domain.sizes import HEAD_FAMILIES, HEAD_SIZES, LOGIN_SIZE

if TYPE_CHECKING:
    from types_boto3_ec2.literals import InstanceTypeType
    from types_boto3_ec2.type_defs import SpotPriceTypeDef
    from types_boto3_pricing.type_defs import FilterTypeDef

LIST_REGION = "us-east-1"
"""The Price List answers in few regions, for all of them."""
_EC2 = {
    "operatingSystem": "Linux", "preInstalledSw": "NA", "tenancy": "Shared", "capacitystatus": "Used",
    "operation": "RunInstances", "marketoption": "OnDemand",
}  # fmt: skip
_GP3 = {"productFamily": "Storage", "volumeApiName": "gp3"}
_S3 = {"productFamily": "Storage", "volumeType": "Standard", "storageClass": "General Purpose"}
_LUSTRE = {"fileSystemType": "Lustre", "productFamily": "Storage"}


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Something that AWS did not answer, and why."""

    what: str
    why: str
    next: str = ""
    denied: bool = False  # a matter of rights or credentials


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was learnt on a day, and where it was kept; `files` is empty where nothing was."""

    day: date
    prices: tuple[Price, ...]
    storage: tuple[StoragePrice, ...]
    missing: tuple[NotAsked, ...]
    files: tuple[Path, ...] = ()


def head_instances() -> tuple[str, ...]:
    """Types of head and login nodes, whose prices belong to every bill."""
    sizes = [LOGIN_SIZE, *(size for _, size in HEAD_SIZES)]
    return tuple(f"{family}.{size}" for family in HEAD_FAMILIES.values() for size in sizes)


def ask(
    sessions: Callable[[str], Session],
    instances: Sequence[str],
    regions: Sequence[str],
    now: datetime,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Snapshot:
    """Prices of these types and of storage in these regions, now; what could not be asked is said, not raised.

    Args:
        sessions: a session of a region.
        instances: EC2 types; UltraServers have no list price and are left out.
        regions: AWS regions, no Local Zones.
        now: aware; its day dates the rows.
        progress: told how many questions of how many are answered.
    """
    day, missing = now.date(), list[NotAsked]()
    prices, storage = list[Price](), list[StoragePrice]()
    types = [one for one in dict.fromkeys(instances) if not one.startswith("u-")]
    total = len(types) + len(regions) * (1 + len(types))
    answered = count()
    for one in types:
        progress(next(answered), total)
        with _noting(f"list prices of {one}", missing):
            prices += price_list.on_demand_rows(one, regions, _ec2(sessions(LIST_REGION), one), day)
    for region in regions:
        progress(next(answered), total)
        storage += _storage(sessions, region, day, missing)
        for one in types:
            progress(next(answered), total)
            with _noting(f"Spot prices of {one} in {region}", missing):
                prices += price_list.spot_rows(one, region, _history(sessions(region), one, now), day)
    progress(total, total)
    return Snapshot(day, tuple(prices), tuple(storage), tuple(missing))


def keep(found: Snapshot) -> Snapshot:
    """Write the snapshot of its day, over what that day already has of the same rows. Raises UnwritableFile."""
    files = []
    if found.prices:
        path = price_files.snapshot_file(found.day, "instances.csv")
        older = price_files.read_prices(path) if path.exists() else ()
        rows = {(row.instance, row.region, row.option): row for row in (*older, *found.prices)}
        files.append(_written(path, price_files.price_text(rows.values())))
    if found.storage:
        path = price_files.snapshot_file(found.day, "storage.csv")
        before = price_files.read_storage_prices(path) if path.exists() else ()
        items = {(row.item, row.region): row for row in (*before, *found.storage)}
        files.append(_written(path, price_files.storage_price_text(items.values())))
    price_files.forget()
    return replace(found, files=tuple(files))


def _written(path: Path, text: str) -> Path:
    write_atomic(path, text, parents=True)
    return path


def _ec2(session: Session, instance: str) -> Iterator[str]:
    return _products(session, "AmazonEC2", f"list prices of {instance}", {"instanceType": instance, **_EC2})


def _history(session: Session, instance: str, now: datetime) -> Iterator[SpotPriceTypeDef]:
    """The price that holds now in every zone: a history that begins now."""
    listed = session.client("ec2").get_paginator("describe_spot_price_history").paginate(
        InstanceTypes=[cast("InstanceTypeType", instance)], ProductDescriptions=["Linux/UNIX"], StartTime=now
    )  # fmt: skip
    for page in pages(f"Spot prices of {instance}", listed):
        yield from page.get("SpotPriceHistory", ())


def _storage(
    sessions: Callable[[str], Session], region: str, day: date, missing: list[NotAsked]
) -> Iterator[StoragePrice]:
    """EBS, S3 and FSx for Lustre of one region."""
    there = {"regionCode": region}
    with _noting(f"prices of EBS in {region}", missing):
        yield from price_list.ebs_rows(
            region, _products(sessions(LIST_REGION), "AmazonEC2", "prices of EBS", _GP3 | there), day
        )
    with _noting(f"prices of S3 in {region}", missing):
        yield from price_list.s3_rows(
            region, _products(sessions(LIST_REGION), "AmazonS3", "prices of S3", _S3 | there), day
        )
    with _noting(f"prices of FSx for Lustre in {region}", missing):
        listed = _products(sessions(LIST_REGION), "AmazonFSx", "prices of FSx for Lustre", _LUSTRE | there)
        rows, unread = price_list.lustre_rows(region, listed, day)
        if unread:
            missing.append(NotAsked(f"FSx for Lustre in {region}", f"{unread} products are none that fmctl can tell"))
        yield from rows


def _products(session: Session, service: str, what: str, wanted: Mapping[str, str]) -> Iterator[str]:
    """Products of the Price List, as JSON texts."""
    filters: list[FilterTypeDef] = [
        {"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()
    ]
    listed = session.client("pricing").get_paginator("get_products").paginate(ServiceCode=service, Filters=filters)
    for page in pages(what, listed):
        yield from page.get("PriceList", ())


@contextmanager
def _noting(what: str, missing: list[NotAsked]) -> Iterator[None]:
    """What goes wrong inside is written down, and the next thing is asked."""
    try:
        yield
    except FmctlError as error:
        why = f"{error.what}: {error.why}" if error.why else error.what
        missing.append(NotAsked(what, why, error.next or "", isinstance(error, PermissionDenied)))
    except (KeyError, TypeError, ValueError) as error:
        missing.append(NotAsked(what, f"the answer is not what AWS's API describes: {error!r}"))
