"""Head node and login nodes: how large, where, who may reach them, what they may do."""

from __future__ import annotations

import re

from fmctl.base.errors import UsageError
from fmctl.domain.cluster import Site
from fmctl.domain.policy import partition_of
from fmctl.domain.sizes import HEAD_FAMILIES, head_type, login_type
from fmctl.targets.parallelcluster.parts import (
    HeadNetworking,
    HeadNode,
    LoginNodes,
    LoginPool,
    NodeIam,
    Policy,
    S3Access,
    Ssh,
    SubnetNetworking,
)
from fmctl.targets.parallelcluster.site import CLOSED
from fmctl.targets.parallelcluster.storage import head_disks

_GRAVITON = re.compile(r"(?:[a-z]+[0-9]+g[a-z0-9-]*|a1)\..*")
OUR_KEYS = "fmctl/*"


def instance_type(site: Site, arch: str, nodes: int) -> str:
    """The site's own choice, else by node count. Raises UsageError where it cannot run the nodes' images."""
    if site.parallelcluster.head_instance is None:
        return head_type(arch, nodes)
    own = "arm64" if _GRAVITON.fullmatch(site.parallelcluster.head_instance) else "x86_64"
    if own != arch:
        raise UsageError(
            f"head_instance {site.parallelcluster.head_instance} cannot be used",
            why=f"it is {own}, the compute nodes are {arch}, and ParallelCluster wants one architecture",
            next=f"head_instance: {HEAD_FAMILIES[arch]}.8xlarge",
        )
    return site.parallelcluster.head_instance


def head_node(site: Site, arch: str, nodes: int) -> HeadNode:
    """The head node."""
    own = site.parallelcluster
    return HeadNode(
        instance_type=instance_type(site, arch, nodes),
        networking=HeadNetworking(
            own.head_subnet, elastic_ip=True if own.public_head else None,
            additional_security_groups=own.security_groups,
        ),
        ssh=ssh(site),
        local_storage=head_disks(nodes),
        iam=NodeIam(s3_access(site), (ssm_policy(site.region),)),
    )  # fmt: skip


def login_nodes(site: Site, arch: str) -> LoginNodes | None:
    """One pool of login nodes beside the head node, where the site wants any."""
    own = site.parallelcluster
    if not own.login_nodes:
        return None
    return LoginNodes((
        LoginPool(
            name="login",
            count=own.login_nodes,
            instance_type=login_type(arch),
            networking=SubnetNetworking((own.head_subnet,), additional_security_groups=own.security_groups),
            ssh=Ssh(own.allowed_ips or CLOSED),
            iam=NodeIam(additional_iam_policies=(ssm_policy(site.region),)),
        ),
    ))  # fmt: skip


def ssh(site: Site) -> Ssh:
    """Port 22: without an `Ssh` section ParallelCluster opens it to 0.0.0.0/0, so there is always one, mostly shut."""
    return Ssh(site.parallelcluster.allowed_ips or CLOSED, site.parallelcluster.key_name)


def s3_access(site: Site) -> tuple[S3Access, ...]:
    """Nodes use fmctl's own keys of the bucket and no others."""
    return () if site.bucket is None else (S3Access(site.bucket, OUR_KEYS),)


def ssm_policy(region: str) -> Policy:
    """Session Manager in place of open ports."""
    return Policy(f"arn:{partition_of(region)}:iam::aws:policy/AmazonSSMManagedInstanceCore")
