"""What the commands need from the core, as Protocols, and the real thing behind them; tests hand in their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Protocol

from fmctl.cli.market import Market, RealMarket

if TYPE_CHECKING:
    from fmctl.base.config import Settings
    from fmctl.domain.cluster import Site
    from fmctl.domain.framework import Framework
    from fmctl.domain.hardware import Instance, Price, StoragePrice
    from fmctl.domain.model import ModelArch
    from fmctl.domain.ports import Head, Pcluster, Survey
    from fmctl.domain.result import Plan, PlanRequest
    from fmctl.observe.measured import Source
    from fmctl.operate.state import StateStore
    from fmctl.operate.steps import Ports

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

    def provenance(self, framework: str) -> Mapping[str, Any]:
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

    def instance_record(self, name: str) -> Mapping[str, Any]:
        """The catalogue's row of a type, also of one that no plan can be made for; null is unknown."""

    def find_price(self, instance: str, region: str, option: str, on: date) -> Price:
        """The price that holds on a day; unknown where nobody knows."""

    def prices(self, instance: str = "", region: str = "", option: str = "") -> Sequence[Price]:
        """Prices of instances; an empty argument matches all."""

    def ways(self, instance: str, region: str, on: date, spot_usd_per_h: float | None) -> Sequence[Any]:
        """Every way to buy a type in a region: buying.offers.Offer, or NotSold with why."""

    def storage_prices(self) -> Sequence[StoragePrice]:
        """All prices of storage, transfer and fees."""


class LabControl(Protocol):
    """The local AWS; each method gives what runs as plain data, None where nothing does."""

    def start(self, port: int, speed: float) -> Mapping[str, Any]:
        """Start it and wait until it answers."""

    def stop(self) -> Mapping[str, Any] | None:
        """End it."""

    def status(self) -> Mapping[str, Any] | None:
        """The one that runs."""

    def site_for(self, instance: Instance) -> tuple[Site, tuple[str, str | None]]:
        """Where in the running lab a cluster of that type goes, and how its capacity is bought there."""

    def ports(self, pcluster: Pcluster) -> Ports:
        """The lab as the controller's world, with its own clock and a store that is thrown away."""


class Pclusters(Protocol):
    """Environments that have ParallelCluster, as plain data."""

    def install(self, version: str | None, say: Callable[[str], None]) -> Mapping[str, Any]:
        """Make one for a version; the usual one by default."""

    def environments(self, named: str | None) -> Sequence[Mapping[str, Any]]:
        """All that there are."""


class RealLab:
    """`fmctl.adapters.lab.process`, imported when first asked."""

    def start(self, port: int, speed: float) -> Mapping[str, Any]:
        """See `LabControl`."""
        from fmctl.adapters.lab import process

        return process.described(process.start(port, speed))

    def stop(self) -> Mapping[str, Any] | None:
        """See `LabControl`."""
        from fmctl.adapters.lab import process

        found = process.stop()
        return None if found is None else process.described(found)

    def status(self) -> Mapping[str, Any] | None:
        """See `LabControl`."""
        from fmctl.adapters.lab import process

        found = process.running()
        return None if found is None else process.described(found)

    def site_for(self, instance: Instance) -> tuple[Site, tuple[str, str | None]]:
        """See `LabControl`."""
        from dataclasses import replace

        from fmctl.documents.site import read_site

        found = self._running()
        kind, site = instance.member_type or instance.name, read_site(found.site)
        block = found.seed["blocks"].get(kind)
        held = found.seed["reservations"].get(kind) or block
        if held is None:
            return site, ("on-demand", None)
        subnet = found.seed["private_subnets"][held["zone"]]
        site = replace(site, compute_subnet=subnet, head_subnet=subnet)
        only_blocks = kind not in found.seed["reservations"]
        return site, (("capacity-block", block["id"]) if only_blocks else ("on-demand", None))

    def ports(self, pcluster: Pcluster) -> Ports:
        """See `LabControl`."""
        import tempfile
        from pathlib import Path

        from fmctl.adapters.aws.cloud import AwsCloud
        from fmctl.adapters.aws.session import Session
        from fmctl.adapters.lab.client import Lab
        from fmctl.adapters.lab.clock_port import LabClock
        from fmctl.operate.state.files import FileStore
        from fmctl.operate.steps import Ports

        lab = Lab(self._running().endpoint)
        clock = LabClock(lab)
        folder = Path(tempfile.mkdtemp(prefix="fmctl-rehearsal-"))
        return Ports(pcluster=pcluster, cloud=AwsCloud(Session(), clock.sleep), clock=clock, store=FileStore(folder))

    def _running(self) -> Any:
        from fmctl.adapters.lab import process
        from fmctl.base.errors import OperationFailed

        found = process.running()
        if found is None:
            raise OperationFailed("no lab runs", next="fmctl lab start")
        return found


