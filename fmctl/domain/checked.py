"""Names, ids and paths that somebody typed: the one place where they are checked before a file or a shell sees them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fmctl.base.errors import UnknownName, UsageError, shorten
from fmctl.domain.cluster import SECTION, FileSystem, Site
from fmctl.domain.software import COMPONENTS, is_version

_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_STEP = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
SYSTEM_FOLDERS = (
    "bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin",
    "scratch", "srv", "sys", "tmp", "usr", "var",
)  # fmt: skip
RESERVED_TAGS = ("aws:", "fmctl:", "parallelcluster:")
# ParallelCluster's names for operating systems: in a configuration, and in the names of its official images.
OPERATING_SYSTEMS: Mapping[str, str] = {
    "alinux2023": "amzn2023-hvm",
    "ubuntu2204": "ubuntu-2204-lts-hvm",
    "ubuntu2404": "ubuntu-2404-lts-hvm",
    "rhel8": "rhel8-hvm",
    "rhel9": "rhel9-hvm",
    "rocky8": "rocky8-hvm",
    "rocky9": "rocky9-hvm",
}
MOST_TAGS = 34  # ParallelCluster takes 40; six are fmctl's
CLOSED = "127.0.0.1/32"
_EVERYBODY = ("0.0.0.0/0",)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value of one kind looks like: a pattern for all of it, the same in words, and an example."""

    pattern: str
    words: str
    example: str


