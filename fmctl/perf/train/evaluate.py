"""Evaluate layouts: the one entrance to the performance model."""

from __future__ import annotations

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance
from fmctl.domain.layout import Layouts
from fmctl.domain.model import ModelArch
from fmctl.domain.result import FloatArray, Terms
from fmctl.domain.workload import TrainingWorkload
from fmctl.perf.ops.calibration import PRIOR, Calibration
from fmctl.perf.train.detail import detail as every_term
from fmctl.perf.train.memory import memory
from fmctl.perf.train.setup import setup
from fmctl.perf.train.step import step


def evaluate(
    arch: ModelArch,
    workload: TrainingWorkload,
    instance: Instance,
    layouts: Layouts,
    framework: Framework,
    calibration: Calibration = PRIOR,
    detail: bool = True,
) -> Terms:
    """Terms of `layouts` for one model, workload and instance type; columns of shape [n].

    detail False computes only what ranking needs (`step_s`, `used_bytes`), by the same operations in the same order:
    the numbers are bit for bit those of the full evaluation. Layouts are taken as valid (plan.constraints checks).
    """
    found = step(setup(arch, workload, instance, framework, calibration), layouts)
    fullest, shape = memory(found), (len(layouts),)
    ranked = {
        "step_s": np.broadcast_to(found.times.step, shape),
        "used_bytes": np.broadcast_to(fullest.used, shape),
    }
    return Terms(len(layouts), {**ranked, **every_term(found, fullest)} if detail else ranked)


def step_times(
    arch: ModelArch,
    workload: TrainingWorkload,
    instance: Instance,
    layouts: Layouts,
    framework: Framework,
    calibration: Calibration,
) -> FloatArray:
    """`step_s` of `evaluate` alone, s, shape [n] or []: what a fit of the constants repeats thousands of times."""
    return step(setup(arch, workload, instance, framework, calibration), layouts).times.step