class RealPclusters:
    """`fmctl.adapters.parallelcluster.environments`, imported when first asked."""

    def install(self, version: str | None, say: Callable[[str], None]) -> Mapping[str, Any]:
        """See `Pclusters`."""
        from fmctl.adapters.parallelcluster import environments as places
        from fmctl.domain.cluster import PCLUSTER_VERSION

        return places.described(places.install(version or PCLUSTER_VERSION, say))

    def environments(self, named: str | None) -> Sequence[Mapping[str, Any]]:
        """See `Pclusters`."""
        from fmctl.adapters.parallelcluster import environments as places

        return [places.described(one) for one in places.environments(named)]


class Operations(Protocol):
    """The running half: AWS, ParallelCluster, the state store. `options` are --profile, --region and --store."""

    def ports(self, settings: Settings, options: Mapping[str, str | None], site: Site | None, read_only: bool) -> Ports:
        """Everything the controller reaches the world through; ParallelCluster of the site's version."""

    def survey(self, settings: Settings, options: Mapping[str, str | None], site: Site) -> Survey:
        """What a preflight looks at."""

    def pcluster(self, settings: Settings, version: str) -> Pcluster:
        """ParallelCluster of a version. Raises OperationFailed where there is none."""

    def store(self, settings: Settings, options: Mapping[str, str | None]) -> StateStore:
        """Where clusters and journals are kept."""

    def head(self, settings: Settings, options: Mapping[str, str | None], how: str, cluster: str | None) -> Head:
        """The head node of a cluster, reached as `how` says. Raises UsageError."""


class RealOperations:
    """boto3, the worker process and the store, imported when first asked."""

    def ports(self, settings: Settings, options: Mapping[str, str | None], site: Site | None, read_only: bool) -> Ports:
        """See `Operations`."""
        from fmctl.adapters.aws.session import Session

        session = Session(*_account(settings, options, site))
        session.greet()
        from fmctl.adapters.aws.cloud import AwsCloud
        from fmctl.adapters.clock import SystemClock
        from fmctl.domain.cluster import PCLUSTER_VERSION
        from fmctl.operate.steps import Ports

        version = site.pcluster_version if site is not None else PCLUSTER_VERSION
        return Ports(
            pcluster=LazyPcluster(lambda: self.pcluster(settings, version), version),
            cloud=AwsCloud(session),
            clock=SystemClock(),
            store=self.store(settings, options),
            read_only=read_only or settings.switch("read_only"),
        )

    def survey(self, settings: Settings, options: Mapping[str, str | None], site: Site) -> Survey:
        """See `Operations`."""
        from fmctl.adapters.aws.session import Session
        from fmctl.adapters.aws.survey import AwsSurvey

        return AwsSurvey(Session(*_account(settings, options, site)))

    def pcluster(self, settings: Settings, version: str) -> Pcluster:
        """See `Operations`."""
        from fmctl.adapters.parallelcluster.environments import find

        return find(version, settings.text("pcluster_python"))

    def head(self, settings: Settings, options: Mapping[str, str | None], how: str, cluster: str | None) -> Head:
        """See `Operations`."""
        from fmctl.adapters.slurm.heads import LocalHead, SshHead, SsmHead
        from fmctl.base.errors import UsageError

        kind, _, host = how.partition("://")
        if how == "local":
            return LocalHead()
        if kind == "ssh" and host and not host.startswith("-"):
            return SshHead(host)
        if how != "ssm":
            raise UsageError(f"--head {how!r} is no way to a head node", next="--head ssm | ssh://HOST | local")
        if cluster is None:
            raise UsageError("it is not said which cluster", next="fmctl jobs NAME; or --head local")
        ports = self.ports(settings, options, None, True)
        return SsmHead(ports.cloud, cluster)

    def store(self, settings: Settings, options: Mapping[str, str | None]) -> StateStore:
        """See `Operations`."""
        where = options.get("store") or settings.text("store")
        if where is not None and where.startswith("s3://"):
            from fmctl.adapters.aws.s3store import S3Store
            from fmctl.adapters.aws.session import Session

            return S3Store(Session(*_account(settings, options, None)), where)
        from pathlib import Path

        from fmctl.operate.state.files import FileStore

        return FileStore(None if where is None else Path(where).expanduser())


def _account(settings: Settings, options: Mapping[str, str | None], site: Site | None) -> tuple[str | None, str | None]:
    """(profile, region): as the options say, else the site's region, else what the settings know."""
    region = options.get("region") or (site.region if site is not None else None) or settings.text("region")
    return options.get("profile") or settings.text("profile"), region


