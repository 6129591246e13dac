"""Selective recomputation by operator, as torchtitan does it: every second matrix product is kept, the other repeated.

Per layer, in program order, the outputs of the first, third, fifth ... product are kept, with the attention core's
output and the layer's input; everything else (norms, rotary, activation functions, the other products) is run again.
Grouped products of routed experts are not on the list and are all run again. Source: torchtitan's `_apply_op_sac`.
"""

from __future__ import annotations

from collections.abc import Iterator

from fmctl.domain.model import FeedForward, LayerKind, Mixer, ModelArch
from fmctl.domain.result import FloatArray
from fmctl.perf.layer.shapes import Combos, kv_heads_per_rank

# (output width, reduced width, where the output lies: "rank" is divided by tp, "kv" by whole heads, "region" tokens)
Product = tuple[float, float, str]


def _mixer_products(mixer: Mixer, hidden: int) -> Iterator[Product]:
    heads, value = mixer.n_heads, mixer.v_head_dim
    if mixer.type == "attention":
        kv = mixer.n_kv_heads
        yield heads * mixer.head_dim, hidden, "rank"
        yield kv * mixer.head_dim, hidden, "kv"
        yield kv * value, hidden, "kv"
    elif mixer.type == "mla":
        nope = mixer.qk_nope_head_dim or mixer.head_dim
        if mixer.q_lora_rank:
            yield mixer.q_lora_rank, hidden, "region"
        yield heads * mixer.head_dim, mixer.q_lora_rank or hidden, "rank"
        yield mixer.kv_lora_rank + mixer.qk_rope_head_dim, hidden, "region"
        yield heads * (nope + value), mixer.kv_lora_rank or hidden, "rank"
    else:
        yield 2.0 * (mixer.n_key_heads * mixer.head_dim + heads * (value + 1)), hidden, "rank"
    yield hidden, heads * value, "region"


def _forward_products(ff: FeedForward, hidden: int) -> Iterator[Product]:
    width = ff.ffn + ff.shared_ffn
    if ff.n_experts:
        yield ff.n_experts, hidden, "region"
    if width:
        yield width, hidden, "rank"
        if ff.gated:
            yield width, hidden, "rank"
        yield hidden, width, "region"


def products(kind: LayerKind, arch: ModelArch) -> list[Product]:
    """Matrix products of one layer in program order: (output width, reduced width, how the output is split)."""
    found: list[Product] = []
    if kind.mixer is not None:
        found += _mixer_products(kind.mixer, arch.hidden)
    if kind.feed_forward is not None:
        found += _forward_products(kind.feed_forward, arch.hidden)
    return found


def repeated_share(kind: LayerKind, arch: ModelArch) -> float:
    """Share of a layer's forward matrix FLOPs that is run again: every second product and all routed experts."""
    sizes = [out * inner for out, inner, _ in products(kind, arch)]
    routed, ff = 0.0, kind.feed_forward
    if ff is not None and ff.n_experts:
        routed = ff.top_k * (3.0 if ff.gated else 2.0) * ff.expert_ffn * (ff.latent or arch.hidden)
    return (sum(sizes[1::2]) + routed) / (sum(sizes) + routed)


def operator_kept(kind: LayerKind, arch: ModelArch, c: Combos) -> FloatArray:
    """Bytes kept of one layer: input, attention output with its statistics, first, third ... product; shape [U].

    Llama 3 8B at tp 1: (1 + 1 + 1 + 0.25 + 3.5 + 1) x 2 h per token (input, core, wq, wv, w1, w2).
    """
    total = 2.0 * c.region * arch.hidden
    mixer = kind.mixer
    if mixer is not None:
        total = total + c.tokens * mixer.n_heads / c.tp * (2.0 * mixer.v_head_dim + 4.0)
    for width, _, where in products(kind, arch)[::2]:
        if where == "region":
            total = total + 2.0 * c.region * width
        elif where == "kv" and mixer is not None:
            total = total + 2.0 * c.tokens * kv_heads_per_rank(mixer, c) * width / mixer.n_kv_heads
        else:
            total = total + 2.0 * c.tokens * width / c.tp
    return total
