"""What runs do that the layout has no field for, from the terms of ordinary training: frozen weights, offloading."""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.domain.layout import Precision
from fmctl.domain.terms import names
from fmctl.validation.cases import Case

# Forward, input gradients and weight gradients of a matrix product cost the same; the last one goes.
WEIGHT_GRADIENT_SHARE = 1.0 / 3.0
_DROPPED_BYTES = tuple(name for name in names("states", group="memory") if name != "weights_bytes")
_DROPPED_S = (*names("reduce", "update"), *names("reduce", group="communication"))
Terms = dict[str, float]


def frozen_terms(terms: Terms, lean: Mapping[str, float], case: Case) -> Terms:
    """Training low-rank adapters on frozen weights; the adapters themselves (rank << width) are left out.

    What goes: weight-gradient products (a third of the time of matrix products and logits), gradient traffic, the
    optimizer step, gradients, optimizer states, inputs of linear layers (activations are `lean`: those of selective
    recomputation, without its time). Weights are kept in FP8 where the run computes in it.
    """
    gone = WEIGHT_GRADIENT_SHARE * (terms["gemm_s"] + terms["logits_s"])
    working = terms["step_s"] - terms["straggler_s"]
    steady = working - terms["bubble_s"] - terms["dp_exposed_s"] - terms["optimizer_s"] - terms["overhead_s"]
    kept = max(1.0 - gone / steady, WEIGHT_GRADIENT_SHARE) if steady > 0.0 else 1.0
    step = kept * (steady + terms["bubble_s"]) + terms["overhead_s"]
    step *= terms["step_s"] / working
    scale = step / terms["step_s"]
    out = terms | {name: terms[name] * scale for name in ("step_s", "step_low_s", "step_high_s")}
    share = 1.0 - WEIGHT_GRADIENT_SHARE
    out |= {
        "gemm_s": share * terms["gemm_s"],
        "logits_s": share * terms["logits_s"],
        "bubble_s": kept * terms["bubble_s"],
    }
    out |= dict.fromkeys((*_DROPPED_S, *_DROPPED_BYTES), 0.0)
    out["tokens_per_s"] = case.workload.tokens_per_step / step
    out["tokens_per_s_per_gpu"] = out["tokens_per_s"] / case.layout.gpus
    out["activations_bytes"] = min(lean["activations_bytes"], terms["activations_bytes"])
    saved = sum(terms[name] for name in _DROPPED_BYTES) + terms["activations_bytes"] - out["activations_bytes"]
    if case.layout.precision != Precision.BF16:
        out["weights_bytes"] = terms["weights_bytes"] / 2.0
        saved += out["weights_bytes"]
    return _lighter(out, saved)


def offloaded_terms(terms: Terms, share: float) -> Terms:
    """`share` of the activations kept in host memory; the copies are taken to hide behind computation."""
    saved = share * terms["activations_bytes"]
    return _lighter(terms | {"activations_bytes": terms["activations_bytes"] - saved}, saved)


def _lighter(terms: Terms, saved_bytes: float) -> Terms:
    """Totals of memory after `saved_bytes` of its parts are gone."""
    reserved = saved_bytes * terms["reserved_bytes"] / terms["allocated_bytes"]
    return terms | {
        "allocated_bytes": terms["allocated_bytes"] - saved_bytes,
        "reserved_bytes": terms["reserved_bytes"] - reserved,
        "used_bytes": terms["used_bytes"] - reserved,
        "margin_bytes": terms["margin_bytes"] + reserved,
    }
