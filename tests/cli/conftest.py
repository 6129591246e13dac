"""A small made-up catalogue and planner: the front end is tested without the model of performance behind it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fmctl.__main__ import main
from fmctl.adapters.aws.capacity import Answer, BlockOffering, SpotScore
from fmctl.adapters.aws.pricing import NotAsked, Snapshot
from fmctl.adapters.parallelcluster.environments import check_version
from fmctl.base.errors import FmctlError, OperationFailed, ServiceUnavailable, UnknownName
from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Accelerator, Fabric, Instance, Link, Price, StoragePrice
from fmctl.domain.layout import Layout, Recompute, Sharding
from fmctl.domain.model import FeedForward, LayerKind, Mixer, ModelArch
from fmctl.domain.offer import Offer
from fmctl.domain.ports import Reservation
from fmctl.domain.result import Estimate, NearMiss, Plan, PlanRequest, Reject
from fmctl.domain.terms import TERMS
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.operate.launch import launch
from fmctl.operate.steps import Ports
from fmctl.plan.apart import told_apart
from fmctl.plan.workloads import PLANNERS
from fmctl.usecases.choices import PURCHASES
from fmctl.usecases.services import Services
from fmctl.validation.calibrate import calibrate, outcome
from fmctl.validation.rows import read_rows
from tests.unit.operate.cluster_fakes import (
    FakeCloud,
    FakePcluster,
    FakeRendering,
    FakeStore,
    Gate,
    World,
    ports,
    reached,
)
from tests.unit.operate.cluster_fakes import (
    spec as a_cluster,
)
from tests.unit.operate.survey_fakes import PRIVATE, FakeSurvey

GPU = Accelerator(
    "h100", "hopper", 81920 * 2**20, 3.35e12, {"bf16": 9.895e14, "fp8": 1.979e15}, 700.0, "h100", "a data sheet"
)
FABRIC = Fabric("efa-v2", 8, Link(4.5e11, 2e-6), Link(5e10, 15e-6))


def _instance(name: str, gpus: int = 8) -> Instance:
    return Instance(
        name, GPU, gpus, FABRIC, 192, 2**41, "x86_64", "2", 32, 32, 3.2e12, "ENA and EFA", 8, 30_400 * 10**9, 8e10,
        purchase=("on-demand", "capacity-block"), regions={"on-demand": ("us-east-1", "eu-north-1")},
        zones={"us-east-1": ("use1-az1",)}, host_power_w=4600.0, launched="2023-07-26", retrieved="2026-11-22",
        notes=("4 EFA interfaces per GPU",), source="EC2 User Guide",
    )  # fmt: skip


def _model(name: str) -> ModelArch:
    kind = LayerKind("dense", Mixer("attention", 64, 8, 128, 128), FeedForward(gated=True, ffn=28672))
    moe = LayerKind(
        "moe", Mixer("attention", 64, 8, 128, 128), FeedForward(True, n_experts=64, top_k=8, expert_ffn=2048)
    )
    return ModelArch(
        name, "made-up", 8192, 128256, 131072, (kind, moe), (0,) + (1,) * 79, official_total=70.6e9,
        official_active=70.6e9, hf_id=f"org/{name}", source="a paper", retrieved="2026-11-22",
    )  # fmt: skip


INSTANCES = {name: _instance(name) for name in ("p5.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge", "p4d.24xlarge")}
MODELS = {name: _model(name) for name in ("llama-3.1-8b", "llama-3.1-70b", "mixtral-8x7b")}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class FakeCatalogue:
    """Three models, four instance types; the price of one type is not known."""

    def model_names(self) -> Sequence[str]:
        return sorted(MODELS)

    def load_model(self, name: str) -> ModelArch:
        if name not in MODELS:
            raise UnknownName("model", name, MODELS, next="fmctl models list")
        return MODELS[name]

    def instance_names(self) -> Sequence[str]:
        return list(INSTANCES)

    def accelerator_names(self) -> Mapping[str, str]:
        return {name: instance.accelerator.name for name, instance in INSTANCES.items()}

    def load_instance(self, name: str) -> Instance:
        if name not in INSTANCES:
            raise UnknownName("instance", name, INSTANCES, next="fmctl instances list")
        return INSTANCES[name]

    def instance_record(self, name: str) -> Mapping[str, Any]:
        found = self.load_instance(name)
        return {"name": found.name, "vcpu": found.vcpu, "purchase": [*found.purchase, "spot"]}

    def find_price(self, instance: str, region: str, option: str, on: date) -> Price:
        known = {"p5.48xlarge": 55.04, "p5en.48xlarge": 63.296, "p4d.24xlarge": 21.957642}.get(instance)
        cheaper = {"on-demand": 1.0, "capacity-block": 0.9, "spot": 0.5}.get(option, 1.0)
        dearer = 1.1 if region.startswith("eu-") else 1.0
        usd = None if known is None else known * cheaper * dearer
        return Price(instance, region, option, usd, "2026-07-20" if known else "", "a price list", "")

    def prices(self, instance: str = "", region: str = "", option: str = "") -> Sequence[Price]:
        if option not in ("", *PURCHASES):
            raise UnknownName("purchase option", option, PURCHASES, next="fmctl prices list")
        names = [self.load_instance(instance).name] if instance else list(INSTANCES)
        return [self.find_price(name, region or "us-east-1", option or "on-demand", NOW.date()) for name in names]

    def ways(self, instance: str, region: str, on: date, *, spot_usd_per_h: float | None) -> Sequence[Any]:
        def offer(option: str) -> Offer:
            price = self.find_price(instance, region, option, on)
            usd = spot_usd_per_h if option == "spot" and spot_usd_per_h is not None else price.usd_per_h
            why = "" if usd is not None else "no price is on file"
            return Offer(instance, region, (), option, usd, "listed", why, price.date, price.source, "used", 0.0, "")

        return [offer(option) for option in PURCHASES]

    def storage_prices(self) -> Sequence[StoragePrice]:
        return [StoragePrice("fsx-lustre", "us-east-1", "GB-month", 0.145, "2026-07-13", "a guide", "")]


def estimate_of(request: PlanRequest, instance: Instance, nodes: int, index: int = 0, fits: str = "ok") -> Estimate:
    """An estimate whose every term is a number of its own, the same on each run."""
    fixed = {name: values[0] for name, values in request.fixed.items()}
    layout = replace(
        Layout(
            tp=8,
            pp=4,
            dp=max(1, nodes * 8 // 32),
            sharding=Sharding.ZERO1,
            sequence_parallel=1,
            recompute=Recompute.SELECTIVE,
        ),
        **fixed,
    )
    terms = {term.name: round(1.5 + 0.25 * i + index, 6) for i, term in enumerate(TERMS)}
    terms |= {n: v * 2**30 for n, v in terms.items() if n.endswith("_bytes")}
    terms |= {"mfu": 0.412, "hfu": 0.43, "measured_fraction": 0.94, "tokens_per_s": 250_000.0 * nodes / 16}
    terms |= {"step_s": 4.2 + index, "step_low_s": 3.9 + index, "step_high_s": 4.6 + index}
    price = request.prices[instance.name]
    hourly = None if price.usd_per_h is None else price.usd_per_h * nodes
    run_s = request.tokens / terms["tokens_per_s"] if request.tokens else None
    return Estimate(
        request.arch, TrainingWorkload(request.seq_len, request.global_batch or 512, request.tokens), instance, nodes,
        request.framework, layout, terms, price, fits, run_s, run_s and run_s * 0.9, run_s and run_s * 1.1,
        run_s and hourly and run_s * hourly / 3600, hourly, hourly and hourly / 3600 / terms["tokens_per_s"] * 1e9,
        run_s and 1e9, 0.163, {"dp": str(layout.dp)} if "dp" not in fixed else {}, (),
    )  # fmt: skip


class FakePlanner:
    """One row per instance type and node count; p4d never fits."""

    def __init__(self) -> None:
        self.requests: list[PlanRequest] = []

    def search(self, request: PlanRequest, progress: Callable[[int, int], None] | None = None) -> Plan:
        self.requests.append(request)
        plan = self._plan(request)
        if progress is not None:
            progress(1, 2)
            progress(2, 2)
        return plan

    def _plan(self, request: PlanRequest) -> Plan:
        pairs = [(i, n) for i in request.instances for n in request.node_counts if i.name != "p4d.24xlarge"]
        rows = [estimate_of(request, instance, nodes, k) for k, (instance, nodes) in enumerate(pairs[: request.top])]
        rejects = (Reject("memory", "does not fit in device memory", 1234), Reject("heads", "heads do not divide", 7))
        nearest = None
        if not rows:
            estimate = estimate_of(request, request.instances[0], request.node_counts[0], fits="OOM")
            nearest = NearMiss(estimate, 12.5 * 2**30, "optimizer_bytes", "take more nodes")
        front, apart = (0,) if rows else (), told_apart(PLANNERS[request.workload], rows, request.objective)
        return Plan(tuple(rows), rejects, nearest, 1300, 1241, len(rows), 0.02, request.objective, front, apart)

    def best(self, request: PlanRequest) -> Plan:
        self.requests.append(request)
        return self._plan(replace(request, node_counts=request.node_counts or (16,)))

    def default_nodes(self, arch: ModelArch, instance: Instance) -> tuple[int, ...]:
        return (8, 16)

    def framework(self, name: str) -> Framework:
        return FRAMEWORKS[name]

    def provenance(self, framework: str) -> Mapping[str, Any]:
        calibration = {"name": "made-up", "date": "2026-11-22", "source": "nowhere"}
        return {"calibration": calibration, "framework": {"name": framework, "source": "its recipes"}}


class FakeLab:
    """A local AWS that only says it runs."""

    def __init__(self) -> None:
        self.found: dict[str, Any] | None = None

    def start(self, port: int, speed: float) -> Mapping[str, Any]:
        one = {"id": "cr-1", "zone": "us-east-1a", "count": 8}
        seed = {"region": "us-east-1", "reservations": {"p5.48xlarge": one}, "blocks": {"p5.48xlarge": one}}
        self.found = {
            "endpoint": "http://127.0.0.1:5005", "pid": 4711, "port": port or 5005, "speed": speed, "site": "site.yaml",
            "log": "server.log", "environment": {"AWS_REGION": "us-east-1"}, "seed": seed,
        }  # fmt: skip
        return self.found

    def stop(self) -> Mapping[str, Any] | None:
        found, self.found = self.found, None
        return found

    def status(self) -> Mapping[str, Any] | None:
        return self.found


SLURM = Path(__file__).parents[1] / "data" / "slurm"


class FakeOperations:
    """A small world (tests/unit/operate) with one cluster, `live`, that was launched there; and a good survey."""

    def __init__(self) -> None:
        self.world, self.texts, self.pid = World(), {}, 0
        self.shell = FakeHead()
        self.full = False  # whether the store can be written
        subnets = {f"subnet-0123456789abcdef{i}": replace(PRIVATE, id=f"subnet-0123456789abcdef{i}") for i in (0, 1)}
        self.survey_answers = FakeSurvey(subnets=subnets)
        made = replace(a_cluster(), name="live", usd_per_h=440.32, max_hours=0.25)
        tags = {"fmctl:cluster": "live"}
        listed = "".join(f"  - {{Key: '{key}', Value: '{value}'}}\n" for key, value in tags.items())
        found = FakeRendering(f"Region: us-east-1\nTags:\n{listed}", "sha256:0", tags)
        launch(made, found, self.ports(None, {}, None, False), confirm=lambda steps, money: True)

    def ports(self, settings: Any, options: Any, site: Any, read_only: bool) -> Ports:
        self.pid += 1
        return ports(self.world, Gate(), self.texts, pid=self.pid, read_only=read_only)

    def survey(self, settings: Any, options: Any, site: Any) -> Any:
        return self.survey_answers

    def target(self, settings: Any, options: Any, site: Any) -> Any:
        return reached(FakePcluster(self.world, Gate()), FakeCloud(self.world, Gate()))

    def store(self, settings: Any, options: Any) -> Any:
        store = FakeStore(Gate(), self.texts)
        store.read_only = self.full
        return store

    def head(self, settings: Any, options: Any, how: str, cluster: str | None) -> Any:
        return self.shell


class FakeHead:
    """A head node that replays what Slurm 24.11 printed, and keeps what was sent to it."""

    label = "a recorded Slurm"

    def __init__(self) -> None:
        self.ran: list[tuple[tuple[str, ...], bytes]] = []
        self.refuse = ""  # what sbatch says instead
        self.gone = False
        self.said = {name: (SLURM / f"{name}_24.11_v0.0.42{end}.json").read_text(encoding="utf-8")
                     for name, end in (("squeue", ""), ("sinfo", "_down"))}  # fmt: skip

    def run(self, command: Sequence[str], stdin: bytes = b"", timeout_s: float = 60.0) -> str:
        self.ran.append((tuple(command), stdin))
        if self.gone:
            raise ServiceUnavailable("the head node does not answer", why="it is gone", next="fmctl status")
        if command[0] == "bash" and "sbatch --parsable" in command[2]:
            if self.refuse:
                raise OperationFailed("bash failed", why=self.refuse, next=None)
            return "1\n"
        if command[0] == "stat":
            return "6\n"
        if command[0] == "bash" and "base64" in command[2]:
            return base64.b64encode(gzip.compress(b"step 1"[int(command[4]) - 1 :])).decode()
        return self.said.get(command[0], "")


def a_block(days: int, fee_usd: float | None, start: datetime) -> BlockOffering:
    """Four instances on sale."""
    end, currency = start + timedelta(days=days), "EUR" if fee_usd is None else "USD"
    until = end - timedelta(minutes=30)
    return BlockOffering(f"cb-{start.day}", "p5.48xlarge", "us-east-1a", 4, start, end, until, days * 24.0, fee_usd,
                         currency)  # fmt: skip


class FakeCapacity:
    """A region: blocks, a reservation, a quota with room; what is replaced by an `Answer` is answered so."""

    def __init__(self) -> None:
        start = datetime(2026, 11, 24, 11, 30, tzinfo=UTC)
        later = start + timedelta(days=2)
        held = Reservation("cr-1", "p5.48xlarge", "us-east-1a", "active", 8, 3, "default", NOW, None)
        self.answers: dict[str, Answer[Any]] = {
            "zones": Answer(("use1-az1", "use1-az6")),
            "blocks": Answer((a_block(2, 8064.0, start), a_block(2, None, later))),
            "spot_scores": Answer((SpotScore("us-east-1", "use1-az6", 3),)),
            "reservations": Answer((held,)),
            "quota": Answer((1152.0,)),
            "used_vcpus": Answer((192,)),
        }
        self.asked: dict[str, tuple[Any, ...]] = {}

    def __getattr__(self, name: str) -> Any:
        def answer(*given: Any) -> Answer[Any]:
            self.asked[name] = given
            return self.answers[name]

        return answer


class FakeMarket:
    """A price per type and region, and one region's capacity everywhere."""

    def __init__(self) -> None:
        self.region = FakeCapacity()
        self.missing = [NotAsked("prices of S3 in us-east-1", "AWS refuses it", "ask", True)]
        self.found, self.asked = True, list[Any]()
        self.refused: FmctlError | None = None

    def prices(
        self, profile: Any, instances: Sequence[str], regions: Sequence[str], now: datetime, progress: Any
    ) -> Snapshot:
        self._check()
        self.asked.append((profile, list(instances), list(regions)))
        progress(1, 1)
        day, source = now.date(), f"AWS Price List API {now.date()}"
        listed = [
            Price(name, region, "on-demand", None if region == "eu-west-3" else 57.5, day.isoformat(), source, "")
            for name in instances
            for region in regions
        ]
        return Snapshot(day, tuple(listed if self.found else ()), (), tuple(self.missing))

    def capacity(self, profile: Any, regions: Sequence[str]) -> Sequence[FakeCapacity]:
        self._check()
        self.asked.append((profile, list(regions)))
        return [self.region for _ in regions]

    def _check(self) -> None:
        if self.refused is not None:
            raise self.refused


