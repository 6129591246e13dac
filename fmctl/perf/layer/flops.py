"""Model FLOPs of one token, forward: what MFU and HFU are shares of."""

from __future__ import annotations

from functools import lru_cache

from fmctl.domain.model import ModelArch
from fmctl.perf.layer.counts import layer_params
from fmctl.perf.layer.shapes import LINEAR_CHUNK, attention_pairs


def core_flop_per_token(arch: ModelArch, seq: int) -> float:
    """Forward FLOPs per token of all attention cores and recurrences, causal half only.

    Attention: 2 (head_dim + v_head_dim) x pairs / s per head; full causal attention with equal dims: 2 s h per layer
    (half of the 4 s h that sources which do not count causality print). Source: arXiv 2204.02311 appendix B.
    """
    flop = 0.0
    for count, kind in zip(arch.kind_counts(), arch.kinds, strict=True):
        m = kind.mixer
        if m is None:
            continue
        if m.type in ("attention", "mla"):
            each = 2.0 * attention_pairs(m, float(seq)) / seq * m.n_heads * (m.head_dim + m.v_head_dim)
            each += seq * m.index_heads * m.index_head_dim
        else:
            each = m.n_heads * (4.0 * m.head_dim * m.v_head_dim + 2.0 * LINEAR_CHUNK * (m.head_dim + m.v_head_dim))
        flop += count * each
    return flop


def matmul_params(arch: ModelArch) -> float:
    """Parameters that one token is multiplied by: active layers and the output matrix; no input table, no norms."""
    layers = [layer_params(kind, arch) for kind in arch.kinds]
    active = sum(n * (p.active - p.norms) for n, p in zip(arch.kind_counts(), layers, strict=True))
    return float(active + arch.vocab * arch.hidden)


@lru_cache(maxsize=256)
def model_flop_per_token(arch: ModelArch, seq: int) -> float:
    """Forward and backward FLOPs per token: 6 x matmul parameters + 3 x attention forward (causal half counted).

    MTP layers are work of the training step but not of the model; they are left out, as most sources do.
    Source: arXiv 2204.02311 appendix B; arXiv 2104.04473 equation 3 without recomputation.
    """
    return 6.0 * matmul_params(arch) + 3.0 * core_flop_per_token(arch, seq)


def layer_forward_flop(arch: ModelArch, seq: int) -> float:
    """Forward FLOPs per token of all layers without the vocabulary: what full recomputation runs again."""
    return 2.0 * (matmul_params(arch) - arch.vocab * arch.hidden) + core_flop_per_token(arch, seq)
