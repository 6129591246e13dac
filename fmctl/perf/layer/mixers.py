"""Parameters of one token mixer, by type: softmax attention, latent attention and three linear recurrences.

In the formulas h is the hidden size, a the (value) heads, g the key/value heads, d the head size of queries and keys,
and v that of values.
"""

from __future__ import annotations

from fmctl.domain.model import Mixer, ModelArch

CSA_COMPRESS_RATIO = 4
"""At this ratio DeepSeek V4 pools overlapping windows, with twice the projections (its CSA layers)."""


def mixer_params(mixer: Mixer, arch: ModelArch) -> int:
    """Count one token mixer with its biases and inner norms."""
    if mixer.type == "attention":
        return _attention_params(mixer, arch)
    if mixer.type == "mla":
        return _mla_params(mixer, arch)
    if mixer.type == "gated-delta-net":
        return _gated_delta_net_params(mixer, arch.hidden)
    if mixer.type == "kda":
        return _kda_params(mixer, arch.hidden)
    return _mamba2_params(mixer, arch.hidden)


def _attention_params(mixer: Mixer, arch: ModelArch) -> int:
    """Projections h x (a d + g d + g v) and a v x h (a query heads, g key/value heads of d and v), or low-rank ones."""
    h, a, g, d, v = arch.hidden, mixer.n_heads, mixer.n_kv_heads, mixer.head_dim, mixer.v_head_dim
    gated = 2 if mixer.output_gate else 1
    q = mixer.q_lora_rank * (h + 1 + gated * a * d) if mixer.q_lora_rank else h * gated * a * d
    kv = h * g * (d if mixer.shared_kv else d + v)
    out = mixer.o_lora_rank * (a * v + mixer.o_groups * h) if mixer.o_lora_rank else a * v * h
    bias = 0 if arch.bias == "none" else a * d + g * (d + v) + (h if arch.bias == "all" else 0)
    norms = 2 * d if arch.qk_norm else 0
    return q + kv + out + bias + norms + _indexer_params(mixer, h) + _compressor_params(mixer, h, d)


def _mla_params(mixer: Mixer, arch: ModelArch) -> int:
    """Latent attention: down and up projections of queries and of keys/values. Source: arXiv 2405.04434 section 2.1."""
    h, a, v = arch.hidden, mixer.n_heads, mixer.v_head_dim
    qk = mixer.qk_nope_head_dim + mixer.qk_rope_head_dim
    q = mixer.q_lora_rank * (h + 1 + a * qk) if mixer.q_lora_rank else h * a * qk
    kv = h * (mixer.kv_lora_rank + mixer.qk_rope_head_dim) + mixer.kv_lora_rank * (1 + a * (mixer.qk_nope_head_dim + v))
    gate = h * a * v if mixer.output_gate else 0
    return q + kv + a * v * h + gate + _indexer_params(mixer, h)


def _indexer_params(mixer: Mixer, h: int) -> int:
    """Sparse-attention indexer: query heads, one key head, a weight per head. Source: DeepSeek-V3.2 report, 2."""
    if not mixer.index_heads:
        return 0
    heads, d = mixer.index_heads, mixer.index_head_dim
    pooled = _compressor_params(mixer, h, d) if mixer.compress_ratio else h * d + 2 * d
    return (mixer.q_lora_rank or h) * heads * d + pooled + h * heads


def _compressor_params(mixer: Mixer, h: int, d: int) -> int:
    """Pooling of keys: value and gate projections h x d, twice that where windows overlap. Source: arXiv 2606.19348."""
    if not mixer.compress_ratio:
        return 0
    overlap = 2 if mixer.compress_ratio == CSA_COMPRESS_RATIO else 1
    return 2 * overlap * h * d + overlap * mixer.compress_ratio * d + d


def _gated_delta_net_params(mixer: Mixer, h: int) -> int:
    """Projections of q, k, v, gate z, beta and decay; a short convolution over q, k, v. Source: arXiv 2412.06464."""
    key, value = mixer.n_key_heads * mixer.head_dim, mixer.n_heads * mixer.v_head_dim
    projections = h * (2 * key + 2 * value + 2 * mixer.n_heads) + value * h
    return projections + (2 * key + value) * mixer.conv_kernel + 2 * mixer.n_heads + mixer.v_head_dim


def _kda_params(mixer: Mixer, h: int) -> int:
    """Kimi delta attention: q, k, v, low-rank decay, beta, gate (full rank if said). Source: arXiv 2510.26692."""
    key, value, d = mixer.n_key_heads * mixer.head_dim, mixer.n_heads * mixer.v_head_dim, mixer.v_head_dim
    decay = h * d + d * key + key + mixer.n_heads
    gate = h * value if mixer.output_gate else h * d + d * value
    projections = h * (2 * key + value) + h * mixer.n_heads + value * h
    return projections + decay + gate + (2 * key + value) * mixer.conv_kernel + d


def _mamba2_params(mixer: Mixer, h: int) -> int:
    """In-projection of z, x, B, C, dt; convolution over x, B, C; A, D, dt bias; norm. Source: arXiv 2405.21060."""
    inner, state = mixer.n_heads * mixer.v_head_dim, mixer.n_key_heads * mixer.head_dim
    projections = h * (2 * inner + 2 * state + mixer.n_heads) + inner * h
    return projections + (inner + 2 * state) * (mixer.conv_kernel + 1) + 3 * mixer.n_heads + inner
