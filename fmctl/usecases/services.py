"""What the commands need from the core, as Protocols, and the real thing behind them; tests hand in their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Protocol

from fmctl.base.lazy import lazily

if TYPE_CHECKING:
    from fmctl.adapters.aws.capacity import Capacity
    from fmctl.adapters.aws.pricing import Snapshot
    from fmctl.base.config import Settings
    from fmctl.buying.offers import NotSold
    from fmctl.domain.cluster import Site
    from fmctl.domain.framework import Framework
    from fmctl.domain.hardware import Instance, Price, StoragePrice
    from fmctl.domain.lab import LabState
    from fmctl.domain.model import ModelArch
    from fmctl.domain.offer import Offer
    from fmctl.domain.ports import Head, Survey
    from fmctl.domain.result import Plan, PlanRequest
    from fmctl.domain.rows.lab import PclusterEnvironment
    from fmctl.observe.measured import Source
    from fmctl.operate.state import StateStore
    from fmctl.operate.steps import Ports
    from fmctl.targets.target import Target

Progress = Callable[[int, int], None]


class Planner(Protocol):
    """The search and the single estimate."""

    def search(self, request: PlanRequest, progress: Progress | None = None) -> Plan:
        """The ranked plan."""

    def best(self, request: PlanRequest) -> Plan:
        """The best row of one instance type; where no node count is stated, on the fewest that hold the model."""

    def default_nodes(self, arch: ModelArch, instance: Instance) -> tuple[int, ...]:
        """Node counts worth looking at."""

    def framework(self, name: str) -> Framework:
        """The profile of that name."""

    def provenance(self, framework: str) -> Mapping[str, object]:
        """What the model of performance rests on."""


class Catalogue(Protocol):
    """Models, instances and prices."""

    def model_names(self) -> Sequence[str]:
        """All presets."""

    def load_model(self, name: str) -> ModelArch:
        """A preset, a YAML file or a config.json."""

    def instance_names(self) -> Sequence[str]:
        """All instance types."""

    def accelerator_names(self) -> Mapping[str, str]:
        """The GPU of each, by instance type."""

    def load_instance(self, name: str) -> Instance:
        """One instance type."""

    def instance_record(self, name: str) -> Mapping[str, object]:
        """The catalogue's row of a type, also of one that no plan can be made for; null is unknown."""

    def find_price(self, instance: str, region: str, option: str, on: date) -> Price:
        """The price that holds on a day; unknown where nobody knows."""

    def prices(self, instance: str = "", region: str = "", option: str = "") -> Sequence[Price]:
        """Prices of instances; an empty argument matches all."""

    def ways(self, instance: str, region: str, on: date, *, spot_usd_per_h: float | None) -> Sequence[Offer | NotSold]:
        """Every way to buy a type in a region: buying.offers.Offer, or NotSold with why."""

    def storage_prices(self) -> Sequence[StoragePrice]:
        """All prices of storage, transfer and fees."""


class LabControl(Protocol):
    """The local AWS; each method gives what runs as plain data, None where nothing does."""

    def start(self, port: int, speed: float) -> LabState:
        """Start it and wait until it answers."""

    def stop(self) -> LabState | None:
        """End it."""

    def status(self) -> LabState | None:
        """The one that runs."""

    def site_for(self, instance: Instance) -> tuple[Site, tuple[str, str | None]]:
        """Where in the running lab a cluster of that type goes, and how its capacity is bought there."""

    def operator(self, policy: Mapping[str, object]) -> dict[str, str]:
        """Environment of somebody who has these rights in the running lab, and no others."""

    def ports(self, site: Site, settings: Settings) -> AbstractContextManager[Ports]:
        """The lab as the controller's world, with its own clock and a store that is gone afterwards."""


class Pclusters(Protocol):
    """Environments that have ParallelCluster, as plain data."""

    def install(self, version: str | None, say: Callable[[str], None]) -> PclusterEnvironment:
        """Make one for a version; the usual one by default."""

    def environments(self, named: str | None) -> Sequence[PclusterEnvironment]:
        """All that there are."""


class Operations(Protocol):
    """The running half: AWS, targets, the state store. `options` are --profile, --region and --store."""

    def ports(self, settings: Settings, options: Mapping[str, str | None], site: Site | None, read_only: bool) -> Ports:
        """Everything the controller reaches the world through; the site's target in it."""

    def survey(self, settings: Settings, options: Mapping[str, str | None], site: Site) -> Survey:
        """What a preflight looks at."""

    def target(self, settings: Settings, options: Mapping[str, str | None], site: Site) -> Target:
        """Where a site's clusters go; nobody is asked anything yet."""

    def store(self, settings: Settings, options: Mapping[str, str | None]) -> StateStore:
        """Where clusters and journals are kept."""

    def head(self, settings: Settings, options: Mapping[str, str | None], how: str, cluster: str | None) -> Head:
        """The head node of a cluster, reached as `how` says. Raises UsageError."""


class Market(Protocol):
    """Asked, never bought from. Both raise PermissionDenied where the credentials are no good."""

    def prices(
        self,
        profile: str | None,
        instances: Sequence[str],
        regions: Sequence[str],
        now: datetime,
        progress: Callable[[int, int], None],
    ) -> Snapshot:
        """Prices of these types, and of storage, in these regions now. Raises UsageError where no AWS is asked."""

    def capacity(self, profile: str | None, regions: Sequence[str]) -> Sequence[Capacity]:
        """What each of these regions has for sale."""


def _fitted(files: Sequence[str], progress: Progress | None = None) -> Mapping[str, object]:
    """The constants fitted to the shipped runs and `files`, with their errors: `validation.calibrate`."""
    from fmctl.validation.calibrate import calibrate, outcome

    return outcome(calibrate(files, progress=progress))


def _prometheus(url: str) -> Source:
    """The Prometheus at that address, with the credentials of the environment. Raises UsageError."""
    from fmctl.adapters.prometheus.client import Prometheus, access, sigv4_region

    return Prometheus(url, access(sigv4_region=sigv4_region(url)))


_CATALOGUE: Catalogue = lazily("fmctl.catalog", ways="fmctl.buying.offers:ways")
_PLANNER: Planner = lazily(
    "fmctl.usecases.planner",
    best="fmctl.plan.rank:best",
    default_nodes="fmctl.plan.space:default_nodes",
    search="fmctl.plan.rank:search",
)
_LAB: LabControl = lazily("fmctl.usecases.lab")
_PCLUSTERS: Pclusters = lazily("fmctl.adapters.parallelcluster.plain")
_OPERATIONS: Operations = lazily("fmctl.usecases.world")
_MARKET: Market = lazily("fmctl.adapters.aws.market")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Services:
    """The catalogue, the planner, the clock, the fit, the local AWS, ParallelCluster, AWS's market, Prometheus."""

    catalogue: Catalogue = _CATALOGUE
    planner: Planner = _PLANNER
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    calibrator: Callable[[Sequence[str], Progress | None], Mapping[str, object]] = _fitted
    lab: LabControl = _LAB
    pclusters: Pclusters = _PCLUSTERS
    operations: Operations = _OPERATIONS
    market: Market = _MARKET
    prometheus: Callable[[str], Source] = _prometheus
