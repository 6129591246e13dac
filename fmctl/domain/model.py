"""A model architecture: what its layers are made of, as the planner needs it.

A model is a short list of *layer kinds* and, for every layer, which kind it is. Dense models have one kind; DeepSeek-V3
has two (three dense layers, then MoE); Gemma 3 has two (sliding and full attention); Nemotron-H has one block per layer
and so kinds without a mixer or without a feed-forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MixerType = Literal["attention", "mla", "gated-delta-net", "kda", "mamba2"]
Bias = Literal["none", "qkv", "all"]
NormType = Literal["rmsnorm", "layernorm"]


@dataclass(frozen=True, slots=True)
class Mixer:
    """The token mixer of a layer: softmax attention, latent attention (MLA) or a linear recurrence.

    `attention`: n_heads query heads of head_dim, n_kv_heads key/value heads, values of v_head_dim (= head_dim unless
    said); `window` is the number of keys a query sees at most (sliding, chunked or block-sparse attention), 0 for all.
    `mla`: the four dimensions of arXiv 2405.04434; head_dim is qk_nope + qk_rope. Where `window` is set on an `mla`
    mixer it is the number of keys kept by a sparse indexer.
    `gated-delta-net`, `kda`, `mamba2`: n_heads value heads of v_head_dim, `n_key_heads` key heads (groups) with
    head_dim as key (state) size, and a causal convolution of `conv_kernel` taps.
    `compress_ratio` c > 0 on `attention` (DeepSeek V4): beside the keys of the window a query sees one pooled key per c
    tokens, all of them, or those that the indexer keeps (then counted in `window`).
    """

    type: MixerType
    n_heads: int
    n_kv_heads: int
    head_dim: int
    v_head_dim: int
    window: int = 0
    output_gate: bool = False
    shared_kv: bool = False
    q_lora_rank: int = 0
    kv_lora_rank: int = 0
    qk_nope_head_dim: int = 0
    qk_rope_head_dim: int = 0
    o_lora_rank: int = 0
    o_groups: int = 0
    index_heads: int = 0
    index_head_dim: int = 0
    n_key_heads: int = 0
    conv_kernel: int = 0
    compress_ratio: int = 0


@dataclass(frozen=True, slots=True)
class FeedForward:
    """The feed-forward of a layer: dense, or routed experts with optional shared experts, or both side by side.

    `ffn` is the intermediate size of the dense part (0: none). `expert_ffn` is that of one routed expert and
    `shared_ffn` that of all shared experts of the layer together. `gated` means three matrices instead of two.
    `latent` is the width routed experts work in where it is not the model's hidden size (LatentMoE), else 0.
    """

    gated: bool
    ffn: int = 0
    n_experts: int = 0
    top_k: int = 0
    expert_ffn: int = 0
    shared_ffn: int = 0
    latent: int = 0
    shared_gate: bool = False


@dataclass(frozen=True, slots=True)
class LayerKind:
    """One kind of layer; `mixer` or `feed_forward` is None in models with one block per layer."""

    name: str
    mixer: Mixer | None
    feed_forward: FeedForward | None


@dataclass(frozen=True, slots=True)
class ModelArch:
    """A decoder-only language model.

    `pattern[i]` is the index into `kinds` of layer i. `norms_per_block` counts normalisations per mixer or
    feed-forward (2 for pre+post norm). `mtp_layers` are multi-token-prediction layers beside the main ones.
    `official_total` and `official_active` are the publisher's parameter counts (0: not published).
    """

    name: str
    family: str
    hidden: int
    vocab: int
    max_seq: int
    kinds: tuple[LayerKind, ...]
    pattern: tuple[int, ...]
    tied_embeddings: bool = False
    learned_positions: bool = False
    norm: NormType = "rmsnorm"
    norms_per_block: int = 1
    qk_norm: bool = False
    bias: Bias = "none"
    mtp_layers: int = 0
    official_total: float = 0.0
    official_active: float = 0.0
    hf_id: str = ""
    source: str = ""
    retrieved: str = ""
    notes: str = ""

    @property
    def n_layers(self) -> int:
        """Number of main layers (multi-token-prediction layers not counted)."""
        return len(self.pattern)

    def kind_counts(self) -> tuple[int, ...]:
        """Number of main layers of each kind, in the order of `kinds`."""
        return tuple(self.pattern.count(i) for i in range(len(self.kinds)))

    @property
    def is_moe(self) -> bool:
        """Whether any layer routes tokens to experts."""
        return any(kind.feed_forward is not None and kind.feed_forward.n_experts > 0 for kind in self.kinds)

    @property
    def n_experts(self) -> int:
        """Routed experts of the widest MoE layer (0 for a dense model)."""
        return max((kind.feed_forward.n_experts for kind in self.kinds if kind.feed_forward is not None), default=0)
