"""Sizes of the nodes and disks beside the GPUs, by node count: what a cluster is rendered with, and what it costs."""

from __future__ import annotations

HEAD_FAMILIES = {"x86_64": "m6i", "arm64": "m7g"}
# Sizes up to a number of compute nodes; the last has no limit.
HEAD_SIZES = ((16, "4xlarge"), (64, "8xlarge"), (None, "16xlarge"))
HEAD_ROOT_GIB = ((16, 200), (64, 500), (None, 1000))
LOGIN_SIZE = "2xlarge"
COMPUTE_ROOT_GIB = 200


def head_type(arch: str, nodes: int) -> str:
    """Instance type of the head node: of the compute nodes' architecture (x86_64 or arm64), larger with their count."""
    size = next(size for most, size in HEAD_SIZES if most is None or nodes <= most)
    return f"{HEAD_FAMILIES[arch]}.{size}"


def login_type(arch: str) -> str:
    """Instance type of a login node."""
    return f"{HEAD_FAMILIES[arch]}.{LOGIN_SIZE}"


def head_root_gib(nodes: int) -> int:
    """Root volume of the head node, GiB: it holds /home, /opt/slurm and the logs of every node."""
    return next(gib for most, gib in HEAD_ROOT_GIB if most is None or nodes <= most)
