"""From a row to an `Instance`: AWS types where the row ran on EFA, else clusters of `hardware/others.yaml`.

A run on part of a host is an instance with fewer GPUs and the same NVLink. A rack of GB200 or GB300 holds 72 GPUs; a
run over several racks takes the largest equal share of them that 72 holds.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TypedDict, cast

from fmctl.base.copies import changed
from fmctl.base.errors import UnknownName
from fmctl.catalog import find_instance, load_instance
from fmctl.catalog.instances import HARDWARE
from fmctl.catalog.store import read_yaml
from fmctl.domain.hardware import MIB, Accelerator, Fabric, Instance, Link
from fmctl.domain.tables import AcceleratorRow
from fmctl.validation.rows import Row, Skip

OTHERS = Path(HARDWARE) / "others.yaml"
KINDS = {"roce": "roce", "infiniband": "infiniband", " ib": "infiniband", "ndr": "infiniband", "hdr": "infiniband",
         "ethernet": "ethernet"}  # fmt: skip
RAILS = {"xdr": 800.0, "ndr": 400.0, "hdr": 200.0, "edr": 100.0}  # Gbit/s of one 4x port
# A power limit without a number is taken as that of the one limited part whose number is known (H100 at 500 of 700 W).
LIMITED_POWER = 500.0 / 700.0
_RATE = re.compile(r"(?:(\d+)\s*x\s*)?(?:connectx-\d+\s*(?:ib|vpi)?\s*)?(?:[nhxe]dr\s*)?(\d+(?:\.\d+)?)\s*(g|t)", re.I)
_NAMED = re.compile(r"\b(u-)?p[4-6][a-z]*(?:-[a-z0-9]+)?\.\d+xlarge\b")


class _Cluster(TypedDict):
    accelerator: str
    gpus: int
    domain_gpus: int
    network_gbps: float
    kind: str
    host_power_w: float
    source: str


class _Accelerator(AcceleratorRow, total=False):
    like: str
    source: str


class _Others(TypedDict):
    retrieved: str
    sources: dict[str, str]
    accelerators: dict[str, _Accelerator]
    clusters: dict[str, _Cluster]
    latency_s: dict[str, float]
    aws: dict[str, str]


@cache
def _others() -> _Others:
    return cast("_Others", read_yaml(OTHERS))


def instance(row: Row, gpus: int) -> tuple[Instance, tuple[str, ...]]:
    """The instance type of a row that ran on `gpus` GPUs, and what was assumed. Raises Skip for an unknown GPU."""
    key = gpu_key(row)
    found, said = _instance(key, row.whole("gpus_per_node"), row.lower("inter_node_network"), row.lower("system"), gpus)
    if key == "h100-96gb" and not row.text("gpu_memory_gb"):
        said = (*said, "H100 of the PyTorch repositories: 96 GB, 500 W")
    if re.search(r"power[ -]limited", row.lower("system") + row.lower("notes")):
        watts = LIMITED_POWER * found.accelerator.power_w
        found = _limited(found, watts)
        said = (*said, f"power limit = {watts:.0f} W")
    return found, said


@lru_cache(maxsize=1024)
def _limited(whole: Instance, watts: float) -> Instance:
    return replace(whole, accelerator=replace(whole.accelerator, power_w=watts))


def gpu_key(row: Row) -> str:
    """The cluster of `others.yaml` that a row's GPU stands for. Raises Skip where there is none."""
    text, memory = row.lower("gpu"), row.number("gpu_memory_gb") or 0.0
    size = re.search(r"(\d+)\s?gi?b\b", text)
    if size:
        memory = float(size.group(1))
        text = text.replace(size.group(0), "")
    bare = re.sub(r"nvidia|sxm\d?|hgx|dgx|tensor core|gpu|[^a-z0-9]", "", text)
    if bare == "a100":
        return "a100-40gb" if 0.0 < memory <= 45.0 else "a100-80gb"
    # PyTorch's own repositories measure on the part that arXiv 2410.06511 describes, unless they say otherwise.
    meta = not memory and row.lower("source_repo_or_paper").startswith("pytorch/") and "aws" not in row.lower("system")
    if bare == "h100" and (meta or 90.0 <= memory <= 97.0):
        return "h100-96gb"
    if bare not in _others()["clusters"]:
        raise Skip(f"no hardware entry for GPU '{row.text('gpu')}'")
    return bare


