"""A site checked: what every target asks for, and what its own target does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fmctl.base.errors import UnknownName, UsageError, shorten
from fmctl.domain.checked import checked, example, whole
from fmctl.domain.cluster import FileSystem, Site
from fmctl.domain.software import COMPONENTS, is_version
from fmctl.targets.registry import kind

SYSTEM_FOLDERS = (
    "bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin",
    "scratch", "srv", "sys", "tmp", "usr", "var",
)  # fmt: skip
RESERVED_TAGS = ("aws:", "fmctl:")
_ON_AWS = {"region": "region", "account": "account", "permissions_boundary": "policy", "bucket": "bucket"}
_FILE_SYSTEM = {"mount_dir": "folder", "id": "file-system", "data_repository": "s3-prefix"}


def read_site(path: str | Path) -> Site:
    """The site that a file describes. Raises what `documents.site.read_site` does, and UsageError as `check` does."""
    from fmctl.documents import site as documents

    return _named(documents.read_site(path), str(path))


def site_of(found: object, where: str) -> Site:
    """A parsed site file, checked; `where` names it in errors. Raises as `read_site` does."""
    from fmctl.documents import site as documents

    return _named(documents.site_of(found, where), where)


def _named(site: Site, where: str) -> Site:
    try:
        return check(site)
    except UsageError as error:
        raise UsageError(f"{shorten(where)}: {error.what}", why=error.why, next=error.next) from None


def check(site: Site) -> Site:
    """The site, if everything in it can be used. Raises UsageError, naming the field."""
    target = kind(site.target)
    if target.on_aws:
        for field, of in _ON_AWS.items():
            value = getattr(site, field)
            if value is not None:
                checked(of, value, field)
    target.check(site)
    check_software(site.software)
    return site


def check_tags(tags: Mapping[str, str], most: int, reserved: tuple[str, ...] = ()) -> None:
    """Raises UsageError for more tags than there is room for, one that somebody keeps for itself, or one of no text."""
    if len(tags) > most:
        raise UsageError(f"{len(tags)} tags are too many", why=f"beside fmctl's own there is room for {most}")
    kept = (*RESERVED_TAGS, *reserved)
    for key, value in tags.items():
        checked("tag-key", key, "tags")
        checked("tag-value", value, f"tags.{key}")
        if key.lower().startswith(kept):
            raise UsageError(
                f"tags '{shorten(key)}' cannot be used",
                why=f"{', '.join(kept)} are reserved",
                next="tags: {team: research}",
            )


def check_software(software: Mapping[str, str]) -> None:
    """Raises UsageError for a component that no rule is about, or what is no version."""
    for name, version in software.items():
        if name not in COMPONENTS:
            raise UnknownName(
                "software component", str(name), COMPONENTS, next=f"software: one of {', '.join(COMPONENTS)}"
            )
        if not is_version(version):
            raise UsageError(
                f"software.{name} '{shorten(str(version))}' cannot be used",
                why="it has to be a version of digits and dots",
                next="software: {nccl: 2.28.3}",
            )


def check_file_system(found: FileSystem, maker: str) -> None:
    """Raises UsageError where FSx for Lustre cannot be what is asked for; `maker` makes one that has no id yet."""
    for field, of in _FILE_SYSTEM.items():
        if getattr(found, field) is not None:
            checked(of, getattr(found, field), f"file_system.{field}")
    top = found.mount_dir.split("/")[1]
    if top in SYSTEM_FOLDERS:
        raise UsageError(
            f"file_system.mount_dir {found.mount_dir} cannot be used",
            why=f"/{top} belongs to the system or to local disks",
            next="file_system.mount_dir: /fsx",
        )
    if found.id is None:
        _check_new(found, maker)
    elif found.data_repository is not None:
        raise UsageError(
            "file_system.data_repository is for a file system made with the cluster",
            why=f"{found.id} has its own associations",
            next="leave one of id and data_repository out",
        )


def _check_new(found: FileSystem, maker: str) -> None:
    if found.efa:
        raise UsageError(
            "file_system.efa needs file_system.id",
            why=f"{maker} cannot make a file system with EFA; make it first, then mount it by id",
            next=f"file_system.id: {example('file-system')}",
        )
    whole("file_system.capacity_gib", found.capacity_gib, 1200, 1_000_000)
    if found.capacity_gib != 1200 and found.capacity_gib % 2400:
        raise UsageError(
            f"file_system.capacity_gib {found.capacity_gib} cannot be made",
            why="FSx for Lustre comes in 1200 and in multiples of 2400 GiB",
            next=f"file_system.capacity_gib: {-(-found.capacity_gib // 2400) * 2400}",
        )
    if found.mb_per_s_per_tib not in (125, 250, 500, 1000):
        raise UsageError(
            f"file_system.mb_per_s_per_tib {found.mb_per_s_per_tib} cannot be made",
            why="PERSISTENT_2 offers 125, 250, 500 and 1000",
            next="file_system.mb_per_s_per_tib: 250",
        )
