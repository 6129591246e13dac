"""What a plan rests on: the framework's profile and the constants, by name."""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.domain.framework import Framework
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.ops.calibration import PRIOR


def framework(name: str) -> Framework:
    """The profile of that name."""
    return FRAMEWORKS[name]


def provenance(framework: str) -> Mapping[str, object]:
    """What the model of performance rests on, unless another calibration was asked for."""
    return {
        "calibration": {"name": PRIOR.name, "date": PRIOR.date, "source": PRIOR.source},
        "framework": {"name": framework, "source": FRAMEWORKS[framework].source},
    }