@lru_cache(maxsize=1024)
def _instance(key: str, per_node: int | None, network: str, system: str, gpus: int) -> tuple[Instance, tuple[str, ...]]:
    if "efa" in network or re.search(r"\baws\b|\bp[4-6][a-z]*\.", system):
        named = _aws(key, system)
        if named is not None:
            return _part(named, per_node, gpus), (f"instance = {named.name}",)
    cluster = _others()["clusters"][key]
    base = _cluster(key)
    host = per_node or cluster["gpus"]
    rate, kind = _stated_network(network, host)
    said = [] if rate or gpus <= base.fabric.domain_gpus else [f"network = {cluster['network_gbps']} Gbit/s per GPU"]
    if rate:
        kind = kind or base.fabric.kind
        link = Link(rate * 1e9 / 8.0, _others()["latency_s"][kind])
        base = replace(base, fabric=replace(base.fabric, network=link, kind=kind))
    return _part(base, per_node, gpus), tuple(said)


def _aws(key: str, system: str) -> Instance | None:
    found = _NAMED.search(system)
    name = found.group(0) if found else _others()["aws"].get(key, "")
    try:
        return load_instance(find_instance(name))
    except UnknownName:
        return None


def _part(whole: Instance, per_node: int | None, gpus: int) -> Instance:
    """`whole` as far as `gpus` of it were used."""
    if whole.member_count > 1:
        domain = whole.fabric.domain_gpus
        used = gpus if gpus <= domain else max(n for n in range(1, domain + 1) if gpus % n == 0)
    else:
        used = min(per_node or whole.gpus, gpus)
    return replace(whole, gpus=used, fabric=replace(whole.fabric, domain_gpus=used))


@cache
def _cluster(key: str) -> Instance:
    record = _others()["clusters"][key]
    gpu, nvlink = _accelerator(record["accelerator"])
    domain = record["domain_gpus"]
    network = Link(record["network_gbps"] * 1e9 / 8.0, _others()["latency_s"][record["kind"]])
    hosts = max(domain // record["gpus"], 1)
    return Instance(
        name=f"{key} cluster", accelerator=gpu, gpus=domain, fabric=Fabric(record["kind"], domain, nvlink, network),
        vcpu=0, ram_bytes=0, arch="", efa_version="", efa_interfaces=0, network_cards=0, efa_bits_per_s=0.0, card0="",
        nvme_disks=0, nvme_bytes=0, ebs_bits_per_s=0.0, member_count=hosts,
        host_power_w=float(record["host_power_w"]) * hosts,
        retrieved=_others()["retrieved"], source=_others()["sources"][record["source"]],
        unplannable="it is not an AWS instance type",
    )  # fmt: skip


def _accelerator(name: str) -> tuple[Accelerator, Link]:
    """The accelerator `name` of either table, and its NVLink."""
    extra = _others()["accelerators"].get(name, _Accelerator())
    whole = load_instance(extra.get("like") or _others()["aws"][name])
    names = ("architecture", "hbm_bytes_per_s", "power_w", "kernel_table", "peak_flop_per_s")
    own: dict[str, object] = {name: value for name, value in extra.items() if name in names}
    if memory := extra.get("memory_mib"):
        own["memory_bytes"] = memory * MIB
    nvlink = whole.fabric.nvlink
    link = Link(float(extra.get("nvlink_bytes_per_s", nvlink.bytes_per_s)), nvlink.latency_s)
    return changed(whole.accelerator, {"name": name, **own}), link


def _stated_network(text: str, host: int) -> tuple[float, str]:
    """(Gbit/s per GPU, kind) of a network description; (0, "") where it gives no rate between hosts.

    `NxR` and totals per node are divided by the host's GPUs; a bare rate is that of one port per GPU.
    """
    part = next((p for p in text.split(";") if "compute" in p), text.split(";", maxsplit=1)[0])
    kind = next((kind for word, kind in KINDS.items() if word in part), "")
    if re.search(r"management|storage|pcie", part) and "compute" not in part:
        return 0.0, ""
    found = _RATE.search(part)
    if found is None:
        rail = next((rate for word, rate in RAILS.items() if word in part), 0.0)
        return rail, kind if rail else ""
    ports, number, unit = found.groups()
    rate = float(number) * (1000.0 if unit == "t" else 1.0)
    if ports:
        return int(ports) * rate / host, kind
    return (rate / host if re.search(r"per node|/\s*node", part) else rate), kind
