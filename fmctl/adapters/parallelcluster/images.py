"""How ParallelCluster names its official images, and the user of each."""

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

# The user of an image, by the operating system.
USERS: Mapping[str, str] = {
    "alinux2023": "ec2-user",
    "ubuntu2204": "ubuntu",
    "ubuntu2404": "ubuntu",
    "rhel8": "ec2-user",
    "rhel9": "ec2-user",
    "rocky8": "rocky",
    "rocky9": "rocky",
}
# Prints the same on a node, where it is noted.
NOTED_USER = "sed -n 's/^cfn_cluster_user=//p' /etc/parallelcluster/cfnconfig 2>/dev/null | head -n 1"
