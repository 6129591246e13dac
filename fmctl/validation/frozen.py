"""Training low-rank adapters on frozen weights, from the terms of full training.

What goes: the weight-gradient products (a third of the time of matrix products and logits), gradient traffic, the
optimizer step, gradients and optimizer states. The adapters themselves (rank << width) are left out.
"""

from __future__ import annotations

from fmctl.validation.cases import Case

WEIGHT_GRADIENT_SHARE = 1.0 / 3.0
_DROPPED_BYTES = ("gradients_bytes", "optimizer_bytes")


def frozen_terms(terms: dict[str, float], case: Case) -> dict[str, float]:
    """`terms` with the step, rates and memory of adapter training; everything else as it was."""
    gone = WEIGHT_GRADIENT_SHARE * (terms["gemm_s"] + terms["logits_s"])
    working = terms["step_s"] - terms["straggler_s"]
    steady = working - terms["bubble_s"] - terms["dp_exposed_s"] - terms["optimizer_s"] - terms["overhead_s"]
    kept = max(1.0 - gone / steady, WEIGHT_GRADIENT_SHARE) if steady > 0.0 else 1.0
    step = kept * (steady + terms["bubble_s"]) + terms["overhead_s"]
    step *= terms["step_s"] / working
    scale = step / terms["step_s"]
    out = dict(terms) | {name: terms[name] * scale for name in ("step_s", "step_low_s", "step_high_s")}
    out["tokens_per_s"] = case.workload.tokens_per_step / step
    out["tokens_per_s_per_gpu"] = out["tokens_per_s"] / case.layout.gpus
    return out | _memory(terms)


def _memory(terms: dict[str, float]) -> dict[str, float]:
    """Memory terms without gradients and optimizer states."""
    dropped = sum(terms[name] for name in _DROPPED_BYTES)
    overhead = terms["reserved_bytes"] / terms["allocated_bytes"]
    saved = dropped * overhead
    return dict.fromkeys(_DROPPED_BYTES, 0.0) | {
        "allocated_bytes": terms["allocated_bytes"] - dropped,
        "reserved_bytes": terms["reserved_bytes"] - saved,
        "used_bytes": terms["used_bytes"] - saved,
        "margin_bytes": terms["margin_bytes"] + saved,
    }
