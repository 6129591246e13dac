"""Names, ids and paths that somebody typed: the one place where they are checked before a file or a shell sees them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fmctl.base.errors import UsageError, shorten

_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_STEP = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"


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
    "queue": Kind(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", "a Slurm partition: letters, digits, ._-", "gpu"),
    "head": Kind(r"local|ssh://[A-Za-z0-9][A-Za-z0-9@._:-]{0,252}", "local or ssh://HOST", "ssh://login.example.org"),
    "tag-key": Kind(r"[^\W_][\w .:/=+@-]{0,127}", "1 to 128 letters, digits, spaces and ._:/=+@-", "team"),
    "tag-value": Kind(r"[\w .:/=+@-]{0,256}", "at most 256 letters, digits, spaces and ._:/=+@-", "research"),
    "label": Kind(r"[\w.:/=+@ -]{1,256}", "1 to 256 letters, digits, spaces and ._:/=+@-", "llama-3.1-70b"),
}  # fmt: skip


def checked(kind: str | Kind, value: object, field: str) -> str:
    """The value, if it is of its kind from the first to the last character. Raises UsageError, naming the field."""
    wanted = KINDS[kind] if isinstance(kind, str) else kind
    if isinstance(value, str) and re.fullmatch(wanted.pattern, value) is not None and value.isprintable():
        return value
    shown = shorten(value) if isinstance(value, str) else shorten(str(value))
    raise UsageError(
        f"{field} '{shown}' cannot be used", why=f"it has to be {wanted.words}", next=f"{field}: {wanted.example}"
    )


def example(kind: str) -> str:
    """A value of that kind."""
    return KINDS[kind].example


def whole(field: str, value: object, least: int, most: int) -> int:
    """The value, if it is a whole number between both. Raises UsageError."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        shown = shorten(str(value))
        raise UsageError(f"{field} '{shown}' cannot be used", why=f"it has to be a whole number, {least:,} to {most:,}")
    return value
