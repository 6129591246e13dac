"""Instance types as documents, rows and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from fmctl.base.read import part
from fmctl.domain.hardware import Instance, Price
from fmctl.report.catalogue import PRICES, Columns, listed, table
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Report, Row, Section, facts
from fmctl.report.words import label, plural, say

if TYPE_CHECKING:
    from fmctl.domain.rows.catalogue import InstanceDocument, InstanceResult, InstancesDocument


_INSTANCES: Columns = (
    ("name", "instance", 0),
    ("gpus", "GPUs", 0),
    ("accelerator", "GPU", 0),
    ("memory_bytes", "memory", 0),
    ("bf16_flop_per_s", "bf16 of a GPU", 0),
    ("domain_gpus", "NVLink", 0),
    ("efa_bits_per_s", "EFA", 0),
    ("vcpu", "vCPU", 2),
    ("nvme_bytes", "local disks", 1),
    ("purchase", "purchase", 3),
)


def instances_answer(rows: Sequence[Row]) -> Answer:
    """`instances list`."""
    document: InstancesDocument = envelope("instances", {"instances": rows})
    return Answer(document, rows, lambda: listed(plural(len(rows), "instance type"), rows, _INSTANCES))


def instance_answer(row: Row, prices: Sequence[Price]) -> Answer:
    """`instances show`: everything known about one type, prices included."""
    quoted = [asdict(price) for price in prices]
    document: InstanceDocument = envelope("instance", {**row, "prices": quoted})
    return Answer(document, [row], lambda: _instance_report(document["result"], quoted))


def instance_row(instance: Instance, *, whole: bool = False) -> dict[str, object]:
    """The fields of a type that the list shows, or all of them."""
    gpu = instance.accelerator
    row = {
        "name": instance.name,
        "gpus": instance.gpus,
        "accelerator": gpu.name,
        "architecture": gpu.architecture,
        "memory_bytes": gpu.memory_bytes,
        "hbm_bytes_per_s": gpu.hbm_bytes_per_s,
        "bf16_flop_per_s": gpu.peak_flop_per_s.get("bf16"),
        "fp8_flop_per_s": gpu.peak_flop_per_s.get("fp8"),
        "fp4_flop_per_s": gpu.peak_flop_per_s.get("fp4"),
        "domain_gpus": instance.fabric.domain_gpus,
        "efa_bits_per_s": instance.efa_bits_per_s,
        "vcpu": instance.vcpu,
        "ram_bytes": instance.ram_bytes,
        "nvme_bytes": instance.nvme_bytes,
        "purchase": list(instance.purchase),
        "retrieved": instance.retrieved,
        "unplannable": None,
    }
    return row | _rest(instance) if whole else row


def unplannable_row(record: Mapping[str, object], *, whole: bool = False) -> dict[str, object]:
    """What is known of a type that no plan can be made for; the rest is null."""
    names = ("gpus", "vcpu", "nvme_disks", "network_cards", "efa_interfaces", "efa_version", "card0", "launched")
    known = {name: record.get(name) for name in names}
    row = dict.fromkeys(_LISTED) | {"name": record["name"], "gpus": known["gpus"], "vcpu": known["vcpu"]}
    row |= {"accelerator": record["accelerator"], "purchase": _listed(record.get("purchase"))}
    row |= {"retrieved": record.get("retrieved", ""), "unplannable": record.get("unplannable") or "not known enough"}
    if not whole:
        return row
    lists = {"notes": _listed(record.get("notes"))}
    maps = {name: {k: _listed(v) for k, v in part(record.get(name)).items()} for name in ("regions", "zones")}
    about = {"cpu_arch": record.get("arch"), "source": record.get("source", ""), "launched": known["launched"] or ""}
    return row | dict.fromkeys(_WHOLE) | known | lists | maps | about


_LISTED = (
    "name", "gpus", "accelerator", "architecture", "memory_bytes", "hbm_bytes_per_s", "bf16_flop_per_s",
    "fp8_flop_per_s", "fp4_flop_per_s", "domain_gpus", "efa_bits_per_s", "vcpu", "ram_bytes", "nvme_bytes",
    "purchase", "retrieved", "unplannable",
)  # fmt: skip
_WHOLE = (
    "member_type", "member_count", "cpu_arch", "efa_version", "efa_interfaces", "network_cards", "card0",
    "rdma_write", "nvlink_bytes_per_s", "network_bytes_per_s", "nvme_disks", "ebs_bits_per_s", "gpu_power_w",
    "host_power_w",
)  # fmt: skip


def _rest(instance: Instance) -> dict[str, object]:
    return {
        "member_type": instance.member_type,
        "member_count": instance.member_count,
        "cpu_arch": instance.arch,
        "efa_version": instance.efa_version,
        "efa_interfaces": instance.efa_interfaces,
        "network_cards": instance.network_cards,
        "card0": instance.card0,
        "rdma_write": instance.fabric.rdma_write,
        "nvlink_bytes_per_s": instance.fabric.nvlink.bytes_per_s if instance.fabric.domain_gpus > 1 else None,
        "network_bytes_per_s": instance.fabric.network.bytes_per_s,
        "nvme_disks": instance.nvme_disks,
        "ebs_bits_per_s": instance.ebs_bits_per_s,
        "gpu_power_w": instance.accelerator.power_w,
        "host_power_w": instance.host_power_w,
        "regions": {option: list(names) for option, names in instance.regions.items()},
        "zones": {region: list(names) for region, names in instance.zones.items()},
        "launched": instance.launched,
        "notes": list(instance.notes),
        "source": instance.source,
    }


def _instance_report(row: InstanceResult, prices: Sequence[Row]) -> Report:
    hidden = ("name", "regions", "zones", "source", "notes", "prices")
    about = [(label(name), say(name, v)) for name, v in row.items() if name not in hidden and _there(v)]
    regions = [(option, ", ".join(names)) for option, names in row["regions"].items()]
    sections = [Section(table=facts(*about))]
    sections += [Section("Regions", facts(*regions))] if regions else []
    sections += [Section("Prices", table(prices, PRICES[1:]))] if prices else []
    sections += [Section("Notes", lines=tuple(row["notes"]))] if row["notes"] else []
    sections += [Section("Source", lines=(row["source"],))] if row["source"] else []
    return Report(row["name"], tuple(sections))


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _there(value: object) -> bool:
    return value is not None and value not in ("", [])
