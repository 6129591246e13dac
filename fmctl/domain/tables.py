"""Rows of the hardware tables as `fmctl/hardware` has them; null is unknown, and what a type has not is left out."""

from __future__ import annotations

from typing import TypedDict


class FabricRow(TypedDict, total=False):
    """How the GPUs of a type are joined."""

    kind: str | None
    domain_gpus: int
    network_latency_s: float
    rdma_write: bool
    gds: bool


class AcceleratorRow(TypedDict, total=False):
    """A GPU."""

    architecture: str
    memory_mib: int | None
    memory_gib_marketing: int
    hbm_bytes_per_s: float
    nvlink_bytes_per_s: float
    peak_flop_per_s: dict[str, float]
    power_w: float
    power_source: str
    kernel_table: str


class InstanceRow(TypedDict, total=False):
    """An instance type or an UltraServer, as the table has it."""

    accelerator: str
    gpus: int
    fabric: FabricRow
    vcpu: int
    ram_gib: int
    arch: str
    efa_version: str
    efa_gbps: float
    efa_interfaces: int
    network_cards: int
    ena_gbps: float | None
    card0: str
    nvme_disks: int
    nvme_gb_each: int
    ebs_gbps: float
    host_power_w: float
    launched: str
    purchase: list[str]
    regions: dict[str, list[str]]
    notes: list[str]
    unplannable: str
    member_type: str
    member_count: int
    needs: dict[str, str]
    slow_to_start: bool


class InstanceRecord(InstanceRow, total=False):
    """The same with its name, where the table is from, and its GPU's row."""

    name: str
    source: str
    retrieved: str
    zones: dict[str, tuple[str, ...]]
    accelerator_record: AcceleratorRow


class AcceleratorHead(TypedDict):
    """What the table of GPUs says of all of them."""

    sources: dict[str, str]
    nvlink_latency_s: float


class InstanceHead(TypedDict):
    """What the table of types says of all of them."""

    aliases: dict[str, str]
    source: str
    retrieved: str
