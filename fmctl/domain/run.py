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

# More than stand by for any job; the waiting time of `perf.spares` is tabled up to here.
MOST_SPARES = 12


@dataclass(frozen=True, slots=True)
class RunRequest:
    """How a run is to be made. start: training may begin then (aware, UTC).

    per_1000_node_days: the user's own interruptions per 1,000 node-days, None for the published ones. age_days: how
    long the nodes have been in service. spares: nodes that stand by. kept: checkpoints that stay on the file system.
    stall_share: most of the wall time that saves may take. bytes_per_token: of stored training data, None for token
    ids (2 or 4 by vocabulary); images and video have more. pue, g_per_kwh: the user's own facility overhead and carbon
    intensity, in place of the region's.
    """

    start: datetime
    per_1000_node_days: float | None = None
    age_days: float = 60.0
    spares: int = 0
    kept: int = 3
    stall_share: float = 0.01
    bytes_per_token: float | None = None
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
    """Checkpoints of a run. file_system: what to create, None where nothing on sale is fast enough.

    interval_s: training between two saves. stall_s: training stands still for one. drain_s: until it is durable.
    load_s: reading one back. young_s: the first-order best interval, for comparison. disks: how local NVMe drained to
    S3 compares. note: what was not compared, and why.
    """

    total_bytes: float
    interval_s: float
    stall_s: float
    drain_s: float
    load_s: float
    young_s: float
    file_system: LustreConfig | None
    item: str
    usd_per_month: float | None
    disks: str
    note: str


@dataclass(frozen=True, slots=True)
class Failures:
    """Interruptions of a run: how many, how far apart, what one costs. best_spares: of the fewest node-hours."""

    count: Spread
    mtbf_s: float
    recovery_s: float
    lost_work_s: float
    spares: int
    best_spares: int


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy and carbon of a run; None where the region's grid publishes nothing. kwh: at the meter."""

    kwh: Spread
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
    """One row of a plan as a whole run, bought in one way.

    wall_s: from the start until the last checkpoint is durable, P10, P50 and P90. finish: the same as
    dates. work_s: training alone. parts_s: where the wall time goes at P50, by name. total_usd: None where
    the price of the nodes is not known; comparable_usd: with unknown lines at the prices of us-east-1, for ranks
    and budgets; high_usd: at P90; known_usd: of the lines that have a price; idle_usd: what of it is paid for while
    nothing is trained. blocks: those that hold the run at P90. ways: every way in which it can be bought.
    reading: the limit of data reading that is nearest, and the share of it that is used.
    """

    offer: Offer
    start: datetime
    work_s: float
    wall_s: tuple[float, float, float]
    finish: tuple[datetime, datetime, datetime]
    goodput: Spread
    checkpoints: Checkpoints
    failures: Failures
    energy: Energy
    total_usd: float | None
    comparable_usd: float | None
    high_usd: float | None
    known_usd: float
    idle_usd: float
    lines: tuple[Line, ...]
    parts_s: tuple[tuple[str, float], ...]
    blocks: tuple[Block, ...]
    ways: tuple[Way, ...]
    reading: tuple[str, float]
    notes: tuple[str, ...]
