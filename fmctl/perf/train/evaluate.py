"""Evaluate layouts: the one entrance to the performance model."""

from __future__ import annotations

from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance
from fmctl.domain.layout import Layouts
from fmctl.domain.model import ModelArch
from fmctl.domain.result import FloatArray, Terms
from fmctl.domain.workload import Workload
from fmctl.perf.ops.calibration import PRIOR, Calibration
from fmctl.perf.train.composition import Evaluation
from fmctl.perf.train.detail import detail as every_term


def evaluate(
    arch: ModelArch,
    workload: Workload,
    instance: Instance,
    layouts: Layouts,
    framework: Framework,
    calibration: Calibration = PRIOR,
    detail: bool = True,
) -> Terms:
    """Terms of `layouts` for one model, workload and instance type; columns of shape [n].

    detail False computes only what ranking needs (`step_s`, `used_bytes`), by the same operations in the same order:
    the numbers are bit for bit those of the full evaluation. Layouts are taken as valid (search.constraints checks).
    """
    evaluation = Evaluation(arch, workload, instance, layouts, framework, calibration)
    return Terms(len(layouts), every_term(evaluation) if detail else evaluation.terms())


def step_times(
    arch: ModelArch,
    workload: Workload,
    instance: Instance,
    layouts: Layouts,
    framework: Framework,
    calibration: Calibration,
) -> FloatArray:
    """`step_s` of `evaluate` alone, s, shape [n] or []: what a fit of the constants repeats thousands of times."""
    step: FloatArray = Evaluation(arch, workload, instance, layouts, framework, calibration, memory=False).step
    return step
