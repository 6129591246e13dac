"""What the options of the commands say, as plain values: texts as they were typed, None for what nobody stated.

The command line declares each of them with its spelling and help; the session's forms fill them by name.
"""

# No `from __future__ import annotations` here: the command line would compile each of these types from its text.

from dataclasses import dataclass
from typing import TypeAlias

from fmctl.base.config import Settings
from fmctl.base.errors import PermissionDenied
from fmctl.base.units import parse_number

Text: TypeAlias = str | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Asked:
    """What is to be trained, on what, and what is already decided; shared by estimate, explain and plan."""

    instances: Text = None
    nodes: Text = None
    regions: Text = None
    purchase: Text = None
    spot_price: Text = None
    start: Text = None
    spares: Text = None
    failures: Text = None
    bytes_per_token: Text = None
    tokens: Text = None
    seq_len: Text = None
    global_batch: Text = None
    framework: Text = None
    calibration: Text = None
    precision: Text = None
    tp: Text = None
    pp: Text = None
    vpp: Text = None
    cp: Text = None
    ep: Text = None
    etp: Text = None
    dp: Text = None
    dp_replicate: Text = None
    micro_batch: Text = None
    sharding: Text = None
    recompute: Text = None
    recompute_layers: Text = None
    schedule: Text = None
    cp_comm: Text = None
    dispatcher: Text = None
    sequence_parallel: bool | None = None
    cuda_graph: Text = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Search:
    """What plan is to aim at."""

    deadline: Text = None
    budget: Text = None
    objective: Text = None
    max_nodes: Text = None
    top: Text = None
    save: Text = None
    exhaustive: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Wanted:
    """What the cluster is to be, beside plan and site."""

    site: Text = None
    row: Text = None
    cluster_name: Text = None
    capacity: Text = None
    reservation: Text = None
    max_hours: Text = None
    idle_minutes: Text = None
    static: bool = False
    recipe: Text = None
    no_efa: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Aws:
    """Which account, and where the clusters are remembered."""

    profile: Text = None
    region: Text = None
    store: Text = None

    def options(self) -> dict[str, str | None]:
        """As the operations take them."""
        return {"profile": self.profile, "region": self.region, "store": self.store}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Run:
    """Which run, and which row of the plan it runs."""

    log: Text = None
    cluster: Text = None
    job: Text = None
    row: Text = None
    state: Text = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Nodes:
    """Where metrics of the nodes are."""

    prometheus: Text = None
    metrics_cluster: Text = None
    since: Text = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Watched:
    """What is watched, beside the plan."""

    row: Text = None
    cluster_name: Text = None
    run: Text = None
    cap: Text = None
    hosts: Text = None
    head: Text = None
    ends: Text = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Consent:
    """What may be spent or destroyed without asking."""

    yes: bool = False
    dry_run: bool = False
    read_only: bool = False
    timeout: Text = None
    break_lock: bool = False

    def refuse(self, settings: Settings) -> None:
        """Raise PermissionDenied under read-only, where more than a dry run is asked for."""
        if (self.read_only or settings.switch("read_only")) and not self.dry_run:
            why = None if self.read_only else f"read_only is set by {settings['read_only'].origin}"
            following = "without --read-only" if self.read_only else "FMCTL_READ_ONLY=0"
            raise PermissionDenied("nothing is spent or destroyed under read-only", why=why, next=following)

    def timeout_s(self) -> float | None:
        """--timeout in seconds."""
        return None if self.timeout is None else parse_number(self.timeout.removesuffix("s"), what="--timeout")


def head_named(head: str | None, settings: Settings) -> str:
    """How the head node is reached: as asked, as set, else through Session Manager."""
    return head or settings.text("head") or "ssm"
