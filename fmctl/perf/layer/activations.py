"""Bytes of activations that one layer keeps for the backward pass, per micro batch and rank, by recompute mode.

Components follow arXiv 2205.05198 (Korthikanti et al.) section 4, tensor by tensor, for any architecture; with
`scores`, `dropout` and `core_only` on, a GPT layer gives its equations 1-6 exactly (tests hold it). Kernels of today
keep neither the attention scores (they are recomputed inside the fused backward) nor, without dropout, any mask; and
selective recomputation of today runs norms and activations again, where the paper's frees the attention core alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.domain.layout import IntArray, Recompute
from fmctl.domain.model import FeedForward, LayerKind, Mixer, ModelArch
from fmctl.domain.result import FloatArray
from fmctl.perf.layer.shapes import Combos, expert_tokens, kv_heads_per_rank


@dataclass(slots=True, eq=False, repr=False)
class Kept:
    """Bytes kept of one block: all of them, and the part that selective recomputation frees, shape [U]."""

    total: FloatArray
    selective: FloatArray


def _norm_output(arch: ModelArch, c: Combos, linear_bytes: FloatArray, framework: Framework | None) -> FloatArray:
    """Output of a block's norm, which is the input of its first linear layers, with what eager norms copy."""
    if framework is None:
        return c.region * arch.hidden * linear_bytes
    output = (c.tokens if framework.gathered_inputs else c.region) * arch.hidden * linear_bytes
    return output + framework.norm_copy_bytes * c.region * arch.hidden


def mixer_kept(
    mixer: Mixer,
    arch: ModelArch,
    c: Combos,
    linear_bytes: FloatArray,
    scores: bool = False,
    dropout: bool = False,
    core_only: bool = False,
    framework: Framework | None = None,
) -> Kept:
    """Norm input and output, q, k, v, attention output (and its low-precision copy), softmax statistics.

    `linear_bytes`: bytes per element at which inputs of linear layers are kept (by precision), shape [U].
    Selective recomputation frees the attention core (5 a s^2 b / t) where scores are kept, and the norm output unless
    `core_only`. `framework`: what it keeps beyond that (`Framework.gathered_inputs`, `repeated_kv`, ...).
    """
    heads = mixer.n_heads / c.tp
    repeated = mixer.type != "attention" or (framework is not None and framework.repeated_kv)
    kv = heads if repeated else kv_heads_per_rank(mixer, c)
    norm_out = _norm_output(arch, c, linear_bytes, framework)
    qkv = 2.0 * c.tokens * (heads * mixer.head_dim + kv * (mixer.head_dim + mixer.v_head_dim))
    if mixer.type == "mla":
        latent = mixer.q_lora_rank + mixer.kv_lora_rank + mixer.qk_rope_head_dim
        qkv = qkv + c.region * latent * (2.0 + linear_bytes)
    if mixer.type not in ("attention", "mla"):
        # Recurrences keep the projections before and after their short convolution.
        width = heads * 2.0 * mixer.v_head_dim + 2.0 * mixer.n_key_heads * mixer.head_dim / c.tp
        qkv = 2.0 * (2.0 * c.tokens * width)
    copy = np.where(linear_bytes < 2.0, linear_bytes, 0.0)
    out = c.tokens * heads * (mixer.v_head_dim * (2.0 + copy) + (0.0 if scores else 4.0))
    gate = 2.0 * c.tokens * heads * mixer.v_head_dim * (1.0 if mixer.output_gate else 0.0)
    core = 5.0 * heads * c.seq * c.tokens if scores else 0.0 * c.tokens
    mask = c.region * arch.hidden if dropout else 0.0
    residual = 2.0 * c.region * arch.hidden * arch.norms_per_block
    return Kept(residual + norm_out + qkv + out + gate + core + mask, core if core_only else norm_out + core)


def feed_forward_kept(
    ff: FeedForward,
    arch: ModelArch,
    c: Combos,
    linear_bytes: FloatArray,
    dropout: bool = False,
    core_only: bool = False,
    framework: Framework | None = None,
) -> Kept:
    """Norm input and output, first linear output, activation output, and the same per routed token-expert pair.

    Selective recomputation frees the norm output and the activation output (norm and activation are run again), and
    nothing with `core_only`. `framework` as in `mixer_kept`.
    """
    unfused = framework is not None and framework.unfused_gate
    up = (6.0 if unfused else 4.0) if ff.gated else 2.0
    norm_out = _norm_output(arch, c, linear_bytes, framework)
    width = c.tokens * (ff.ffn + ff.shared_ffn) / c.tp
    freed = width * linear_bytes
    kept = up * width
    if ff.n_experts:
        pairs = expert_tokens(ff, c)
        expert_width = pairs * ff.expert_ffn / c.etp
        freed = freed + expert_width * linear_bytes
        kept = kept + up * expert_width + pairs * (ff.latent or arch.hidden) * linear_bytes
    mask = c.region * arch.hidden if dropout else 0.0
    residual = 2.0 * c.region * arch.hidden * arch.norms_per_block
    return Kept(residual + norm_out + kept + freed + mask, 0.0 * norm_out if core_only else norm_out + freed)


def layer_kept(
    kind: LayerKind,
    arch: ModelArch,
    c: Combos,
    linear_bytes: FloatArray,
    framework: Framework | None = None,
    scores: bool = False,
    dropout: bool = False,
    core_only: bool = False,
) -> Kept:
    """What one layer of `kind` keeps without recomputation, and what selective recomputation frees."""
    if framework is not None and framework.wide_inputs:
        linear_bytes = np.maximum(linear_bytes, 2.0)
    total, selective = 0.0 * c.tokens, 0.0 * c.tokens
    if kind.mixer is not None:
        kept = mixer_kept(kind.mixer, arch, c, linear_bytes, scores, dropout, core_only, framework)
        total, selective = total + kept.total, selective + kept.selective
    if kind.feed_forward is not None:
        kept = feed_forward_kept(kind.feed_forward, arch, c, linear_bytes, dropout, core_only, framework)
        total, selective = total + kept.total, selective + kept.selective
    return Kept(total, selective)


def layer_input_bytes(arch: ModelArch, c: Combos) -> FloatArray:
    """What full recomputation keeps of a layer: its bf16 input, 2 h per token of the region."""
    return 2.0 * arch.hidden * c.region


def layer_activation_bytes(kept: Kept, input_bytes: FloatArray, recompute: IntArray) -> tuple[FloatArray, FloatArray]:
    """(bytes of a layer that is not fully recomputed, bytes of one that is), by recompute code, shape [U]."""
    plain: FloatArray = np.where(recompute == Recompute.SELECTIVE, kept.total - kept.selective, kept.total)
    return plain, input_bytes
