"""What an evaluation returns: terms as columns, one row of them, rejections, and a ranked plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fmctl.base.settings import DEFAULT_FRAMEWORK
from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance, Price
from fmctl.domain.layout import Layout
from fmctl.domain.model import ModelArch
from fmctl.domain.terms import TERMS, TermSpec
from fmctl.domain.workload import TrainingWorkload, Workload

if TYPE_CHECKING:  # what only whole runs need: an estimate starts without it
    from fmctl.domain.offer import Offer
    from fmctl.domain.run import Lever, RunRequest, WholeRun

FloatArray = npt.NDArray[np.float64]


class Terms:
    """Terms of n layouts as columns: `terms["step_s"]` has shape [n]."""

    __slots__ = ("columns", "n", "specs")

    def __init__(self, n: int, columns: Mapping[str, FloatArray], specs: tuple[TermSpec, ...] = TERMS) -> None:
        """`columns` maps names of `specs` to float64 arrays of shape [n] or [] (the same for all rows)."""
        self.n = n
        self.columns = columns
        self.specs = specs

    def __getitem__(self, name: str) -> FloatArray:
        return self.columns[name]

    def row(self, i: int) -> dict[str, float]:
        """Row i as plain floats, in the order of `specs`."""
        held = [t.name for t in self.specs if t.name in self.columns]
        return {name: float(c if (c := self.columns[name]).ndim == 0 else c[i]) for name in held}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reject:
    """Why candidate layouts were rejected: a reason (key of plan.constraints), a sentence, and how many."""

    reason: str
    sentence: str
    count: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Estimate:
    """One layout on one instance type and count, with its terms, price and what follows for the run."""

    arch: ModelArch
    workload: Workload
    instance: Instance
    nodes: int
    framework: str
    layout: Layout
    terms: Mapping[str, float]
    price: Price
    fits: str  # ok, tight, OOM
    run_s: float | None  # None where no token count was given
    run_low_s: float | None
    run_high_s: float | None
    run_usd: float | None  # this and the next two are None where the price is unknown
    usd_per_h: float | None
    usd_per_billion_tokens: float | None
    run_wh: float | None
    resolution: float  # natural log of the ratio up to which another layout on this hardware cannot be told from it
    chosen: Mapping[str, str] = field(default_factory=dict)  # fields that nobody stated, and what the planner took
    notes: tuple[str, ...] = ()
    whole: WholeRun | None = (
        None  # the run with failures, saves and bill; None without tokens, or where none is possible
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NearMiss:
    """The candidate that came closest to fitting: what is too big, by how much, and what would make it fit."""

    estimate: Estimate
    short_bytes: float
    largest_term: str
    advice: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plan:
    """A ranked search result. `candidates` = `evaluated` + structurally rejected; `rejects` are counted by reason."""

    rows: tuple[Estimate, ...]
    rejects: tuple[Reject, ...]
    nearest: NearMiss | None
    candidates: int
    evaluated: int
    fitting: int
    search_s: float
    objective: str
    pareto: tuple[int, ...] = ()  # indices of `rows` on the cost x finish front
    told_apart: tuple[bool | None, ...] = ()  # of each row: plan.apart.told_apart
    levers: tuple[Lever, ...] = ()  # what would help the first row, best first
    notes: tuple[str, ...] = ()
    partial: bool = False  # whether clusters are missing: the search goes on, or was stopped


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PlanRequest:
    """What a search is asked: targets, the hardware to consider, and the values allowed per layout field."""

    arch: ModelArch
    seq_len: int
    instances: tuple[Instance, ...]
    node_counts: tuple[int, ...]  # of each instance type; empty: as many as hold the model, and more
    prices: Mapping[str, Price]  # by instance name; usd_per_h None: unknown
    framework: str = DEFAULT_FRAMEWORK
    global_batch: int | None = None
    tokens: float = 0.0  # of the whole run; 0: not stated
    fixed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # layout field -> allowed values; one: stated
    deadline_s: float | None = None
    budget_usd: float | None = None
    objective: str = "cost"  # of those that the workload's planner knows
    top: int = 10
    tp_within_domain: bool = True
    options: Mapping[str, object] = field(default_factory=dict)
    calibration: Any = None  # perf.ops.calibration.Calibration in place of the shipped constants
    frameworks: Mapping[str, Framework] | None = None  # in place of the shipped profiles
    offers: Mapping[str, tuple[Offer, ...]] = field(default_factory=dict)  # by instance name
    run: RunRequest | None = None  # with tokens: rows are ranked as whole runs
    workload: str = TrainingWorkload.kind  # what is planned: a key of plan.workloads.PLANNERS
