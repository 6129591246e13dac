"""What the rest of fmctl may ask of the outside world: protocols and the plain answers they give.

Every method may raise PermissionDenied, CapacityUnavailable or OperationFailed (errors.py), with the AWS code in `why`
and the next step; none returns half an answer. Times are aware UTC datetimes. Nothing here imports boto3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from fmctl.domain.end import End, Whose


@dataclass(frozen=True, slots=True)
class Finding:
    """One message of a target's validators."""

    level: str  # INFO, WARNING or ERROR
    kind: str  # the validator's class
    message: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource that a stack would make."""

    stack: str  # "" for the root, else the nested stack's logical id
    logical_id: str
    type: str
    properties: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the credentials are: account of 12 digits, ARN, region in use."""

    account: str
    arn: str
    region: str


@dataclass(frozen=True, slots=True)
class Stack:
    """A CloudFormation stack: name, status (CREATE_IN_PROGRESS, ...), reason, tags, times."""

    name: str
    id: str
    status: str
    reason: str
    created: datetime
    tags: Mapping[str, str]
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StackEvent:
    """One event of a stack or of a stack nested in it."""

    at: datetime
    stack: str
    logical_id: str
    type: str
    status: str
    reason: str
    id: str


@dataclass(frozen=True, slots=True)
class Node:
    """One EC2 instance of a cluster."""

    id: str
    type: str
    role: str  # head, login or compute
    state: str  # pending, running, ...
    zone: str
    private_ip: str
    launched: datetime


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that outlived its cluster: what it is, what it costs a day (None: not known), how to remove it."""

    kind: str
    id: str
    usd_per_day: float | None
    command: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """An EC2 capacity reservation."""

    id: str
    instance: str
    zone: str  # its name
    state: str
    total: int
    available: int
    kind: str  # default (ODCR) or capacity-block
    start: datetime | None
    end: datetime | None  # None: till cancelled


@dataclass(frozen=True, slots=True)
class Lent:
    """Text that a head node may read once."""

    names: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]  # that print it there, one after the other


class Cloud(Protocol):
    """AWS in one region, as far as running clusters needs it. Lists are complete (every page)."""

    def identity(self) -> Identity:
        """Account and caller."""
        ...

    def stack(self, name: str) -> Stack | None:
        """The newest stack of that name; None where there is none (a deleted one is none)."""
        ...

    def deleted(self, stack_id: str) -> datetime | None:
        """When the stack of that id was deleted; None where it was not, or AWS no longer knows."""
        ...

    def stacks(self, tag: str) -> tuple[Stack, ...]:
        """Stacks that carry the tag key."""
        ...

    def stack_events(self, name: str, after: str | None = None) -> tuple[StackEvent, ...]:
        """Events of the stack and those nested in it, oldest first, those after the event id `after`."""
        ...

    def delete_stack(self, stack: str, retain: Sequence[str] = ()) -> None:
        """Ask CloudFormation to delete, by name or id; `retain` names resources to leave after a DELETE_FAILED."""
        ...

    def nodes(self, cluster: str) -> tuple[Node, ...]:
        """Instances tagged with the cluster's name, in any state but terminated."""
        ...

    def end_role(self, cluster: str, boundary: str | None, whose: Whose) -> str:
        """Make (or find) the role by which the end schedule deletes the stack; its ARN. Repeats safely.

        Raises OperationFailed where a role of that name is another launch's, or somebody else's.
        """
        ...

    def put_end(self, cluster: str, at: datetime, role_arn: str, token: str, whose: Whose) -> None:
        """One-time schedule that deletes the stack at `at`; replaces one of the same launch. Repeats safely.

        Raises OperationFailed where another launch has arranged one, or the schedule is somebody else's.
        """
        ...

    def end(self, cluster: str, stack: str = "") -> End | None:
        """The scheduled end of a cluster, of the stack with that id where one is named; None where there is none."""
        ...

    def ends(self, clusters: Sequence[str]) -> frozenset[str]:
        """Which of these clusters have a schedule for their end, listed at once."""
        ...

    def nodes_of_all(self) -> Mapping[str, tuple[Node, ...]]:
        """Instances of every cluster of the target, by the cluster's name, in any state but terminated."""
        ...

    def remove_end(self, cluster: str, launch: str = "") -> tuple[str, ...]:
        """Remove the schedule and its role, as far as they are the cluster's (and launch's, where one is named).

        What was left, and why; nothing to remove is no error.
        """
        ...

    def leftovers(self, cluster: str) -> tuple[Leftover, ...]:
        """What of the cluster still exists: by its tags and by the names that its target gives."""
        ...

    def reservation(self, reservation_id: str) -> Reservation | None:
        """One capacity reservation or Capacity Block; None where there is none."""
        ...

    def log_lines(self, cluster: str, stream: str, after: datetime | None = None) -> Iterator[tuple[datetime, str]]:
        """Lines of the cluster's CloudWatch streams whose name holds `stream`, oldest first."""
        ...

    def lend(self, cluster: str, text: str) -> Lent:
        """Keep a text where the cluster's head node can read it and no history holds it."""
        ...

    def take_back(self, lent: Lent) -> None:
        """Take it away again."""
        ...

    def run_on_head(self, cluster: str, command: Sequence[str], timeout_s: float = 30.0) -> str:
        """Standard output of a command on the head node, through SSM; every word is quoted."""
        ...


