"""The constants that are fitted to measured runs: what each means, its bounds, and the prior it is shrunk towards.

A constant belongs to the calibration or to a class of frameworks (fused kernels, compiled, eager), never to a model, a
row or a source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fmctl.base.copies import changed
from fmctl.domain.framework import Framework
from fmctl.perf.ops.calibration import Calibration

MEGATRON = ("megatron",)
FUSED = (*MEGATRON, "megatron-unfused")
COMPILED = ("torchtitan",)
EAGER = ("nanotron", "deepspeed", "internevo", "composer", "torchtitan-eager")
TITAN = (*COMPILED, "torchtitan-eager")
NOT_FUSED = (*COMPILED, *EAGER)
PYTHON = ("nanotron", "deepspeed", "internevo", "composer")
EVERY = (*FUSED, *NOT_FUSED)


@dataclass(frozen=True, slots=True)
class Constant:
    """A field of `Calibration` (no frameworks) or of the named framework profiles, its bounds and its prior."""

    field: str
    frameworks: tuple[str, ...]
    low: float
    high: float
    prior: float
    meaning: str

    @property
    def name(self) -> str:
        """`field`, or `field (frameworks)`."""
        return f"{self.field} ({', '.join(self.frameworks)})" if self.frameworks else self.field


_C = Constant
CONSTANTS: tuple[Constant, ...] = (
    _C("sustained_ampere", (), 0.75, 1.0, 0.90, "GEMM rate of whole steps over bursts, A100"),
    _C("sustained_hopper", (), 0.75, 1.05, 0.90, "the same, H100 and H200 in bf16 (power)"),
    _C("sustained_hopper_low", (), 0.80, 1.08, 0.97, "the same in fp8"),
    _C("sustained_blackwell", (), 0.65, 1.05, 0.85, "the same, B200-class in bf16 (power)"),
    _C("sustained_blackwell_low", (), 0.75, 1.08, 0.92, "the same in fp8 and below"),
    _C("sustained_attention", (), 0.60, 1.10, 0.95, "attention kernels of whole steps over bursts"),
    _C("power_exponent", (), 1.0 / 3.0, 1.0, 0.4, "sustained clock by power per FLOP/s"),
    _C("ultra_attention", (), 1.0, 1.7, 1.3, "attention rate of B300 and GB300 over that of B200"),
    _C("wait_per_doubling", (), 0.0, 0.02, 0.003, "waiting for the slowest rank, per doubling of the nodes"),
    _C("efa_exchange_s", (), 1e-4, 2e-2, 3e-3, "host or proxy time of one expert exchange across EFA, s"),
    _C("post_s", (), 0.0, 5e-6, 1e-6, "time to post one token of a fused dispatch, EFA v1 and v2, s"),
    _C("memory_traffic", FUSED, 1.0, 2.5, 2.0, "bytes of memory-bound work over the textbook, fused kernels"),
    _C("memory_traffic", COMPILED, 1.0, 4.0, 2.2, "the same, compiled"),
    _C("memory_traffic", EAGER, 2.0, 5.0, 2.8, "the same, eager"),
    _C("attention_share", MEGATRON, 0.6, 1.3, 1.0, "attention calls over the kernel tables"),
    _C("attention_share", TITAN, 0.4, 1.1, 0.9, "the same, PyTorch's own call"),
    _C("attention_share", PYTHON, 0.4, 1.1, 0.8, "the same (masks, biases, layout changes)"),
    _C("host_layer_s", FUSED, 1e-4, 3e-3, 1e-3, "host time to issue one layer, s"),
    _C("host_layer_s", NOT_FUSED, 2e-4, 8e-3, 2e-3, "the same, Python-heavy stacks"),
    _C("host_moe_layer_s", FUSED, 2e-4, 8e-3, 2e-3, "host time of routing and dispatch, s"),
    _C("host_collective_s", NOT_FUSED, 1e-5, 1e-3, 1e-4, "host time of one tensor-parallel collective, s"),
    _C("host_send_s", ("nanotron", "deepspeed", "internevo"), 1e-5, 8e-3, 1e-3, "host time of one pipeline send, s"),
    _C("host_expert_s", FUSED, 0.0, 3e-4, 5e-5, "host time per expert on a rank, s"),
    _C("host_stall", FUSED, 0.0, 1.0, 0.3, "share of host and device time of a MoE layer that does not overlap"),
    _C("host_rank_s", ("nanotron",), 0.0, 6e-4, 1e-4, "what a collective takes more per rank beside a pipeline, s"),
    _C("permute_traffic", FUSED, 0.25, 4.0, 1.5, "bytes of sorting token-expert pairs over reading and writing twice"),
    _C("step_overhead_s", FUSED, 1e-3, 0.1, 0.03, "fixed cost of a step, s"),
    _C("step_overhead_s", TITAN, 1e-3, 0.3, 0.03, "the same, s"),
    _C("step_overhead_s", PYTHON, 1e-3, 0.3, 0.08, "the same, s"),
    _C("update_layer_s", TITAN, 0.0, 2e-2, 5e-3, "host time of clipping and updating a layer's sharded tensors, s"),
    _C("token_s", TITAN, 0.0, 4e-6, 2e-6, "tokenising one token in the training process, s"),
    _C("tp_overlap", FUSED, 0.0, 0.9, 0.4, "tensor-parallel traffic hidden"),
    _C("tp_overlap", NOT_FUSED, 0.0, 0.5, 0.1, "the same"),
    _C("interference", EVERY, 0.0, 0.6, 0.15, "time that hidden traffic takes from the compute above it"),
    _C("dp_overlap", ("nanotron", "deepspeed", "internevo"), 0.2, 0.95, 0.6, "gradient traffic hidden"),
    _C("pp_overlap", FUSED, 0.3, 0.9, 0.8, "pipeline sends hidden"),
    _C("pp_overlap", ("nanotron", "deepspeed", "internevo"), 0.0, 0.8, 0.2, "the same"),
    _C("ep_overlap", FUSED, 0.0, 0.7, 0.2, "expert dispatch hidden where no overlap is stated"),
    _C("fsdp_overlap", (*TITAN, "composer"), 0.5, 1.0, 0.9, "weight gathering hidden"),
)


def apply(
    values: Sequence[float], calibration: Calibration, frameworks: Mapping[str, Framework]
) -> tuple[Calibration, dict[str, Framework]]:
    """`calibration` and `frameworks` with the constants set to `values` (in the order of CONSTANTS)."""
    fields: dict[str, float] = {}
    changes: dict[str, dict[str, float]] = {}
    for constant, value in zip(CONSTANTS, values, strict=True):
        if constant.frameworks:
            for name in constant.frameworks:
                changes.setdefault(name, {})[constant.field] = float(value)
        else:
            fields[constant.field] = float(value)
    profiles = {name: changed(fw, changes.get(name, {})) for name, fw in frameworks.items()}
    return changed(calibration, fields), profiles
