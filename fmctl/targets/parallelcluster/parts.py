"""The ParallelCluster configuration as types: one dataclass per section, field names as in the file but in snake case.

Only what fmctl writes is declared. `plain` makes mappings and lists of it, `as_yaml` text through PyYAML's safe dumper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass


@dataclass(frozen=True, slots=True)
class Enabled:
    """A switch."""

    enabled: bool


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Image:
    """Operating system, and an image instead of the official one."""

    os: str
    custom_ami: str | None = None


@dataclass(frozen=True, slots=True)
class Imds:
    """Instance metadata: version 2.0 alone."""

    imds_support: str = "v2.0"


@dataclass(frozen=True, slots=True)
class Policy:
    """A managed policy by ARN."""

    policy: str


@dataclass(frozen=True, slots=True)
class S3Access:
    """Objects that a node may use."""

    bucket_name: str
    key_name: str
    enable_write_access: bool = True


@dataclass(frozen=True, slots=True)
class NodeIam:
    """What nodes may do beside ParallelCluster's own needs."""

    s3_access: tuple[S3Access, ...] = ()
    additional_iam_policies: tuple[Policy, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterIam:
    """Where its roles are in IAM, and the bounds of every one."""

    resource_prefix: str
    permissions_boundary: str | None = None


@dataclass(frozen=True, slots=True)
class Ssh:
    """Key pair, and where port 22 may be reached from."""

    allowed_ips: str
    key_name: str | None = None


@dataclass(frozen=True, slots=True)
class HeadNetworking:
    """Where the head node is."""

    subnet_id: str
    elastic_ip: bool | None = None
    additional_security_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RootVolume:
    """The system disk."""

    size: int
    encrypted: bool = True
    volume_type: str = "gp3"
    delete_on_termination: bool | None = None


@dataclass(frozen=True, slots=True)
class EphemeralVolume:
    """The local NVMe disks as one volume."""

    mount_dir: str


@dataclass(frozen=True, slots=True)
class LocalStorage:
    """Disks of a node."""

    root_volume: RootVolume
    ephemeral_volume: EphemeralVolume | None = None


@dataclass(frozen=True, slots=True)
class HeadNode:
    """The node that runs Slurm."""

    instance_type: str
    networking: HeadNetworking
    ssh: Ssh
    local_storage: LocalStorage
    iam: NodeIam


@dataclass(frozen=True, slots=True)
class SubnetNetworking:
    """Where compute or login nodes are."""

    subnet_ids: tuple[str, ...]
    assign_public_ip: bool | None = None
    placement_group: Enabled | None = None
    additional_security_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoginPool:
    """Login nodes of one kind."""

    name: str
    count: int
    instance_type: str
    networking: SubnetNetworking
    ssh: Ssh
    iam: NodeIam
    gracetime_period: int = 10


@dataclass(frozen=True, slots=True)
class LoginNodes:
    """All login nodes."""

    pools: tuple[LoginPool, ...]


@dataclass(frozen=True, slots=True)
class Efa:
    """EFA interfaces: since 3.15 ParallelCluster lays them out itself, cards beyond the first as EFA only."""

    enabled: bool
    gdr_support: bool | None = None


@dataclass(frozen=True, slots=True)
class CapacityReservationTarget:
    """The reservation that nodes are launched into."""

    capacity_reservation_id: str


@dataclass(frozen=True, slots=True)
class ComputeResource:
    """Nodes of one instance type and one reservation."""

    name: str
    instance_type: str
    min_count: int
    max_count: int
    efa: Efa
    capacity_reservation_target: CapacityReservationTarget | None = None


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """Disks of the compute nodes."""

    local_storage: LocalStorage


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """What is tested before a job starts."""

    gpu: Enabled


@dataclass(frozen=True, slots=True)
class Queue:
    """One Slurm partition."""

    name: str
    capacity_type: str
    job_exclusive_allocation: bool
    networking: SubnetNetworking
    health_checks: HealthChecks
    compute_settings: ComputeSettings
    compute_resources: tuple[ComputeResource, ...]
    iam: NodeIam | None = None


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """Settings of the scheduler; `custom_slurm_settings` are lines of slurm.conf."""

    queue_update_strategy: str
    scaledown_idletime: int | None = None
    custom_slurm_settings: tuple[Mapping[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class Scheduling:
    """Slurm and its partitions."""

    slurm_settings: SlurmSettings
    slurm_queues: tuple[Queue, ...]
    scheduler: str = "slurm"
    scaling_strategy: str = "all-or-nothing"


@dataclass(frozen=True, slots=True)
class DataRepositoryAssociation:
    """A bucket that shows as a folder of the file system."""

    name: str
    data_repository_path: str
    file_system_path: str
    batch_import_meta_data_on_create: bool = True
    auto_import_policy: tuple[str, ...] = ("NEW", "CHANGED", "DELETED")


@dataclass(frozen=True, slots=True)
class FsxLustreSettings:
    """FSx for Lustre: by id, and then nothing else, or new."""

    file_system_id: str | None = None
    storage_capacity: int | None = None
    deployment_type: str | None = None
    per_unit_storage_throughput: int | None = None
    data_compression_type: str | None = None
    deletion_policy: str | None = None
    data_repository_associations: tuple[DataRepositoryAssociation, ...] = ()


@dataclass(frozen=True, slots=True)
class SharedStorage:
    """A file system that all nodes mount."""

    name: str
    mount_dir: str
    storage_type: str
    fsx_lustre_settings: FsxLustreSettings


@dataclass(frozen=True, slots=True)
class CloudWatchLogs:
    """Logs kept after the cluster is gone."""

    enabled: bool = True
    retention_in_days: int = 30
    deletion_policy: str = "Retain"


@dataclass(frozen=True, slots=True)
class Logs:
    """Where logs go."""

    cloud_watch: CloudWatchLogs = field(default_factory=CloudWatchLogs)
    rotation: Enabled = Enabled(True)


@dataclass(frozen=True, slots=True)
class Dashboards:
    """The CloudWatch dashboard."""

    cloud_watch: Enabled = Enabled(True)


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Logs, dashboard, alarms, metrics by the minute."""

    detailed_monitoring: bool = True
    logs: Logs = field(default_factory=Logs)
    dashboards: Dashboards = field(default_factory=Dashboards)
    alarms: Enabled = Enabled(True)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that nodes have to come up."""

    head_node_bootstrap_timeout: int = 3600
    compute_node_bootstrap_timeout: int = 3600


@dataclass(frozen=True, slots=True)
class DevSettings:
    """Timeouts."""

    timeouts: Timeouts


@dataclass(frozen=True, slots=True)
class Cluster:
    """The whole configuration."""

    region: str
    image: Image
    imds: Imds
    head_node: HeadNode
    scheduling: Scheduling
    monitoring: Monitoring
    tags: tuple[Tag, ...]
    login_nodes: LoginNodes | None = None
    shared_storage: tuple[SharedStorage, ...] = ()
    iam: ClusterIam | None = None
    dev_settings: DevSettings | None = None


def plain(value: object) -> object:
    """Mappings, lists and scalars; what is None or an empty tuple is left out, names become PascalCase."""
    if is_dataclass(value):
        pairs = ((_pascal(f.name), getattr(value, f.name)) for f in fields(value))
        return {name: plain(inner) for name, inner in pairs if inner is not None and inner != ()}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return dict(value) if isinstance(value, Mapping) else value


def as_yaml(cluster: Cluster) -> str:
    """The configuration as YAML: no anchors, no tags, long lines whole."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    return str(yaml.dump(plain(cluster), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100_000))


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
