"""What ParallelCluster asks of a site: its section, and what it makes beside the nodes."""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.base.errors import UsageError
from fmctl.domain.checked import Kind, checked, example, whole
from fmctl.domain.cluster import SECTION_KINDS, Site
from fmctl.targets.sites import check_file_system, check_tags

CLOSED = "127.0.0.1/32"
_EVERYBODY = ("0.0.0.0/0",)
_MOST_TAGS = 34  # it takes 40; six are fmctl's
_RESERVED_TAGS = ("parallelcluster:",)
_FIELDS: Mapping[str, str | Kind] = {
    "compute_subnet": "subnet", "head_subnet": "subnet", "key_name": "key", "allowed_ips": "cidr", "ami": "ami",
    "security_groups": "security-group", "head_instance": "instance", **SECTION_KINDS,
}  # fmt: skip


def check(site: Site) -> None:
    """Raises UsageError for what cannot be used, naming the field."""
    own = site.parallelcluster
    for field, kind in _FIELDS.items():
        value = getattr(own, field)
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None:
                checked(kind, one, field)
    if own.allowed_ips in _EVERYBODY:
        raise UsageError(
            f"allowed_ips {own.allowed_ips} cannot be used",
            why="it opens the head node to everybody",
            next="allowed_ips: 203.0.113.0/24, or none at all and SSM",
        )
    if own.public_head and own.key_name is not None and own.allowed_ips is None:
        raise UsageError(
            "a public head node with a key needs allowed_ips",
            why="ParallelCluster would open port 22 to everybody",
            next=f"allowed_ips: {example('cidr')}",
        )
    whole("login_nodes", own.login_nodes, 0, 10)
    check_tags(site.tags, _MOST_TAGS, _RESERVED_TAGS)
    if site.file_system is not None:
        check_file_system(site.file_system, "ParallelCluster")