class FakePclusters:
    """One environment; what is installed is only said."""

    def install(self, version: str | None, say: Callable[[str], None]) -> Mapping[str, Any]:
        say("installing")
        return self._one(check_version(version or "3.16.1"), "installed")

    def environments(self, named: str | None) -> Sequence[Mapping[str, Any]]:
        return [self._one("3.16.1", "named" if named else "installed")]

    def _one(self, version: str, origin: str) -> Mapping[str, Any]:
        return {
            "version": version, "origin": origin, "path": "there", "python": "there/bin/python", "node": "node",
            "node_version": "20.20.2", "works": True,
        }  # fmt: skip


@cache
def _fitted() -> Mapping[str, Any]:
    return outcome(calibrate(rows_per_family=1, iterations=1))


def fake_calibrator(files: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Mapping[str, Any]:
    """A fit that was made once, on a run of each family; the user's files are read all the same."""
    for file in files:
        read_rows(file)
    if progress is not None:
        progress(1, 1)
    return _fitted()


@dataclass(frozen=True)
class Ran:
    """What one command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """Runs commands in this process on the made-up services."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture
        self.planner = FakePlanner()
        self.services = Services(
            FakeCatalogue(),
            self.planner,
            lambda: NOW,
            fake_calibrator,
            FakeLab(),
            FakePclusters(),
            FakeOperations(),
            FakeMarket(),
        )

    def __call__(self, *args: str) -> Ran:
        code = main(list(args), services=self.services)
        out, err = self.capture.readouterr()
        return Ran(code, out, err)

    def ok(self, *args: str) -> Ran:
        ran = self(*args)
        assert ran.code == 0, ran.err
        return ran

    def request(self, *args: str) -> PlanRequest:
        self.ok(*args)
        return self.planner.requests[-1]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Commands in this process, saved plans in a folder of this test."""
    monkeypatch.setenv("FMCTL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.chdir(tmp_path)
    return Cli(capsys)


@pytest.fixture(scope="session")
def spec() -> dict[str, Any]:
    """The whole command line."""
    from fmctl.cli.app import build
    from fmctl.cli.tree import spec_of

    return spec_of(build())
