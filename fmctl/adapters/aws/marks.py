"""By what the things of a target are known in an account, and what may delete them at the end of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from fmctl.adapters.aws.session import Session
from fmctl.domain.policy import Place
from fmctl.domain.ports import Leftover

Call = tuple[str, Mapping[str, object]]
"""A call of the AWS API, as EventBridge Scheduler names it, with its input."""


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What a target says of itself to whoever looks into an account for it."""

    cluster_tag: str  # on instances, volumes, network interfaces and file systems: the cluster's name
    role_tag: str  # on instances: what each is for
    roles: Mapping[str, str]  # its values: head, login or compute
    log_group: Callable[[str], str]  # of a cluster; a number follows
    rights: Callable[[str, Place, str | None], Mapping[str, object]]  # of the end: cluster, place, id of its stack
    delete: Callable[[str], Call]  # what the end calls
    warn: Callable[[str, datetime], Call]  # what is called before it
    # What else of a cluster outlives it, by what it is.
    leftovers: Mapping[str, Callable[[Session, str], Iterator[Leftover]]]
