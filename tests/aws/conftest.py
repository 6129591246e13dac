"""A lab and the real ParallelCluster, for tests of both. Sockets are open to 127.0.0.1 alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import pytest

from fmctl.adapters.lab import process
from fmctl.adapters.lab.client import Lab
from fmctl.adapters.lab.settings import Running
from fmctl.adapters.parallelcluster.client import WorkerPcluster
from tests.loopback import loopback_open
from tests.real import PCLUSTER_PYTHON

CONFIGS = Path(__file__).parent / "configs"
REGION = "us-east-1"


@dataclass(frozen=True)
class World:
    """A lab with ParallelCluster pointed at it."""

    running: Running
    lab: Lab
    pcluster: WorkerPcluster

    def config(self, name: str) -> str:
        """One of the configurations, with the lab's own ids."""
        seed = self.running.seed
        zones, odcr, blocks = seed["private_subnets"], seed["reservations"], seed["blocks"]
        return Template((CONFIGS / f"{name}.yaml").read_text()).substitute(
            PUBLIC=seed["public_subnet"], ZONE_A=zones["us-east-1a"], ZONE_C=zones["us-east-1c"], KEY=seed["key"],
            BUCKET=seed["bucket"], GROUP=seed["security_group"], FILE_SYSTEM=seed["file_system"],
            SECRET=seed["munge_secret"], ODCR_P5=odcr["p5.48xlarge"]["id"], ODCR_B200=odcr["p6-b200.48xlarge"]["id"],
            BLOCK_P5EN=blocks["p5en.48xlarge"]["id"], BLOCK_B300=blocks["p6-b300.48xlarge"]["id"],
            BLOCK_GB200=blocks["p6e-gb200.36xlarge"]["id"],
        )  # fmt: skip

    def client(self, service: str, attempts: int = 1) -> Any:
        """A boto3 client of the lab."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            service, endpoint_url=self.running.endpoint, region_name=REGION, aws_access_key_id="lab",
            aws_secret_access_key="lab", config=Config(retries={"total_max_attempts": attempts}),
        )  # fmt: skip

    def status(self, name: str) -> str | None:
        """The stack's status by ParallelCluster's own description."""
        found = self.pcluster.describe(name, REGION)
        return None if found is None else str(found["clusterStatus"])

    def nodes(self, cluster: str) -> list[dict[str, Any]]:
        """Its running instances."""
        wanted = [
            {"Name": "tag:parallelcluster:cluster-name", "Values": [cluster]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        found = self.client("ec2").describe_instances(Filters=wanted)["Reservations"]
        return [one for reservation in found for one in reservation["Instances"]]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The stack's events, oldest first."""
        found: list[dict[str, Any]] = self.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
        return found[::-1]


@pytest.fixture(scope="module", autouse=True)
def open_loopback(closed_sockets: None) -> Iterator[None]:
    """127.0.0.1 can be reached from here, nothing else."""
    with loopback_open():
        yield


@pytest.fixture(scope="package")
def needed() -> str:
    """The interpreter with ParallelCluster."""
    return PCLUSTER_PYTHON


@pytest.fixture(scope="module")
def world(needed: str, open_loopback: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One lab for the tests of a module; its clock only moves when it is told to."""
    folder = tmp_path_factory.mktemp("lab")
    running = process.start(speed=1.0, folder=folder)
    pcluster = WorkerPcluster(needed, environment=running.environment, log=folder / "pcluster.log")
    try:
        lab = Lab(running.endpoint)
        lab.advance(3600)  # the file system is there
        yield World(running, lab, pcluster)
    finally:
        pcluster.close()
        process.stop(folder)


@pytest.fixture
def cluster(world: World) -> Iterator[Callable[..., str]]:
    """Creates clusters, and takes them away whatever happened."""
    made: list[str] = []

    def create(name: str, config: str = "p5-odcr") -> str:
        made.append(name)
        world.pcluster.create(name, world.config(config), REGION)
        return name

    yield create
    world.lab.clear()
    for name in made:
        world.pcluster.delete(name, REGION)
    world.lab.advance(3600)
