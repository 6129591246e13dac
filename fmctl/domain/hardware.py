"""Accelerators, instances, fabrics, prices: the hardware as AWS describes it, in SI units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

MIB = 2**20


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Accelerator:
    """One GPU. `memory_bytes` is what the EC2 API reports (MiB x 2^20), not the marketing figure.

    `peak_flop_per_s` maps bf16 / fp8 / fp4 to dense peaks; a missing key means that the GPU has no such units.
    `kernel_table` names the measured kernel rates (perf.ops.kernels) that stand for it.
    """

    name: str
    architecture: str  # ampere, hopper, blackwell
    memory_bytes: int
    hbm_bytes_per_s: float
    peak_flop_per_s: Mapping[str, float]
    power_w: float
    kernel_table: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """One level of the network as one GPU sees it: bytes/s in one direction per GPU, and a latency per step."""

    bytes_per_s: float
    latency_s: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fabric:
    """NVLink inside a domain of `domain_gpus`, EFA outside it."""

    kind: str  # whose collective constants it takes: a key of perf.ops.collectives.NETWORKS
    domain_gpus: int
    nvlink: Link
    network: Link
    rdma_write: bool = True  # False: the plugin sends and receives through buffers (P4d, p5.4xlarge); `kind` holds it
    gds: bool = False  # whether FSx for Lustre may be mounted with GPUDirect Storage


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Instance:
    """One instance type, or one UltraServer (a unit of `member_count` instances in a single NVLink domain)."""

    name: str
    accelerator: Accelerator
    gpus: int
    fabric: Fabric
    vcpu: int
    ram_bytes: int
    arch: str
    efa_version: str
    efa_interfaces: int
    network_cards: int
    efa_bits_per_s: float
    card0: str
    nvme_disks: int
    nvme_bytes: int
    ebs_bits_per_s: float
    member_type: str = ""
    member_count: int = 1
    purchase: tuple[str, ...] = ()
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    zones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    host_power_w: float = 0.0
    launched: str = ""
    retrieved: str = ""
    notes: tuple[str, ...] = ()
    source: str = ""
    unplannable: str = ""  # why no plan can be made for it; empty where one can
    needs: Mapping[str, str] = field(default_factory=dict)  # the first release that starts it, by the software's name
    slow_to_start: bool = True  # nodes have disks, drivers and many interfaces to set up
    ena_bits_per_s: float | None = None  # TCP/IP of all its network cards; None where no figure is published

    @property
    def plannable(self) -> bool:
        """Whether the performance model and the purchase rules allow a plan on it."""
        return not self.unplannable


LIVE_LIST, LIVE_SPOT = "AWS Price List API", "EC2 Spot price history"
"""How the source of a price begins that was asked of AWS and kept in a snapshot."""


@dataclass(frozen=True, slots=True)
class Price:
    """A dated price of one instance-hour. `usd_per_h` is None where no price is known: never zero, never a guess."""

    instance: str
    region: str
    option: str  # on-demand, capacity-block, spot, reserved-1y, reserved-3y
    usd_per_h: float | None
    date: str
    source: str
    note: str = ""

    @property
    def kind(self) -> Literal["live", "published"]:
        """Whether AWS was asked for it on its day, or somebody published it; files say so at the head of the source."""
        return "live" if self.source.startswith((LIVE_LIST, LIVE_SPOT)) else "published"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StoragePrice:
    """A dated price of storage, transfer or a service fee; `usd` is None where unknown."""

    item: str
    region: str
    unit: str
    usd: float | None
    date: str
    source: str
    note: str = ""
