"""How the fake is rendered and reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fmctl.domain.cluster import ClusterSpec, Site
from fmctl.domain.hardware import Instance
from fmctl.domain.model import ModelArch
from fmctl.targets.registry import Kind
from fmctl.targets.rendering import Rendering
from tests.unit.house.fakery.target import FakeTarget

FILE = "fake.txt"
THERE = FakeTarget()


def _render(spec: ClusterSpec, instance: Instance, arch: ModelArch | None) -> Rendering:
    files = {FILE: "a fake cluster\n", "job.sbatch": "#!/bin/bash\n", "job.env": "JOB_DATA=''\n"}
    tags = {"fmctl:cluster": spec.name, "fmctl:nodes": str(spec.nodes)}
    return Rendering(files, (), FILE, tags)


def _connect(session: Any, settings: Any, site: Site | None, sleep: Callable[[float], None]) -> FakeTarget:
    return THERE


def _check(site: Site) -> None:
    """Takes any."""


KIND = Kind("a fake", _render, _connect, _check, on_aws=False)
