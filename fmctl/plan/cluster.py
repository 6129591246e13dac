"""One instance type and count, with the workload it would run and its price."""

from __future__ import annotations

from dataclasses import dataclass

from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance, Price
from fmctl.domain.model import ModelArch
from fmctl.domain.workload import Workload
from fmctl.perf.ops.calibration import PRIOR, Calibration
from fmctl.perf.run import cost


@dataclass(slots=True, eq=False, repr=False)
class Cluster:
    """One instance type and count with the workload it would run and its price."""

    arch: ModelArch
    workload: Workload
    instance: Instance
    nodes: int
    framework: Framework
    price: Price
    calibration: Calibration = PRIOR

    @property
    def gpus(self) -> int:
        """Accelerators of all nodes."""
        return self.nodes * self.instance.gpus

    @property
    def capacity_bytes(self) -> float:
        """Device memory as the API reports it."""
        return float(self.instance.accelerator.memory_bytes)

    @property
    def usd_per_h(self) -> float | None:
        """Price of all nodes."""
        return cost.usd_per_h(self.price.usd_per_h, self.nodes)
