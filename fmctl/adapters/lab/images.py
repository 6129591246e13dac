"""The official images of ParallelCluster, made up in its naming scheme; moto reads them from a file when it starts."""

from __future__ import annotations

from fmctl.adapters.parallelcluster.images import OPERATING_SYSTEMS

_OWNER = "247102896272"
_MADE = "2026-07-01"


def images(version: str) -> list[dict[str, object]]:
    """Both architectures of every system, for one version of ParallelCluster."""
    pairs = [(name, part, arch) for name, part in OPERATING_SYSTEMS.items() for arch in ("x86_64", "arm64")]
    return [_image(version, *pair, number) for number, pair in enumerate(pairs)]


def _image(version: str, system: str, part: str, arch: str, number: int) -> dict[str, object]:
    name = f"aws-parallelcluster-{version}-{part}-{arch}"
    return {
        "ami_id": f"ami-{0xFA0000000000000 + number:017x}",
        "name": f"{name}-202607010000 {_MADE}T00-00-00.000Z",
        "owner_id": _OWNER,
        "public": True,
        "architecture": arch,
        "virtualization_type": "hvm",
        "hypervisor": "xen",
        "state": "available",
        "root_device_type": "ebs",
        "root_device_name": "/dev/sda1" if "ubuntu" in part else "/dev/xvda",
        "description": f"made up by fmctl's lab for {system}",
        "image_type": "machine",
        "image_location": f"amazon/{name}",
        "sriov": "simple",
        "creation_date": f"{_MADE}T00:00:00.000Z",
        "boot_mode": "uefi",
        "tags": {"parallelcluster:version": version, "parallelcluster:os": system},
    }
