"""The targets by name, one line each; a target's modules are imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from fmctl.base.errors import UnknownName

if TYPE_CHECKING:
    from fmctl.adapters.aws.session import Session
    from fmctl.base.config import Settings
    from fmctl.domain.cluster import ClusterSpec, Site
    from fmctl.domain.hardware import Instance
    from fmctl.domain.policy import Granted
    from fmctl.domain.program import Tell
    from fmctl.targets.rendering import Rendering
    from fmctl.targets.target import Target

# The first is where a site goes that names none. Each package has a module `kind` with KIND.
PACKAGES: Mapping[str, str] = {
    "parallelcluster": "fmctl.targets.parallelcluster",
    "slurm": "fmctl.targets.slurm",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A target before it is reached: what it renders, and how one is reached.

    `connect(session, settings, site, sleep)`: the target in the session's account and region.
    """

    title: str  # its own name, for sentences
    render: Callable[[ClusterSpec, Instance, Tell], Rendering]
    connect: Callable[[Session, Settings, Site | None, Callable[[float], None]], Target]
    check: Callable[[Site], None]  # raises UsageError for what its part of a site cannot be
    command: str = ""  # the program that takes a rendered file by hand
    on_aws: bool = True  # whether the session is asked anything
    home: Callable[[Site], str] = lambda site: "/home"  # where jobs go at a place without a file system
    # Rights of one of `domain.policy.WHO`; None where fmctl makes nothing that needs any.
    granted: Callable[[str, ClusterSpec], Granted] | None = None
    # Why a job waits, by Slurm's word, where the target knows better: (in plain words, what to do).
    reasons: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))


def kind(name: str = "") -> Kind:
    """A target by the name that a site has for it. Raises UnknownName."""
    wanted = name or next(iter(PACKAGES))
    if wanted not in PACKAGES:
        raise UnknownName("target", wanted, PACKAGES)
    found: Kind = import_module(f"{PACKAGES[wanted]}.kind").KIND
    return found


def queue_reasons() -> Mapping[str, tuple[str, str]]:
    """Why a job waits, as targets that run on Slurm know it."""
    return {word: why for name in PACKAGES for word, why in kind(name).reasons.items()}
