"""A whole run: what is asked of it, and what one row of a plan comes to, from the first node to the last checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what a run is asked needs none of them
    from fmctl.domain.bill import Line
    from fmctl.domain.block import Block
    from fmctl.domain.offer import Offer
    from fmctl.domain.storage import LustreConfig

# More than stand by for any job; the waiting time of `perf.run.spares` is tabled up to here.
MOST_SPARES = 12


@dataclass(frozen=True, slots=True)
class RunRequest:
    """How a run is to be made."""

    start: datetime  # training may begin then (aware, UTC)
    # the user's own interruptions per 1,000 node-days, None for the published ones
    per_1000_node_days: float | None = None
    age_days: float = 60.0  # how long the nodes have been in service
    spares: int = 0  # nodes that stand by
    kept: int = 3  # checkpoints that stay on the file system
    stall_share: float = 0.01  # most of the wall time that saves may take
    # of stored training data, None for token ids (2 or 4 by vocabulary); images and video have more
    bytes_per_token: float | None = None
    # with g_per_kwh: the user's own facility overhead and carbon intensity, in place of the region's
    pue: float | None = None
    g_per_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """A value with the ends of its 80 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Checkpoints of a run."""

    total_bytes: float
    interval_s: float  # training between two saves
    stall_s: float  # training stands still for one
    drain_s: float  # until it is durable
    load_s: float  # reading one back
    young_s: float  # the first-order best interval, for comparison
    file_system: LustreConfig | None  # what to create, None where nothing on sale is fast enough
    item: str
    usd_per_month: float | None
    disks: str  # how local NVMe drained to S3 compares
    note: str  # what was not compared, and why


@dataclass(frozen=True, slots=True)
class Failures:
    """Interruptions of a run: how many, how far apart, what one costs."""

    count: Spread
    mtbf_s: float
    recovery_s: float
    lost_work_s: float
    spares: int
    best_spares: int  # of the fewest node-hours


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy and carbon of a run; None where the region's grid publishes nothing."""

    kwh: Spread  # at the meter
    average_t: Spread | None
    marginal_t: float | None
    water_l: float | None
    pue_assumed: bool


@dataclass(frozen=True, slots=True)
class Way:
    """One way to buy the same run. usd None: no price is known, `why` says why. t: CO2e by the grid's average."""

    option: str
    region: str
    usd: float | None
    wall_s: float | None
    average_t: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Lever:
    """A change and what it does to days and USD; negative is better. usd None: the price is not known."""

    name: str
    days: float
    usd: float | None


@dataclass(frozen=True, slots=True)
class WholeRun:
    """One row of a plan as a whole run, bought in one way."""

    offer: Offer
    start: datetime
    work_s: float  # training alone
    wall_s: tuple[float, float, float]  # from the start until the last checkpoint is durable, P10, P50 and P90
    finish: tuple[datetime, datetime, datetime]  # the same as dates
    goodput: Spread
    checkpoints: Checkpoints
    failures: Failures
    energy: Energy
    total_usd: float | None  # None where the price of the nodes is not known
    comparable_usd: float | None  # with unknown lines at the prices of us-east-1, for ranks and budgets
    high_usd: float | None  # at P90
    known_usd: float  # of the lines that have a price
    idle_usd: float  # what of it is paid for while nothing is trained
    lines: tuple[Line, ...]
    parts_s: tuple[tuple[str, float], ...]  # where the wall time goes at P50, by name
    blocks: tuple[Block, ...]  # those that hold the run at P90
    ways: tuple[Way, ...]  # every way in which it can be bought
    reading: tuple[str, float]  # the limit of data reading that is nearest, and the share of it that is used
    notes: tuple[str, ...]
