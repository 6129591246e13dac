"""How ParallelCluster names its official images."""

from __future__ import annotations

from collections.abc import Mapping

# By the operating system as a configuration names it: that part of the image's name.
OPERATING_SYSTEMS: Mapping[str, str] = {
    "alinux2023": "amzn2023-hvm",
    "ubuntu2204": "ubuntu-2204-lts-hvm",
    "ubuntu2404": "ubuntu-2404-lts-hvm",
    "rhel8": "rhel8-hvm",
    "rhel9": "rhel9-hvm",
    "rocky8": "rocky8-hvm",
    "rocky9": "rocky9-hvm",
}
