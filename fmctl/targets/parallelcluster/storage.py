"""File systems and disks."""

from __future__ import annotations

from fmctl.domain.cluster import FileSystem, Site
from fmctl.domain.hardware import Instance
from fmctl.domain.sizes import COMPUTE_ROOT_GIB, head_root_gib
from fmctl.targets.parallelcluster.parts import (
    DataRepositoryAssociation,
    EphemeralVolume,
    FsxLustreSettings,
    LocalStorage,
    RootVolume,
    SharedStorage,
)
from fmctl.targets.slurm.environment import SCRATCH


def shared(site: Site) -> tuple[SharedStorage, ...]:
    """The file system that all nodes mount, if the site has one."""
    found = site.file_system
    if found is None:
        return ()
    settings = _made(found) if found.id is None else FsxLustreSettings(file_system_id=found.id)
    return (SharedStorage("fsx", found.mount_dir, "FsxLustre", settings),)


def compute_disks(instance: Instance) -> LocalStorage:
    """Root volume, and the local NVMe at /scratch where the type has any."""
    local = EphemeralVolume(SCRATCH) if instance.nvme_disks else None
    return LocalStorage(RootVolume(COMPUTE_ROOT_GIB), local)


def head_disks(nodes: int) -> LocalStorage:
    """Root volume of the head node."""
    return LocalStorage(RootVolume(head_root_gib(nodes), delete_on_termination=True))


def _made(found: FileSystem) -> FsxLustreSettings:
    links: tuple[DataRepositoryAssociation, ...] = ()
    if found.data_repository is not None:
        links = (DataRepositoryAssociation("data", found.data_repository.rstrip("/"), "/data"),)
    return FsxLustreSettings(
        storage_capacity=found.capacity_gib,
        deployment_type="PERSISTENT_2",
        per_unit_storage_throughput=found.mb_per_s_per_tib,
        data_compression_type="LZ4",
        deletion_policy="Retain" if found.retain else "Delete",
        data_repository_associations=links,
    )
