"""What an evaluation returns: terms as columns, one row of them, rejections, and a ranked plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance, Price
from fmctl.domain.layout import Layout
from fmctl.domain.model import ModelArch
from fmctl.domain.workload import Workload

FloatArray = npt.NDArray[np.float64]
Group = Literal["time", "communication", "memory", "flop", "checkpoint", "energy", "run", "provenance"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TermSpec:
    """One term: its name (unit as suffix), group, a title for people, the equation in one line, and its source.

    `parent` names the term that this one is summed into: the parts of `step_s` and of `allocated_bytes`.
    `detail` terms are computed only when asked for (estimate, explain), never while ranking a space.
    """

    name: str
    group: Group
    title: str
    equation: str
    source: str
    parent: str = ""
    detail: bool = False


_T = TermSpec
_KORTHIKANTI = "arXiv 2205.05198"
_PTD = "arXiv 2104.04473"
TERMS: tuple[TermSpec, ...] = (
    _T("step_s", "time", "step time", "sum of the parts below", "perf.evaluate"),
    _T(
        "gemm_s",
        "time",
        "matrix multiplications",
        "sum of 2mnk / achieved rate(m, n, k, precision) on the slowest stage",
        "measured GEMM tables",
        "step_s",
        True,
    ),
    _T(
        "attention_s",
        "time",
        "attention and recurrences",
        "attention flop / achieved kernel rate",
        "measured attention tables",
        "step_s",
        True,
    ),
    _T(
        "memory_bound_s",
        "time",
        "memory-bound work",
        "bytes moved / achieved HBM rate",
        "HBM stream tables",
        "step_s",
        True,
    ),
    _T(
        "recompute_s",
        "time",
        "recomputation",
        "forward time of what is recomputed in the backward pass",
        _KORTHIKANTI,
        "step_s",
        True,
    ),
    _T(
        "launch_s",
        "time",
        "host launch excess",
        "max(0, host issue time - device time) per layer",
        "perf.frameworks",
        "step_s",
        True,
    ),
    _T(
        "logits_s",
        "time",
        "embedding and logits beyond the slowest layer stage",
        "vocabulary GEMMs and cross entropy where the end stage is the slowest",
        "perf.evaluate",
        "step_s",
        True,
    ),
    _T(
        "tp_exposed_s",
        "time",
        "exposed tensor-parallel traffic",
        "(1 - overlap) x collective time",
        "perf.collectives",
        "step_s",
        True,
    ),
    _T(
        "cp_exposed_s",
        "time",
        "exposed context-parallel traffic",
        "max(0, transfer - attention) for ring, else transfer",
        "perf.collectives",
        "step_s",
        True,
    ),
    _T(
        "ep_exposed_s",
        "time",
        "exposed expert dispatch and combine",
        "(1 - overlap) x all-to-all time",
        "perf.collectives",
        "step_s",
        True,
    ),
    _T(
        "pp_exposed_s",
        "time",
        "exposed pipeline sends",
        "(1 - overlap) x transfers per micro batch",
        "perf.collectives",
        "step_s",
        True,
    ),
    _T("bubble_s", "time", "pipeline bubble", "fill and drain: (sum of other stages) / vpp", _PTD, "step_s", True),
    _T(
        "dp_exposed_s",
        "time",
        "exposed gradient and weight traffic",
        "what reduce-scatter and all-gather take beyond the compute they hide under",
        "perf.collectives",
        "step_s",
        True,
    ),
    _T(
        "optimizer_s",
        "time",
        "optimizer step",
        "state bytes read and written / achieved HBM rate",
        "perf.evaluate",
        "step_s",
        True,
    ),
    _T("overhead_s", "time", "fixed cost per step", "framework constant", "perf.frameworks", "step_s", True),
    _T(
        "straggler_s",
        "time",
        "waiting for the slowest rank",
        "growth with log2 of the GPUs x time before it",
        "perf.calibration",
        "step_s",
        True,
    ),
    _T(
        "step_low_s", "time", "step time, low end of the 80 % interval", "step_s / (1 + half width)", "perf.calibration"
    ),
    _T(
        "step_high_s",
        "time",
        "step time, high end of the 80 % interval",
        "step_s x (1 + half width)",
        "perf.calibration",
    ),
    _T(
        "tp_total_s",
        "communication",
        "tensor-parallel traffic, hidden part included",
        "collective time per step",
        "perf.collectives",
        "",
        True,
    ),
    _T(
        "cp_total_s",
        "communication",
        "context-parallel traffic, hidden part included",
        "transfer time per step",
        "perf.collectives",
        "",
        True,
    ),
    _T(
        "ep_total_s",
        "communication",
        "expert traffic, hidden part included",
        "all-to-all time per step",
        "perf.collectives",
        "",
        True,
    ),
    _T(
        "pp_total_s",
        "communication",
        "pipeline sends, hidden part included",
        "transfer time per step",
        "perf.collectives",
        "",
        True,
    ),
    _T(
        "dp_total_s",
        "communication",
        "gradient and weight traffic, hidden part included",
        "collective time per step",
        "perf.collectives",
        "",
        True,
    ),
    _T(
        "nvlink_s",
        "communication",
        "time on NVLink",
        "part of the totals above inside an NVLink domain",
        "perf.collectives",
        "",
        True,
    ),
    _T(
        "network_s",
        "communication",
        "time on EFA",
        "part of the totals above that crosses NVLink domains",
        "perf.collectives",
        "",
        True,
    ),
    _T(
        "weights_bytes",
        "memory",
        "weights",
        "parameters of the stage x bytes / shards",
        "arXiv 1910.02054",
        "allocated_bytes",
    ),
    _T(
        "gradients_bytes",
        "memory",
        "gradients",
        "parameters of the stage x bytes / shards",
        "arXiv 1910.02054",
        "allocated_bytes",
    ),
    _T(
        "optimizer_bytes",
        "memory",
        "optimizer states",
        "master weights and Adam moments / shards",
        "arXiv 1910.02054",
        "allocated_bytes",
    ),
    _T(
        "activations_bytes",
        "memory",
        "activations",
        "bytes per layer x layers x micro batches in flight",
        _KORTHIKANTI,
        "allocated_bytes",
    ),
    _T(
        "logits_bytes",
        "memory",
        "logits and loss",
        "tokens x vocabulary / tp x bytes per logit",
        _KORTHIKANTI,
        "allocated_bytes",
    ),
    _T(
        "buffers_bytes",
        "memory",
        "communication and gather buffers",
        "gathered FSDP layers, expert dispatch, TP gathers",
        "perf.composition",
        "allocated_bytes",
    ),
    _T(
        "allocated_bytes",
        "memory",
        "allocated at the peak",
        "sum of the parts above on the worst stage",
        "perf.composition",
    ),
    _T(
        "reserved_bytes",
        "memory",
        "reserved by the allocator",
        "(allocated + pools of communication streams) x (1 + overhead) + pending",
        "perf.composition",
    ),
    _T("runtime_bytes", "memory", "CUDA context and NCCL", "context + buffers per communicator", "perf.composition"),
    _T("used_bytes", "memory", "in use on the device", "reserved + context and NCCL", "perf.composition"),
    _T("margin_bytes", "memory", "margin", "device memory by the API - used", "perf.composition"),
    _T(
        "model_flop",
        "flop",
        "model FLOPs per step",
        "6 x active parameters x tokens + 6 x attention (causal half counted)",
        "arXiv 2204.02311 appendix B",
    ),
    _T("hardware_flop", "flop", "hardware FLOPs per step", "model FLOPs + recomputed forward", _PTD),
    _T(
        "mfu",
        "flop",
        "MFU",
        "model FLOPs / (step time x GPUs x peak of the precision's bf16 units)",
        "arXiv 2204.02311 appendix B",
    ),
    _T("hfu", "flop", "HFU", "hardware FLOPs / (step time x GPUs x bf16 peak)", _KORTHIKANTI),
    _T("tokens_per_s", "run", "tokens per second", "tokens per step / step time", "perf.evaluate"),
    _T("tokens_per_s_per_gpu", "run", "tokens per second per GPU", "tokens per second / GPUs", "perf.evaluate"),
    _T("checkpoint_bytes", "checkpoint", "checkpoint size", "weights + master weights + moments", "perf.checkpoint"),
    _T(
        "checkpoint_save_s",
        "checkpoint",
        "plain save to FSx for Lustre",
        "bytes per node / 100 Gbit/s (per-client limit without EFA)",
        "FSx for Lustre user guide",
    ),
    _T("power_w", "energy", "power of all nodes under load", "nodes x (GPUs x load power + host)", "perf.energy"),
    _T(
        "wh_per_million_tokens",
        "energy",
        "energy per million tokens",
        "power / tokens per second x 10^6 / 3600",
        "perf.energy",
    ),
    _T(
        "measured_fraction",
        "provenance",
        "share of kernel time on measured tables",
        "time of kernels whose shape lies inside a measured table / kernel time",
        "perf.kernels",
    ),
)
TERM_BY_NAME: Mapping[str, TermSpec] = {t.name: t for t in TERMS}


class Terms:
    """Terms of n layouts as columns: `terms["step_s"]` has shape [n]."""

    __slots__ = ("columns", "n")

    def __init__(self, n: int, columns: Mapping[str, FloatArray]) -> None:
        """`columns` maps names of `TERMS` to float64 arrays of shape [n] or [] (the same for all rows)."""
        self.n = n
        self.columns = columns

    def __getitem__(self, name: str) -> FloatArray:
        return self.columns[name]

    def row(self, i: int) -> dict[str, float]:
        """Row i as plain floats, in the order of `TERMS`."""
        return {
            t.name: float(c if (c := self.columns[t.name]).ndim == 0 else c[i]) for t in TERMS if t.name in self.columns
        }


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reject:
    """Why candidate layouts were rejected: a reason (key of search.constraints), a sentence, and how many."""

    reason: str
    sentence: str
    count: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Estimate:
    """One layout on one instance type and count, with its terms, price and what follows for the run.

    `usd_per_h`, `usd_per_billion_tokens`, `run_usd` are None where the price is unknown; `run_s` and `run_usd` also
    where no token count was given. `chosen` names the fields the planner chose because nobody stated them.
    `resolution`: natural log of the ratio up to which another layout on this hardware cannot be told from this one.
    """

    arch: ModelArch
    workload: Workload
    instance: Instance
    nodes: int
    framework: str
    layout: Layout
    terms: Mapping[str, float]
    price: Price
    fits: str  # ok, tight, OOM
    run_s: float | None
    run_low_s: float | None
    run_high_s: float | None
    run_usd: float | None
    usd_per_h: float | None
    usd_per_billion_tokens: float | None
    run_wh: float | None
    resolution: float
    chosen: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


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
    told_apart: tuple[bool | None, ...] = ()  # of each row: search.apart.told_apart
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PlanRequest:
    """What a search is asked: targets, the hardware to consider, and the values allowed per layout field.

    `nodes` are (lowest, highest) or an explicit tuple of counts per instance. `fixed` maps layout fields to the
    allowed values (one value: stated by the user). `prices` maps instance name to its price (usd_per_h None: unknown).
    `calibration` and `frameworks` stand in for the shipped constants and profiles where they are given.
    """

    arch: ModelArch
    seq_len: int
    instances: tuple[Instance, ...]
    node_counts: tuple[int, ...]
    prices: Mapping[str, Price]
    framework: str = "megatron"
    global_batch: int | None = None
    tokens: float = 0.0
    fixed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    deadline_s: float | None = None
    budget_usd: float | None = None
    objective: str = "cost"  # cost, time, throughput
    top: int = 10
    tp_within_domain: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    calibration: Any = None  # perf.calibration.Calibration, which the domain may not import
    frameworks: Mapping[str, Framework] | None = None
