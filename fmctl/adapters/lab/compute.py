"""EC2 instances: a type that moto lacks, devices it refuses, capacity that can be missing."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import moto.ec2.models.instance_types as types
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import instances
from moto.ec2.responses.instances import InstanceResponse

from fmctl.adapters.lab.patch import patch
from fmctl.adapters.lab.world import World

if TYPE_CHECKING:
    from moto.core.types import Base64EncodedString
    from moto.ec2.models.instances import Reservation

GB200 = "p6e-gb200.36xlarge"
# Types that moto's table sells in other regions only: every type can be rehearsed.
SOLD_ELSEWHERE = ("p5e.48xlarge",)


class NoCapacity(EC2ClientError):
    """EC2's own words for no capacity."""

    def __init__(self, instance_type: str, zone: str) -> None:
        super().__init__(
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested "
            f"({zone}). Our system will be working on provisioning additional capacity.",
        )


def install(world: World) -> None:
    """Patch moto's EC2 instances."""
    _add_gb200()
    for elsewhere in SOLD_ELSEWHERE:
        _offer(elsewhere)
    _accept_legal_devices()
    _patch_run_instances(world)


def _add_gb200() -> None:
    """Sold as UltraServer Capacity Blocks only and absent from moto's table; the network cards are our reading."""
    made = copy.deepcopy(types.INSTANCE_TYPES["p6-b200.48xlarge"])
    gpu = {"Name": "GB200", "Manufacturer": "NVIDIA", "Count": 4, "LogicalGpuCount": 4, "GpuPartitionSize": 1.0}
    made["InstanceType"] = GB200
    made["ProcessorInfo"] = {
        "SupportedArchitectures": ["arm64"], "SustainedClockSpeedInGhz": 3.1, "Manufacturer": "NVIDIA",
    }  # fmt: skip
    made["VCpuInfo"] = {"DefaultVCpus": 144, "DefaultCores": 144, "DefaultThreadsPerCore": 1}
    made["MemoryInfo"] = {"SizeInMiB": 960 * 1024}
    made["GpuInfo"] = {
        "Gpus": [gpu | {"Workloads": ["ml-ai"], "MemoryInfo": {"SizeInMiB": 189471}}], "TotalGpuMemoryInMiB": 757884,
    }  # fmt: skip
    network = made["NetworkInfo"]
    card = (network.get("NetworkCards") or [{}])[0]
    network.update(MaximumNetworkCards=17, EfaInfo={"MaximumEfaInterfaces": 16})
    network["NetworkCards"] = [dict(card, NetworkCardIndex=i) for i in range(17)]
    types.INSTANCE_TYPES[GB200] = made
    types.InstanceTypeBackend.instance_types.append(types.InstanceType(GB200))
    family = GB200.partition(".")[0]
    if family not in types.INSTANCE_FAMILIES:
        types.INSTANCE_FAMILIES.append(family)
    _offer(GB200)


def _offer(instance_type: str) -> None:
    """Sell a type in the lab's one region, wherever AWS sells it."""
    for kind, place in (
        ("availability-zone", "us-east-1a"),
        ("region", "us-east-1"),
        ("availability-zone-id", "use1-az1"),
    ):
        offered = types.INSTANCE_TYPE_OFFERINGS.get(kind, {}).get("us-east-1")
        if offered is not None:
            offered.append({"InstanceType": instance_type, "Location": place, "LocationType": kind})


def _accept_legal_devices() -> None:
    """Private `_validate_block_device_mapping`: ephemeral devices and a root volume sized by its image are legal."""
    original = InstanceResponse._validate_block_device_mapping

    def lenient(device: dict[str, Any]) -> None:
        disk = device.get("Ebs")
        ephemeral = "VirtualName" in device and disk is None
        sized_by_image = disk is not None and not disk.get("VolumeSize") and not disk.get("SnapshotId")
        if not (ephemeral or sized_by_image):
            original(device)

    patch(InstanceResponse, "_validate_block_device_mapping", staticmethod(lenient))


def _patch_run_instances(world: World) -> None:
    """`InstanceBackend.run_instances`: no capacity where a rule says so; ephemeral devices are no volumes."""
    original = instances.InstanceBackend.run_instances

    def run_instances(
        self: Any, image_id: str, count: int, user_data: Base64EncodedString | None, groups: list[str], **asked: Any
    ) -> Reservation:
        if asked.get("block_device_mappings"):
            asked["block_device_mappings"] = [d for d in asked["block_device_mappings"] if "Ebs" in d]
        zone = asked.get("placement")
        if not zone and asked.get("subnet_id"):
            zone = self.get_subnet(asked["subnet_id"]).availability_zone
        wanted = asked.get("instance_type") or ""
        if world.faults.refuses(wanted, zone or "", int(count)):
            raise NoCapacity(wanted, zone or "")
        return original(self, image_id, count, user_data, groups, **asked)

    patch(instances.InstanceBackend, "run_instances", run_instances)
