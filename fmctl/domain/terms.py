"""Every term of the model declared once: name with unit, group, title, equation, source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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
    _T(
        "power_w",
        "energy",
        "power of all nodes under load",
        "nodes x nameplate x mean share drawn over the step",
        "perf.energy",
    ),
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
