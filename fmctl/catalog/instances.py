"""Instance types by name, from the tables in `fmctl/hardware`: what the EC2 API says, with null for the unknown.

A record is the raw table row, complete or not; an `Instance` is only built where every number a plan needs is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from fmctl.base.errors import UnknownName, UsageError
from fmctl.catalog.names import PACKAGE, instance_names
from fmctl.catalog.store import read_csv, read_yaml
from fmctl.domain.hardware import MIB, Accelerator, Fabric, Instance, Link
from fmctl.domain.purchase import purchase

if TYPE_CHECKING:
    from fmctl.domain.tables import AcceleratorHead, AcceleratorRow, InstanceHead, InstanceRecord, InstanceRow

HARDWARE = Path(PACKAGE) / "hardware"
GIB = 2**30
GIGA = 1e9
HEADER = ("retrieved", "source", "aliases")
LIST_COMMAND = "fmctl instances list"


@cache
def _instances() -> Mapping[str, InstanceRow]:
    return MappingProxyType(cast("dict[str, InstanceRow]", read_yaml(HARDWARE / "instances.yaml")))


def _instance_head() -> InstanceHead:
    return cast("InstanceHead", _instances())


@cache
def _accelerators() -> Mapping[str, AcceleratorRow]:
    return MappingProxyType(cast("dict[str, AcceleratorRow]", read_yaml(HARDWARE / "accelerators.yaml")))


def _accelerator_head() -> AcceleratorHead:
    return cast("AcceleratorHead", _accelerators())


@cache
def _offerings() -> list[dict[str, str]]:
    return read_csv(HARDWARE / "offerings.csv")


def find_instance(name: str) -> str:
    """The full name for `name`, which may be short (`p5`, `p6e-gb200`) or in capitals.

    Raises:
        UnknownName: no such type; the nearest ones are named.
    """
    wanted = name.strip().lower()
    aliases = _instance_head()["aliases"]
    full = aliases.get(wanted, wanted)
    if full not in _instances() or full in HEADER:
        having = [one for one, gpu in accelerator_names().items() if wanted in (gpu, gpu.partition("-")[0])]
        raise UnknownName("instance", name, [*instance_names(), *aliases], next=LIST_COMMAND, meant=having)
    return full


def accelerator_names() -> Mapping[str, str]:
    """The GPU of every type by the type's name, as the table spells it: `h100`, `b200`."""
    return {name: str(_instances()[name]["accelerator"]) for name in instance_names()}


def instance_record(name: str) -> InstanceRecord:
    """The table row of a type as it stands, with its accelerator's row under `accelerator_record`; null is unknown."""
    full = find_instance(name)
    record, head = _instances()[full], _instance_head()
    extra = {"name": full, "source": head["source"], "retrieved": head["retrieved"], "zones": zones_of(full)}
    row = MappingProxyType({**record, **extra, "accelerator_record": _accelerators()[record["accelerator"]]})
    return cast("InstanceRecord", row)


def load_instance(name: str) -> Instance:
    """Build the instance type `name` (full name or alias).

    Raises:
        UnknownName: no such type.
        UsageError: a number that the performance model needs is not known.
    """
    record = instance_record(name)
    if record["fabric"]["kind"] is None:
        raise UsageError(f"no plan can be made for {record['name']}", why=record["unplannable"], next=LIST_COMMAND)
    return Instance(
        name=record["name"],
        accelerator=_accelerator(record["accelerator"]),
        gpus=record["gpus"],
        fabric=_fabric(record),
        vcpu=record["vcpu"],
        ram_bytes=record["ram_gib"] * GIB,
        arch=record["arch"],
        efa_version=record["efa_version"],
        efa_interfaces=record["efa_interfaces"],
        network_cards=record["network_cards"],
        efa_bits_per_s=record["efa_gbps"] * GIGA,
        card0=record["card0"],
        nvme_disks=record["nvme_disks"],
        nvme_bytes=record["nvme_disks"] * record["nvme_gb_each"] * 10**9,
        ebs_bits_per_s=record["ebs_gbps"] * GIGA,
        member_type=record.get("member_type", ""),
        member_count=record.get("member_count", 1),
        purchase=tuple(record["purchase"]),
        regions={option: tuple(regions) for option, regions in record["regions"].items()},
        zones=record["zones"],
        host_power_w=float(record["host_power_w"]),
        launched=record["launched"],
        retrieved=record["retrieved"],
        notes=tuple(record["notes"]),
        source=record["source"],
        unplannable=record.get("unplannable", ""),
        needs=record.get("needs", {}),
        slow_to_start=record.get("slow_to_start", True),
        ena_bits_per_s=_ena_bits_per_s(record),
    )


def _ena_bits_per_s(record: InstanceRecord) -> float | None:
    """ENA of a type; of an UltraServer what its members have."""
    members = record.get("member_count", 1)
    one: InstanceRow = _instances()[record["member_type"]] if members > 1 else record
    rate = one["ena_gbps"]
    return None if rate is None else rate * GIGA * members


def _accelerator(name: str) -> Accelerator:
    row = _accelerators()[name]
    sources = _accelerator_head()["sources"]
    memory = row["memory_mib"] * MIB if row["memory_mib"] else row["memory_gib_marketing"] * GIB
    return Accelerator(
        name=name,
        architecture=row["architecture"],
        memory_bytes=memory,
        hbm_bytes_per_s=row["hbm_bytes_per_s"],
        peak_flop_per_s=dict(row["peak_flop_per_s"]),
        power_w=float(row["power_w"]),
        kernel_table=row["kernel_table"],
        source=f"memory: {sources['memory']}; rates: {sources['rates']}; power: {row['power_source']}",
    )


def _fabric(record: InstanceRecord) -> Fabric:
    """Links per GPU and direction. A domain of one GPU has no peers: its NVLink repeats the network's rate."""
    fabric = record["fabric"]
    network = Link(record["efa_gbps"] * GIGA / 8 / record["gpus"], fabric["network_latency_s"])
    nvlink = Link(record["accelerator_record"]["nvlink_bytes_per_s"], _accelerator_head()["nvlink_latency_s"])
    domain = fabric["domain_gpus"]
    inside = nvlink if domain > 1 else network
    return Fabric(str(fabric["kind"]), domain, inside, network, fabric["rdma_write"], fabric.get("gds", False))


def zones_of(name: str) -> dict[str, tuple[str, ...]]:
    """Availability-zone ids by region in which a type was offered on the date of the table."""
    return {row["region"]: tuple(row["az_ids"].split()) for row in _offerings() if row["instance"] == name}


def regions_of(instance: str, option: str) -> tuple[str, ...]:
    """Regions where a type can be bought with a purchase option; empty where it cannot.

    On-demand and Capacity Blocks have lists of their own. Spot follows the zones that offer the type, reservations the
    on-demand list.
    """
    full = find_instance(instance)
    record = _instances()[full]
    if option not in record["purchase"]:
        return ()
    listed = record["regions"].get(purchase(option).regions)
    return tuple(listed or zones_of(full))
