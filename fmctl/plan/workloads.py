"""The planner of each kind of workload (`Workload.kind`)."""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.domain.workload import TrainingWorkload
from fmctl.plan.planner import Planner
from fmctl.plan.training import TRAINING

PLANNERS: Mapping[str, Planner] = {TrainingWorkload.kind: TRAINING}
