"""A cluster before it exists: where it goes, what it is made of, what it may cost. Nothing computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING

from fmctl.base.copies import changed
from fmctl.domain.checked import Kind
from fmctl.domain.purchase import ON_DEMAND, Purchase, purchase

if TYPE_CHECKING:
    from fmctl.domain.rows.results import EstimateRow

PCLUSTER_VERSION = "3.16.1"
CLUSTER_TAG = "fmctl:cluster"
"""Tag of everything that a launch makes: the cluster's name."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """FSx for Lustre, mounted by `id` or made with the cluster (PERSISTENT_2)."""

    mount_dir: str = "/fsx"
    id: str | None = None
    capacity_gib: int = 4800  # 1,200 or a multiple of 2,400
    mb_per_s_per_tib: int = 250  # 125, 250, 500 or 1000
    efa: bool = False  # needs a file system made outside, mounted by id
    retain: bool = True
    data_repository: str | None = None  # s3:// prefix linked at /data


@dataclass(frozen=True, slots=True)
class SlurmSite:
    """A Slurm cluster that is there already."""

    queue: str
    head: str = "local"  # or ssh://HOST
    gpus: bool = True  # whether its nodes have any


@dataclass(frozen=True, slots=True)
class ParallelClusterSite:
    """What ParallelCluster has to be told of a place: networks, images, and the nodes beside those that train."""

    compute_subnet: str = ""  # private, in the zone of the capacity
    head_subnet: str = ""  # private too unless `public_head`
    key_name: str | None = None  # an ed25519 key pair, or None for Session Manager alone
    allowed_ips: str | None = None
    public_head: bool = False
    os: str = "ubuntu2204"
    ami: str | None = None  # instead of the official image
    security_groups: tuple[str, ...] = ()
    head_instance: str | None = None
    login_nodes: int = 0
    pcluster_version: str = PCLUSTER_VERSION


@dataclass(frozen=True, slots=True)
class Site:
    """One place where clusters go: what every target asks for, and a section of each target's own."""

    region: str
    account: str | None = None  # 12 digits; launches elsewhere are refused where it is set
    permissions_boundary: str | None = None
    bucket: str | None = None  # artefacts and checkpoints
    file_system: FileSystem | None = field(default_factory=FileSystem)
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # beside fmctl's own
    software: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # `domain.software`: versions
    target: str = ""  # by its name in `targets.registry`; "" for the first
    parallelcluster: ParallelClusterSite = field(default_factory=ParallelClusterSite)
    slurm: SlurmSite | None = None


_SYSTEMS = ("alinux2023", "ubuntu2204", "ubuntu2404", "rhel8", "rhel9", "rocky8", "rocky9")
# Fields of the section that no other thing has; `domain.checked` has the kinds of the rest.
SECTION_KINDS: Mapping[str, Kind] = {
    "os": Kind("|".join(_SYSTEMS), f"one of {', '.join(_SYSTEMS)}", "ubuntu2204"),
    "pcluster_version": Kind(r"3\.[0-9]{1,3}\.[0-9]{1,3}", "a version of ParallelCluster 3", PCLUSTER_VERSION),
}
SECTION = frozenset(one.name for one in fields(ParallelClusterSite))
"""Fields that old site files have beside the common ones."""


def fields_of(site: Site) -> Mapping[str, object]:
    """Every field beside the others, as before there were sections: what a digest of a site is taken over.

    Fields that came later are left out where they say nothing: clusters of older versions keep their digest.
    """
    later = {"target": "", "slurm": None}
    common = {one.name: getattr(site, one.name) for one in fields(site) if one.name != "parallelcluster"}
    own = {name: getattr(site.parallelcluster, name) for name in SECTION}
    return {name: value for name, value in common.items() if name not in later or value != later[name]} | own


def site_with(site: Site, **changes: object) -> Site:
    """The site with fields changed, each in the part that it belongs to."""
    own = {name: value for name, value in changes.items() if name in SECTION}
    common = {name: value for name, value in changes.items() if name not in SECTION}
    return changed(site, {**common, "parallelcluster": changed(site.parallelcluster, own)})


@dataclass(frozen=True, slots=True)
class Capacity:
    """How the GPUs are bought: one of `domain.purchase.launched`, with the reservation it names."""

    purchase: str = ON_DEMAND.name
    # of one reservation; one Capacity Block per UltraServer, with commas between them
    reservation_id: str | None = None
    # nodes run from the start; otherwise they come with a job and go when idle (a Capacity Block is always static)
    static: bool = False

    @property
    def option(self) -> Purchase:
        """The purchase option with all that follows from it. Raises UnknownName."""
        return purchase(self.purchase)


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """Everything that a rendering depends on."""

    name: str
    plan: str  # with plan_digest: where it came from
    plan_digest: str
    # the plan's candidate as the document has it (`result.rows[]` of fmctl.plan/1: instance, nodes, layout, workload,
    # framework, model)
    row: EstimateRow
    site: Site
    capacity: Capacity
    max_hours: float  # the end that AWS itself enforces
    idle_minutes: int = 30  # idle nodes go after so long
    usd_per_h: float | None = None  # of all nodes, None where no price is known
    price_date: str = ""
    created_by: str = ""
    efa: bool = True  # interfaces where the type has them
    recipe: str = ""  # the program that trains, where the framework has several (empty: its first)

    @property
    def instance(self) -> str:
        """EC2 instance type of the compute nodes."""
        return str(self.row["instance"])

    @property
    def nodes(self) -> int:
        """Compute nodes."""
        return int(self.row["nodes"])
