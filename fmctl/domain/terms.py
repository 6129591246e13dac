"""Every term of the model declared once: name with unit, group, title, equation, source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Group = Literal["time", "communication", "memory", "flop", "checkpoint", "energy", "run", "provenance"]
# What a term is, for whoever adds up time or memory by what is done in it.
Kind = Literal[
    "total",  # what is ranked and what its parts are held to
    "sum",  # of parts, on the way to a total
    "compute",  # matrix products and attention
    "stream",  # bound by memory bandwidth, in the layers
    "update",  # bound by memory bandwidth, once a step
    "exchange",  # communication inside layers
    "send",  # communication between stages
    "reduce",  # communication of gradients and weights
    "wait",  # as long as stages are: bubbles, stragglers
    "fixed",  # once a step, whatever the layout
    "host",  # the host issues more slowly than the device works
    "level",  # communication by the network that carries it
    "states",  # bytes of weights, gradients, optimizer
    "held",  # bytes that come and go in a step
    "context",  # bytes beside what the allocator holds
    "figure",  # a rate, a ratio, a size
]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TermSpec:
    """One term: what it is called, what it is, and where it comes from."""

    name: str  # its unit as suffix
    group: Group  # the part of a document in which it is printed
    title: str  # for people
    equation: str  # in one line
    source: str
    kind: Kind = "figure"
    parent: str = ""  # the term that this one is summed into: of the parts of `step_s` and of `allocated_bytes`
    detail: bool = False  # computed only when asked for (estimate, explain), never while ranking a space
    advice: str = ""  # what makes it smaller, where it is memory and too large


_T = TermSpec
_KORTHIKANTI = "arXiv 2205.05198"
_PTD = "arXiv 2104.04473"
TERMS: tuple[TermSpec, ...] = (
    _T("step_s", "time", "step time", "sum of the parts below", "perf.evaluate", kind="total"),
    _T("gemm_s", "time", "matrix multiplications",
       "sum of 2mnk / achieved rate(m, n, k, precision) on the slowest stage", "measured GEMM tables", kind="compute",
       parent="step_s", detail=True),
    _T("attention_s", "time", "attention and recurrences", "attention flop / achieved kernel rate",
       "measured attention tables", kind="compute", parent="step_s", detail=True),
    _T("memory_bound_s", "time", "memory-bound work", "bytes moved / achieved HBM rate", "HBM stream tables",
       kind="stream", parent="step_s", detail=True),
    _T("recompute_s", "time", "recomputation", "forward time of what is recomputed in the backward pass", _KORTHIKANTI,
       kind="compute", parent="step_s", detail=True),
    _T("launch_s", "time", "host launch excess", "max(0, host issue time - device time) per layer", "perf.frameworks",
       kind="host", parent="step_s", detail=True),
    _T("logits_s", "time", "embedding and logits beyond the slowest layer stage",
       "vocabulary GEMMs and cross entropy where the end stage is the slowest", "perf.evaluate", kind="compute",
       parent="step_s", detail=True),
    _T("tp_exposed_s", "time", "exposed tensor-parallel traffic", "(1 - overlap) x collective time", "perf.collectives",
       kind="exchange", parent="step_s", detail=True),
    _T("cp_exposed_s", "time", "exposed context-parallel traffic",
       "max(0, transfer - attention) for ring, else transfer", "perf.collectives", kind="exchange", parent="step_s",
       detail=True),
    _T("ep_exposed_s", "time", "exposed expert dispatch and combine", "(1 - overlap) x all-to-all time",
       "perf.collectives", kind="exchange", parent="step_s", detail=True),
    _T("pp_exposed_s", "time", "exposed pipeline sends", "(1 - overlap) x transfers per micro batch",
       "perf.collectives", kind="send", parent="step_s", detail=True),
    _T("bubble_s", "time", "pipeline bubble", "fill and drain: (sum of other stages) / vpp", _PTD, kind="wait",
       parent="step_s", detail=True),
    _T("dp_exposed_s", "time", "exposed gradient and weight traffic",
       "what reduce-scatter and all-gather take beyond the compute they hide under", "perf.collectives", kind="reduce",
       parent="step_s", detail=True),
    _T("optimizer_s", "time", "optimizer step", "state bytes read and written / achieved HBM rate", "perf.evaluate",
       kind="update", parent="step_s", detail=True),
    _T("overhead_s", "time", "fixed cost per step", "framework constant", "perf.frameworks", kind="fixed",
       parent="step_s", detail=True),
    _T("straggler_s", "time", "waiting for the slowest rank", "growth with log2 of the GPUs x time before it",
       "perf.calibration", kind="wait", parent="step_s", detail=True),
    _T("step_low_s", "time", "step time, low end of the 80 % interval", "step_s / (1 + half width)", "perf.calibration",
       kind="total"),
    _T("step_high_s", "time", "step time, high end of the 80 % interval", "step_s x (1 + half width)",
       "perf.calibration", kind="total"),
    _T("tp_total_s", "communication", "tensor-parallel traffic, hidden part included", "collective time per step",
       "perf.collectives", kind="exchange", detail=True),
    _T("cp_total_s", "communication", "context-parallel traffic, hidden part included", "transfer time per step",
       "perf.collectives", kind="exchange", detail=True),
    _T("ep_total_s", "communication", "expert traffic, hidden part included", "all-to-all time per step",
       "perf.collectives", kind="exchange", detail=True),
    _T("pp_total_s", "communication", "pipeline sends, hidden part included", "transfer time per step",
       "perf.collectives", kind="send", detail=True),
    _T("dp_total_s", "communication", "gradient and weight traffic, hidden part included", "collective time per step",
       "perf.collectives", kind="reduce", detail=True),
    _T("nvlink_s", "communication", "time on NVLink", "part of the totals above inside an NVLink domain",
       "perf.collectives", kind="level", detail=True),
    _T("network_s", "communication", "time on EFA", "part of the totals above that crosses NVLink domains",
       "perf.collectives", kind="level", detail=True),
    _T("weights_bytes", "memory", "weights", "parameters of the stage x bytes / shards", "arXiv 1910.02054",
       kind="states", parent="allocated_bytes",
       advice="shard weights (--sharding zero3, more --tp or --pp) or take more nodes"),
    _T("gradients_bytes", "memory", "gradients", "parameters of the stage x bytes / shards", "arXiv 1910.02054",
       kind="states", parent="allocated_bytes", advice="shard gradients (more --tp or --pp, zero3) or take more nodes"),
    _T("optimizer_bytes", "memory", "optimizer states", "master weights and Adam moments / shards", "arXiv 1910.02054",
       kind="states", parent="allocated_bytes", advice="shard optimizer states (--sharding zero1) or take more nodes"),
    _T("activations_bytes", "memory", "activations", "bytes per layer x layers x micro batches in flight", _KORTHIKANTI,
       kind="held", parent="allocated_bytes",
       advice="recompute (--recompute full), a smaller --micro-batch, or more --tp or --cp"),
    _T("logits_bytes", "memory", "logits and loss", "tokens x vocabulary / tp x bytes per logit", _KORTHIKANTI,
       kind="held", parent="allocated_bytes", advice="a smaller --micro-batch, or more --tp or --cp"),
    _T("buffers_bytes", "memory", "communication and gather buffers",
       "gathered FSDP layers, expert dispatch, TP gathers", "perf.composition", kind="held", parent="allocated_bytes",
       advice="a smaller --micro-batch, or more --tp"),
    _T("allocated_bytes", "memory", "allocated at the peak", "sum of the parts above on the worst stage",
       "perf.composition", kind="sum"),
    _T("reserved_bytes", "memory", "reserved by the allocator",
       "(allocated + pools of communication streams) x (1 + overhead) + pending", "perf.composition", kind="sum"),
    _T("runtime_bytes", "memory", "CUDA context and NCCL", "context + buffers per communicator", "perf.composition",
       kind="context", advice="an instance type with more memory"),
    _T("used_bytes", "memory", "in use on the device", "reserved + context and NCCL", "perf.composition", kind="total"),
    _T("margin_bytes", "memory", "margin", "device memory by the API - used", "perf.composition", kind="total"),
    _T("model_flop", "flop", "model FLOPs per step",
       "6 x active parameters x tokens + 6 x attention (causal half counted)", "arXiv 2204.02311 appendix B"),
    _T("hardware_flop", "flop", "hardware FLOPs per step", "model FLOPs + recomputed forward", _PTD),
    _T("mfu", "flop", "MFU", "model FLOPs / (step time x GPUs x peak of the precision's bf16 units)",
       "arXiv 2204.02311 appendix B"),
    _T("hfu", "flop", "HFU", "hardware FLOPs / (step time x GPUs x bf16 peak)", _KORTHIKANTI),
    _T("tokens_per_s", "run", "tokens per second", "tokens per step / step time", "perf.evaluate"),
    _T("tokens_per_s_per_gpu", "run", "tokens per second per GPU", "tokens per second / GPUs", "perf.evaluate"),
    _T("checkpoint_bytes", "checkpoint", "checkpoint size", "weights + master weights + moments", "perf.checkpoint"),
    _T("checkpoint_save_s", "checkpoint", "plain save to FSx for Lustre",
       "bytes per node / 100 Gbit/s (per-client limit without EFA)", "FSx for Lustre user guide"),
    _T("power_w", "energy", "power of all nodes under load", "nodes x nameplate x mean share drawn over the step",
       "perf.energy"),
    _T("wh_per_million_tokens", "energy", "energy per million tokens", "power / tokens per second x 10^6 / 3600",
       "perf.energy"),
    _T("measured_fraction", "provenance", "share of kernel time on measured tables",
       "time of kernels whose shape lies inside a measured table / kernel time", "perf.kernels"),
)  # fmt: skip
# The terms of each kind of workload (`Workload.kind`).
TERMS_OF: Mapping[str, tuple[TermSpec, ...]] = {"training": TERMS}
TERM_BY_NAME: Mapping[str, TermSpec] = {t.name: t for t in TERMS}


def names(*kinds: Kind, group: Group = "time") -> tuple[str, ...]:
    """Names of the terms of these kinds, kind by kind, in the order of `TERMS`."""
    return tuple(term.name for kind in kinds for term in TERMS if term.kind == kind and term.group == group)