class LazyPcluster:
    """ParallelCluster, looked for when first asked: status and watch never need it."""

    def __init__(self, find: Callable[[], Pcluster], version: str) -> None:
        self._find, self._version = find, version
        self._found: Pcluster | None = None

    def __getattr__(self, name: str) -> Any:
        if self._found is None:
            self._found = self._find()
        return getattr(self._found, name)

    @property
    def version(self) -> str:
        """The version that is wanted."""
        return self._version

    def close(self) -> None:
        """End the worker, where one was started."""
        if self._found is not None:
            self._found.close()


class RealPlanner:
    """`fmctl.search`, imported when first asked."""

    def search(self, request: PlanRequest, progress: Progress | None = None) -> Plan:
        """See `Planner`."""
        from fmctl.plan.rank import search

        return search(request, progress)

    def best(self, request: PlanRequest) -> Plan:
        """See `Planner`."""
        from fmctl.plan.rank import best

        return best(request)

    def default_nodes(self, arch: ModelArch, instance: Instance) -> tuple[int, ...]:
        """See `Planner`."""
        from fmctl.plan.space import default_nodes

        return default_nodes(arch, instance)

    def framework(self, name: str) -> Framework:
        """See `Planner`."""
        from fmctl.frameworks.profiles import FRAMEWORKS

        return FRAMEWORKS[name]

    def provenance(self, framework: str) -> Mapping[str, Any]:
        """See `Planner`."""
        from fmctl.frameworks.profiles import FRAMEWORKS
        from fmctl.perf.ops.calibration import PRIOR

        return {
            "calibration": {"name": PRIOR.name, "date": PRIOR.date, "source": PRIOR.source},
            "framework": {"name": framework, "source": FRAMEWORKS[framework].source},
        }


class RealCatalogue:
    """`fmctl.catalog`, imported when first asked."""

    def model_names(self) -> Sequence[str]:
        """See `Catalogue`."""
        from fmctl.catalog import model_names

        return model_names()

    def load_model(self, name: str) -> ModelArch:
        """See `Catalogue`."""
        from fmctl.catalog import load_model

        return load_model(name)

    def instance_names(self) -> Sequence[str]:
        """See `Catalogue`."""
        from fmctl.catalog import instance_names

        return instance_names()

    def accelerator_names(self) -> Mapping[str, str]:
        """See `Catalogue`."""
        from fmctl.catalog import accelerator_names

        return accelerator_names()

    def load_instance(self, name: str) -> Instance:
        """See `Catalogue`."""
        from fmctl.catalog import load_instance

        return load_instance(name)

    def instance_record(self, name: str) -> Mapping[str, Any]:
        """See `Catalogue`."""
        from fmctl.catalog import instance_record

        return instance_record(name)

    def find_price(self, instance: str, region: str, option: str, on: date) -> Price:
        """See `Catalogue`."""
        from fmctl.catalog import find_price

        return find_price(instance, region, option, on)

    def prices(self, instance: str = "", region: str = "", option: str = "") -> Sequence[Price]:
        """See `Catalogue`."""
        from fmctl.catalog import prices

        return prices(instance, region, option)

    def ways(self, instance: str, region: str, on: date, spot_usd_per_h: float | None) -> Sequence[Any]:
        """See `Catalogue`."""
        from fmctl.buying.offers import ways

        return ways(instance, region, on, spot_usd_per_h=spot_usd_per_h)

    def storage_prices(self) -> Sequence[StoragePrice]:
        """See `Catalogue`."""
        from fmctl.catalog import storage_prices

        return storage_prices()


def real_calibrator(files: Sequence[str], progress: Progress | None = None) -> Mapping[str, Any]:
    """The constants fitted to the shipped runs and `files`, with their errors: `validation.calibrate`."""
    from fmctl.validation.calibrate import calibrate, outcome

    return outcome(calibrate(files, progress=progress))


def real_prometheus(url: str) -> Source:
    """The Prometheus at that address, with the credentials of the environment. Raises UsageError."""
    from fmctl.adapters.prometheus.client import Prometheus, access, sigv4_region

    return Prometheus(url, access(sigv4_region=sigv4_region(url)))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Services:
    """The catalogue, the planner, the clock, the fit, the local AWS, ParallelCluster, AWS's market, Prometheus."""

    catalogue: Catalogue = field(default_factory=RealCatalogue)
    planner: Planner = field(default_factory=RealPlanner)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    calibrator: Callable[[Sequence[str], Progress | None], Mapping[str, Any]] = real_calibrator
    lab: LabControl = field(default_factory=RealLab)
    pclusters: Pclusters = field(default_factory=RealPclusters)
    operations: Operations = field(default_factory=RealOperations)
    market: Market = field(default_factory=RealMarket)
    prometheus: Callable[[str], Source] = real_prometheus