KINDS: Mapping[str, Kind] = {
    "cluster": Kind(
        r"[A-Za-z][A-Za-z0-9-]{1,59}", "2 to 60 letters, digits and dashes, a letter first", "llama-70b-p5"
    ),
    "plan": Kind(
        r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", "1 to 64 letters, digits, dots, dashes", "llama-70b"
    ),
    "digest": Kind(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits", "sha256:" + "0" * 64),
    "region": Kind(r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}", "a region as AWS writes it", "us-east-1"),
    "subnet": Kind(r"subnet-(?:[0-9a-f]{8}|[0-9a-f]{17})", "a subnet id", "subnet-0123456789abcdef0"),
    "security-group": Kind(r"sg-(?:[0-9a-f]{8}|[0-9a-f]{17})", "a security group id", "sg-0123456789abcdef0"),
    "account": Kind(r"[0-9]{12}", "12 digits, in quotes", '"111122223333"'),
    "key": Kind(r"[A-Za-z0-9][A-Za-z0-9 ._@+-]{0,254}", "the name of a key pair: letters, digits, ._@+-", "my-key"),
    "cidr": Kind(rf"(?:{_OCTET}\.){{3}}{_OCTET}/(?:3[0-2]|[12]?[0-9])|pl-[0-9a-z]{{1,40}}", "a CIDR or prefix list",
                 "203.0.113.0/24"),
    "ami": Kind(r"ami-(?:[0-9a-f]{8}|[0-9a-f]{17})", "an image id", "ami-0123456789abcdef0"),
    "instance": Kind(r"[a-z][a-z0-9-]{0,30}\.[a-z0-9-]{1,20}", "an instance type", "m6i.8xlarge"),
    "policy": Kind(r"arn:aws[a-z-]*:iam::(?:[0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]{1,512}", "the ARN of a policy",
                   "arn:aws:iam::aws:policy/PowerUserAccess"),
    "bucket": Kind(_BUCKET, "the name of a bucket, without s3://", "my-bucket"),
    "s3-prefix": Kind(rf"s3://{_BUCKET}(?:/{_STEP})*/?", "a bucket with a prefix", "s3://my-bucket/train"),
    "file-system": Kind(r"fs-[0-9a-f]{17}", "the id of a file system", "fs-0123456789abcdef0"),
    "folder": Kind(rf"(?:/{_STEP}){{1,8}}", "a folder of letters, digits, ._- below /", "/fsx"),
    "reservation": Kind(r"cr-(?:[0-9a-f]{8}|[0-9a-f]{17})", "the id of a reservation", "cr-0123456789abcdef0"),
    "version": Kind(r"3\.[0-9]{1,3}\.[0-9]{1,3}", "a version of ParallelCluster 3", "3.16.1"),
    "queue": Kind(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", "a Slurm partition: letters, digits, ._-", "gpu"),
    "head": Kind(r"local|ssh://[A-Za-z0-9][A-Za-z0-9@._:-]{0,252}", "local or ssh://HOST", "ssh://login.example.org"),
    "os": Kind("|".join(OPERATING_SYSTEMS), "one of " + ", ".join(OPERATING_SYSTEMS), "ubuntu2204"),
    "tag-key": Kind(r"[^\W_][\w .:/=+@-]{0,127}", "1 to 128 letters, digits, spaces and ._:/=+@-", "team"),
    "tag-value": Kind(r"[\w .:/=+@-]{0,256}", "at most 256 letters, digits, spaces and ._:/=+@-", "research"),
    "label": Kind(r"[\w.:/=+@ -]{1,256}", "1 to 256 letters, digits, spaces and ._:/=+@-", "llama-3.1-70b"),
}  # fmt: skip
SITE: Mapping[str, str] = {
    "region": "region", "compute_subnet": "subnet", "head_subnet": "subnet", "account": "account", "key_name": "key",
    "allowed_ips": "cidr", "os": "os", "ami": "ami", "security_groups": "security-group", "head_instance": "instance",
    "permissions_boundary": "policy", "bucket": "bucket", "pcluster_version": "version",
}  # fmt: skip
FILE_SYSTEM: Mapping[str, str] = {"mount_dir": "folder", "id": "file-system", "data_repository": "s3-prefix"}


def checked(kind: str, value: object, field: str) -> str:
    """The value, if it is of its kind from the first to the last character. Raises UsageError, naming the field."""
    if isinstance(value, str) and re.fullmatch(KINDS[kind].pattern, value) is not None and value.isprintable():
        return value
    shown = shorten(value) if isinstance(value, str) else shorten(str(value))
    raise UsageError(
        f"{field} '{shown}' cannot be used", why=f"it has to be {KINDS[kind].words}", next=f"{field}: {example(kind)}"
    )


def example(kind: str) -> str:
    """A value of that kind."""
    return KINDS[kind].example


def check_site(site: Site) -> Site:
    """The site, if everything in it can be used. Raises UsageError, naming the field."""
    if site.slurm is not None:
        checked("queue", site.slurm.queue, "slurm.queue")
        checked("head", site.slurm.head, "slurm.head")
        check_software(site.software)
        return site
    for field, kind in SITE.items():
        value = getattr(site.parallelcluster if field in SECTION else site, field)
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None:
                checked(kind, one, field)
    if site.parallelcluster.allowed_ips in _EVERYBODY:
        raise UsageError(
            f"allowed_ips {site.parallelcluster.allowed_ips} cannot be used",
            why="it opens the head node to everybody",
            next="allowed_ips: 203.0.113.0/24, or none at all and SSM",
        )
    if (
        site.parallelcluster.public_head
        and site.parallelcluster.key_name is not None
        and site.parallelcluster.allowed_ips is None
    ):
        raise UsageError(
            "a public head node with a key needs allowed_ips",
            why="ParallelCluster would open port 22 to everybody",
            next=f"allowed_ips: {example('cidr')}",
        )
    whole("login_nodes", site.parallelcluster.login_nodes, 0, 10)
    check_tags(site.tags)
    check_software(site.software)
    if site.file_system is not None:
        check_file_system(site.file_system)
    return site


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises UsageError for a tag that AWS, ParallelCluster or fmctl keeps for itself, or that is not text."""
    if len(tags) > MOST_TAGS:
        raise UsageError(f"{len(tags)} tags are too many", why=f"beside fmctl's own there is room for {MOST_TAGS}")
    for key, value in tags.items():
        checked("tag-key", key, "tags")
        checked("tag-value", value, f"tags.{key}")
        if key.lower().startswith(RESERVED_TAGS):
            raise UsageError(
                f"tags '{shorten(key)}' cannot be used",
                why=f"{', '.join(RESERVED_TAGS)} are reserved",
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


def check_file_system(found: FileSystem) -> None:
    """Raises UsageError where FSx for Lustre cannot be what is asked for."""
    for field, kind in FILE_SYSTEM.items():
        if getattr(found, field) is not None:
            checked(kind, getattr(found, field), f"file_system.{field}")
    top = found.mount_dir.split("/")[1]
    if top in SYSTEM_FOLDERS:
        raise UsageError(
            f"file_system.mount_dir {found.mount_dir} cannot be used",
            why=f"/{top} belongs to the system or to local disks",
            next="file_system.mount_dir: /fsx",
        )
    if found.id is None:
        _check_new(found)
    elif found.data_repository is not None:
        raise UsageError(
            "file_system.data_repository is for a file system made with the cluster",
            why=f"{found.id} has its own associations",
            next="leave one of id and data_repository out",
        )


def _check_new(found: FileSystem) -> None:
    if found.efa:
        raise UsageError(
            "file_system.efa needs file_system.id",
            why="ParallelCluster cannot make a file system with EFA; make it first, then mount it by id",
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


def whole(field: str, value: object, least: int, most: int) -> int:
    """The value, if it is a whole number between both. Raises UsageError."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        shown = shorten(str(value))
        raise UsageError(f"{field} '{shown}' cannot be used", why=f"it has to be a whole number, {least:,} to {most:,}")
    return value