class Head(Protocol):
    """A shell on the head node. label: where, for people."""

    label: str

    def run(self, command: Sequence[str], stdin: bytes = b"", timeout_s: float = 60.0) -> str:
        """Standard output of a command, every word quoted. Raises OperationFailed, OperationTimeout."""
        ...


class Clock(Protocol):
    """Time, handed in so that tests can turn it."""

    def now(self) -> datetime:
        """Aware UTC time."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet: its zone (name and id), addresses left, and how it reaches AWS: nat, internet, endpoints or none."""

    id: str
    vpc: str
    zone: str
    zone_id: str
    free_addresses: int
    way_out: str
    public_ips: bool


@dataclass(frozen=True, slots=True)
class Lustre:
    """An FSx for Lustre file system."""

    id: str
    vpc: str
    zones: tuple[str, ...]
    state: str
    capacity_gib: int
    mb_per_s: float | None
    open_to: tuple[str, ...]  # security groups and CIDRs that may reach its port 988


class Survey(Protocol):
    """What a preflight looks at; describes only. None or an absent key means: not there, or nobody may tell."""

    def identity(self) -> Identity:
        """Account and caller."""
        ...

    def offered_zones(self, instance: str) -> tuple[str, ...]:
        """Zone names of the region where the account is offered the type."""
        ...

    def subnet(self, subnet_id: str) -> Subnet | None:
        """One subnet."""
        ...

    def quota(self, code: str) -> float | None:
        """An EC2 quota of Service Quotas, applied or default; in vCPUs for instances."""
        ...

    def running_vcpus(self, families: Sequence[str], spot: bool) -> int:
        """VCPUs of pending and running instances whose type begins with one of `families`."""
        ...

    def reservation(self, reservation_id: str) -> Reservation | None:
        """One capacity reservation or Capacity Block."""
        ...

    def file_system(self, file_system_id: str) -> Lustre | None:
        """One FSx for Lustre file system."""
        ...

    def official_image(self, name: str) -> str | None:
        """The AMI id of the newest of Amazon's images of that name (with *)."""
        ...

    def key_type(self, name: str) -> str | None:
        """Kind of a key pair, rsa or ed25519; None where there is no such one."""
        ...

    def allowed(self, actions: Sequence[str]) -> Mapping[str, bool]:
        """Which IAM actions the caller is allowed; what could not be found out is absent."""
        ...
