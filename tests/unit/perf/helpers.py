"""What the tests of the performance model share: one-row columns, and evaluations of single layouts."""

from __future__ import annotations

from functools import cache
from typing import Any

from fmctl.catalog import load_instance, load_model
from fmctl.domain.hardware import Instance
from fmctl.domain.layout import Layout, Layouts
from fmctl.domain.model import ModelArch
from fmctl.domain.result import Terms
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.layer.shapes import Combos
from fmctl.perf.train.evaluate import evaluate
from fmctl.perf.train.setup import combos


@cache
def model(name: str) -> ModelArch:
    return load_model(name)


@cache
def instance(name: str) -> Instance:
    return load_instance(name)


def columns(seq: int, **fields: Any) -> Combos:
    """Layer-level columns of one layout."""
    return combos(Layouts.of([Layout(**fields)]), seq, 8)


def run(
    arch: str | ModelArch,
    on: str,
    layouts: list[Layout] | Layouts,
    seq: int = 4096,
    batch: int = 256,
    framework: str = "megatron",
    detail: bool = True,
) -> Terms:
    """Terms of `layouts` for one preset and instance type."""
    found = model(arch) if isinstance(arch, str) else arch
    rows = layouts if isinstance(layouts, Layouts) else Layouts.of(layouts)
    return evaluate(found, TrainingWorkload(seq, batch), instance(on), rows, FRAMEWORKS[framework], detail=detail)
