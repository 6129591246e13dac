"""Parameters, products, FLOPs and bytes of every kind of mixer, of small widths, tensor by tensor."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest

from fmctl.domain.model import FeedForward, LayerKind, Mixer, ModelArch
from fmctl.perf.layer.counts import layer_params, mtp_params, parameters
from fmctl.perf.layer.flops import core_flop_per_token, layer_forward_flop, matmul_params, model_flop_per_token
from fmctl.perf.layer.mixers import mixer_params
from fmctl.perf.layer.shapes import (
    attention_pairs,
    core_bytes,
    core_flop,
    expert_tokens,
    feed_forward_gemms,
    feed_forward_stream_bytes,
    kv_heads_per_rank,
    mixer_gemms,
    mixer_stream_bytes,
    permute_bytes,
)
from tests.unit.perf.helpers import columns

H = 64
GQA = Mixer("attention", n_heads=8, n_kv_heads=2, head_dim=16, v_head_dim=12)
MLA = Mixer(
    "mla", n_heads=8, n_kv_heads=8, head_dim=22, v_head_dim=14, q_lora_rank=24, kv_lora_rank=20, qk_nope_head_dim=12,
    qk_rope_head_dim=10,
)  # fmt: skip
GDN = Mixer("gated-delta-net", n_heads=6, n_kv_heads=6, head_dim=10, v_head_dim=14, n_key_heads=3, conv_kernel=4)
FF = FeedForward(gated=True, ffn=48)
MOE = FeedForward(gated=True, n_experts=16, top_k=3, expert_ffn=40, shared_ffn=56, shared_gate=True)


def arch(mixer: Mixer | None = GQA, ff: FeedForward | None = FF, layers: int = 5, **more: Any) -> ModelArch:
    return ModelArch("m", "f", H, 1000, 4096, (LayerKind("k", mixer, ff),), (0,) * layers, **more)


def stored(*shapes: tuple[int, ...]) -> int:
    return sum(prod(shape) for shape in shapes)


PROJECTIONS = ((8 * 16, H), (2 * 16, H), (2 * 12, H), (H, 8 * 12))
MIXERS: dict[str, tuple[Mixer, dict[str, Any], int]] = {
    "attention": (GQA, {}, stored(*PROJECTIONS)),
    "gate": (replace(GQA, output_gate=True), {}, stored(*PROJECTIONS, (8 * 16, H))),
    "biases of queries, keys, values": (GQA, {"bias": "qkv"}, stored(*PROJECTIONS, (8 * 16,), (2 * 16,), (2 * 12,))),
    "biases": (GQA, {"bias": "all"}, stored(*PROJECTIONS, (8 * 16,), (2 * 16,), (2 * 12,), (H,))),
    "norms of queries and keys": (GQA, {"qk_norm": True}, stored(*PROJECTIONS, (16,), (16,))),
    "shared keys and values": (
        replace(GQA, shared_kv=True), {}, stored((8 * 16, H), (2 * 16, H), (H, 8 * 12)),
    ),
    "queries of low rank, with a gate": (
        replace(GQA, q_lora_rank=20, output_gate=True), {},
        stored((20, H), (20,), (8 * 16, 20), (8 * 16, 20), *PROJECTIONS[1:]),
    ),
    # Each of four groups of heads goes through a rank of its own.
    "outputs of low rank": (
        replace(GQA, o_lora_rank=6, o_groups=4), {}, stored(*PROJECTIONS[:3], (6, 8 * 12), (H, 4 * 6)),
    ),
    # Value and gate projections, positions in a window of 3, a norm.
    "pooled keys": (replace(GQA, compress_ratio=3), {}, stored(*PROJECTIONS, (16, H), (16, H), (3, 16), (16,))),
    "pooled keys of overlapping windows": (
        replace(GQA, compress_ratio=4), {}, stored(*PROJECTIONS, (32, H), (32, H), (4, 32), (16,)),
    ),
    # Query heads, one key head with its norm (scale and shift), a weight per head.
    "indexer": (
        replace(GQA, index_heads=5, index_head_dim=9), {},
        stored(*PROJECTIONS, (5 * 9, H), (9, H), (9,), (9,), (5, H)),
    ),
    "indexer of pooled keys": (
        replace(GQA, index_heads=5, index_head_dim=9, compress_ratio=3, q_lora_rank=20), {},
        stored((20, H), (20,), (8 * 16, 20), *PROJECTIONS[1:], (16, H), (16, H), (3, 16), (16,),
               (5 * 9, 20), (9, H), (9, H), (3, 9), (9,), (5, H)),
    ),
    "latents": (
        MLA, {}, stored((24, H), (24,), (8 * 22, 24), (20 + 10, H), (20,), (8 * (12 + 14), 20), (H, 8 * 14)),
    ),
    "latents of keys alone, with a gate": (
        replace(MLA, q_lora_rank=0, output_gate=True), {},
        stored((8 * 22, H), (20 + 10, H), (20,), (8 * (12 + 14), 20), (H, 8 * 14), (8 * 14, H)),
    ),
    "latents with an indexer": (
        replace(MLA, index_heads=5, index_head_dim=9), {},
        stored((24, H), (24,), (8 * 22, 24), (20 + 10, H), (20,), (8 * (12 + 14), 20), (H, 8 * 14),
               (5 * 9, 24), (9, H), (9,), (9,), (5, H)),
    ),
    # q, k, v, gate, beta and decay; a convolution of 4 taps over q, k and v; decay's two scalars; the output's norm.
    "gated delta net": (
        GDN, {},
        stored((30, H), (30, H), (84, H), (84, H), (6, H), (6, H), (H, 84), (4, 30 + 30 + 84), (6,), (6,), (14,)),
    ),
    # q, k, v, beta; decay of low rank with its bias and a scalar per head; gate of low rank; convolution; norm.
    "kda": (
        replace(GDN, type="kda"), {},
        stored((30, H), (30, H), (84, H), (6, H), (H, 84), (14, H), (30, 14), (30,), (6,), (14, H), (84, 14),
               (4, 30 + 30 + 84), (14,)),
    ),
    "kda with a full gate": (
        replace(GDN, type="kda", output_gate=True), {},
        stored((30, H), (30, H), (84, H), (6, H), (H, 84), (14, H), (30, 14), (30,), (6,), (84, H),
               (4, 30 + 30 + 84), (14,)),
    ),
    # z, x, B, C, dt; a convolution with biases over x, B and C; A, D and the bias of dt per head; the norm of the gate.
    "mamba 2": (
        replace(GDN, type="mamba2"), {},
        stored((84, H), (84, H), (30, H), (30, H), (6, H), (H, 84), (5, 84 + 30 + 30), (6,), (6,), (6,), (84,)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXERS)
def test_parameters_of_a_mixer(name: str) -> None:
    mixer, changes, count = MIXERS[name]
    assert mixer_params(mixer, arch(mixer, **changes)) == count


def test_parameters_of_a_layer_by_part() -> None:
    plain = layer_params(arch().kinds[0], arch())
    assert (plain.mixer, plain.feed_forward, plain.routed, plain.routed_active, plain.norms) == (
        stored(*PROJECTIONS), 3 * H * 48, 0, 0, 2 * H,
    )  # fmt: skip
    assert plain.total == plain.active == stored(*PROJECTIONS) + 3 * H * 48 + 2 * H
    model = arch(ff=MOE, bias="all", norm="layernorm", norms_per_block=2)
    found = layer_params(model.kinds[0], model)
    # Shared experts with their biases, the router with one per expert, the gate of the shared ones.
    shared, router = 3 * H * 56 + 2 * 56 + H, 16 * (H + 1)
    expert = 3 * H * 40 + 2 * 40 + H
    assert (found.feed_forward, found.routed, found.routed_active, found.norms) == (
        shared + router + H, 16 * expert, 3 * expert, 2 * 2 * 2 * H,
    )  # fmt: skip
    assert found.total == found.mixer + found.feed_forward + found.routed + found.norms
    assert found.active == found.total - 13 * expert
    latent = arch(ff=replace(MOE, latent=24, gated=False, shared_gate=False))
    half = layer_params(latent.kinds[0], latent)
    # Experts work in 24 channels, into which and out of which every token is projected.
    assert (half.feed_forward, half.routed) == (2 * H * 56 + 16 * H + 2 * H * 24, 16 * 2 * 24 * 40)


def test_parameters_of_blocks_alone() -> None:
    only = arch(ff=None)
    assert layer_params(only.kinds[0], only).norms == H
    feed = arch(mixer=None)
    found = layer_params(feed.kinds[0], feed)
    assert (found.mixer, found.norms, found.total) == (0, H, 3 * H * 48 + H)


def test_parameters_of_a_model() -> None:
    layer = stored(*PROJECTIONS) + 3 * H * 48 + 2 * H
    found = parameters(arch())
    assert (found.embedding, found.head, found.final_norm, found.mtp, found.routed) == (64_000, 64_000, H, 0, 0)
    assert found.total == found.active == 5 * layer + 2 * 64_000 + H
    tied = parameters(arch(tied_embeddings=True, learned_positions=True))
    assert (tied.embedding, tied.head, tied.total) == (64_000 + 4096 * H, 0, 5 * layer + 64_000 + 4096 * H + H)
    experts = parameters(arch(ff=MOE))
    assert experts.routed == 5 * 16 * 3 * H * 40
    assert experts.total - experts.active == 5 * 13 * 3 * H * 40


def test_parameters_of_heads_for_later_tokens() -> None:
    # A layer like the last, a projection of both hidden states to one, three norms.
    two = arch(mtp_layers=2)
    layer = layer_params(two.kinds[0], two).total
    assert mtp_params(two) == parameters(two).mtp == 2 * (layer + 2 * H * H + 3 * H)
    assert mtp_params(arch()) == 0
    # In a hybrid: the last attention and the last feed-forward, whatever the last layer is.
    kinds = (LayerKind("a", GQA, FF), LayerKind("b", GDN, None))
    hybrid = replace(arch(mtp_layers=1), kinds=kinds, pattern=(0, 0, 1))
    both = layer_params(LayerKind("mtp", GQA, FF), hybrid).total
    assert mtp_params(hybrid) == both + 2 * H * H + 3 * H


# --- products and bytes -----------------------------------------------------------------------------------------------

C = columns(512, tp=2, micro_batch=3, sequence_parallel=1)
T, R = 3 * 512, 3 * 256  # tokens of a rank, and of its region
G, IDX = (5, 9), {"index_heads": 5, "index_head_dim": 9}


def listed(gemms: list[Any]) -> list[tuple[float, ...]]:
    return [tuple(float(np.max(x)) for x in (g.m, g.n, g.k, g.groups)) for g in gemms]


@pytest.mark.parametrize(
    ("mixer", "wanted"),
    [
        (GQA, [(T, 4 * 16 + 1 * 28, H), (T, H, 4 * 12)]),
        (replace(GQA, output_gate=True), [(T, 2 * 4 * 16 + 28, H), (T, H, 48)]),
        (replace(GQA, shared_kv=True), [(T, 4 * 16 + 16, H), (T, H, 48)]),
        (replace(GQA, q_lora_rank=20), [(T, 20, H), (T, 64, 20), (T, 28, H), (T, H, 48)]),
        (replace(GQA, **IDX, q_lora_rank=20), [(T, 20, H), (T, 64, 20), (T, 28, H), (R, 45, 20), (T, H, 48)]),
        (replace(GQA, **IDX), [(T, 92, H), (R, 45, 1), (T, H, 48)]),
        # Four groups of a rank of 6, over two ranks: 12 in all, from a quarter of the values each.
        (replace(GQA, o_lora_rank=6, o_groups=4), [(T, 92, H), (T, 12, 12), (T, H, 12)]),
        (replace(GQA, o_lora_rank=6), [(T, 92, H), (T, 3, 48), (T, H, 3)]),
        (MLA, [(R, 24, H), (T, 4 * 22, 24), (R, 30, H), (T, 4 * 26, 20), (T, H, 4 * 14)]),
        (replace(MLA, q_lora_rank=0), [(T, 88, H), (R, 30, H), (T, 104, 20), (T, H, 56)]),
        (replace(MLA, **IDX), [(R, 24, H), (T, 88, 24), (R, 30, H), (T, 104, 20), (R, 45, 24), (T, H, 56)]),
        # Without dimensions of its own for position the whole head is what is not rotated; without a latent, the head.
        (replace(MLA, qk_nope_head_dim=0), [(R, 24, H), (T, 88, 24), (R, 30, H), (T, 4 * 36, 20), (T, H, 56)]),
        (replace(MLA, kv_lora_rank=0), [(R, 24, H), (T, 88, 24), (R, 32, H), (T, H, 56)]),
        (GDN, [(T, (2 * 30 + 2 * 84 + 2 * 6) / 2, H), (T, H, 42)]),
    ],
)
def test_products_of_a_mixer(mixer: Mixer, wanted: list[tuple[float, ...]]) -> None:
    assert listed(mixer_gemms(mixer, arch(mixer), C)) == [(*one, 1.0) for one in wanted]


def test_products_of_a_feed_forward() -> None:
    assert listed(feed_forward_gemms(FF, arch(), C)) == [(T, 48, H, 1), (T, H, 24, 1)]
    assert listed(feed_forward_gemms(replace(FF, gated=False), arch(), C)) == [(T, 24, H, 1), (T, H, 24, 1)]
    pairs = R * 3
    experts = [(R, 16, H, 1), (T, 56, H, 1), (T, H, 28, 1)]
    routed = [(pairs / 16, 80, H, 16), (pairs / 16, H, 40, 16)]
    assert listed(feed_forward_gemms(MOE, arch(ff=MOE), C)) == experts + routed
    latent = replace(MOE, latent=24)
    both = [(R, 24, H, 1), (R, H, 24, 1), (pairs / 16, 80, 24, 16), (pairs / 16, 24, 40, 16)]
    assert listed(feed_forward_gemms(latent, arch(ff=latent), C)) == experts + both
    # Four ranks of experts: four experts each; split over two tensor ranks of their own, which see twice the pairs.
    far = columns(512, tp=2, micro_batch=3, sequence_parallel=1, ep=4, etp=2)
    assert listed(feed_forward_gemms(MOE, arch(ff=MOE), far))[3:] == [
        (2 * pairs / 4, 40, H, 4),
        (2 * pairs / 4, H, 20, 4),
    ]
    # Fewer pairs than experts: as many experts work as there are pairs, and one where there is none.
    few = columns(2, tp=1)
    assert listed(feed_forward_gemms(MOE, arch(ff=MOE), few))[3:] == [(1, 80, H, 6), (1, H, 40, 6)]


def test_pairs_of_tokens_and_experts() -> None:
    assert float(expert_tokens(MOE, C)[0]) == R * 3
    # Without sequence parallelism every tensor rank still sends its share alone.
    assert float(expert_tokens(MOE, columns(512, tp=2, micro_batch=3))[0]) == R * 3
    assert float(expert_tokens(MOE, columns(512, tp=2, micro_batch=3, etp=2))[0]) == R * 6
    assert float(permute_bytes(MOE, arch(ff=MOE), C)[0]) == R * 3 * H * 16
    assert (
        float(permute_bytes(replace(MOE, latent=24), arch(), columns(512, tp=2, micro_batch=3, etp=2))[0])
        == R * 3 * 24 * 16
    )
    assert float(permute_bytes(FF, arch(), C)[0]) == 0.0


def test_key_value_heads_are_repeated_over_more_ranks() -> None:
    assert [float(kv_heads_per_rank(GQA, columns(512, tp=tp))[0]) for tp in (1, 2, 4, 8)] == [2.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("mixer", "pairs"),
    [
        (GQA, 512 * 512 / 2),
        (replace(GQA, window=128), 512 * 128 - 128 * 128 / 2),
        (replace(GQA, window=4096), 512 * 512 / 2),
        (replace(GQA, window=128, compress_ratio=4), 512 * 128 - 128 * 128 / 2 + 512 * 512 / 8),
        (replace(GQA, window=128, compress_ratio=4, **IDX), 512 * 128 - 128 * 128 / 2),
    ],
)
def test_pairs_and_flops_of_attention(mixer: Mixer, pairs: float) -> None:
    assert attention_pairs(mixer, 512.0) == pairs
    index = 512 * 512 * 5 * 9 if mixer.index_heads else 0.0
    # Of three sequences, four of eight heads each.
    assert float(core_flop(mixer, C)[0]) == (2.0 * pairs * 8 * 28 + index) * 3 / 2
    assert core_flop_per_token(arch(mixer), 512) == pytest.approx(5 * (2.0 * pairs * 8 * 28 + index) / 512)
    over = columns(512, tp=2, cp=4, micro_batch=3)
    assert float(core_flop(mixer, over)[0]) == pytest.approx(float(core_flop(mixer, C)[0]) / 4)


def test_flops_of_a_recurrence() -> None:
    per_token = 6 * (4.0 * 10 * 14 + 2.0 * 64 * 24)
    assert float(core_flop(GDN, C)[0]) == T * per_token / 2
    assert core_flop_per_token(arch(GDN), 512) == 5 * per_token


def test_flops_of_a_model() -> None:
    multiplied = stored(*PROJECTIONS) + 3 * H * 48
    assert matmul_params(arch()) == 5 * multiplied + 64_000
    core = 5 * 2.0 * 256 * 8 * 28
    assert model_flop_per_token(arch(), 512) == 6.0 * (5 * multiplied + 64_000) + 3.0 * core
    assert layer_forward_flop(arch(), 512) == 2.0 * 5 * multiplied + core
    # A layer without a mixer has no core, and a tied table is multiplied with all the same.
    assert core_flop_per_token(arch(mixer=None), 512) == 0.0
    assert matmul_params(arch(tied_embeddings=True)) == matmul_params(arch())


def test_bytes_of_a_core() -> None:
    assert float(core_bytes(GQA, C)[0]) == 2.0 * T * (4 + 1) * 28
    assert float(core_bytes(MLA, C)[0]) == 2.0 * T * (4 + 4) * 36


def test_bytes_of_norms_and_rotary() -> None:
    def both(mixer: Mixer, **more: Any) -> tuple[float, float]:
        forward, backward = mixer_stream_bytes(mixer, arch(mixer, **more), C)
        return float(forward[0]), float(backward[0])

    rotary = 4.0 * T * 5 * 16
    assert both(GQA) == (10.0 * R * H + rotary, 12.0 * R * H + rotary)
    assert both(GQA, qk_norm=True, norms_per_block=2) == (20.0 * R * H + 2 * rotary, 24.0 * R * H + 2 * rotary)
    assert both(MLA) == (10.0 * R * H + 4.0 * T * 8 * 22, 12.0 * R * H + 4.0 * T * 8 * 22)
    # q, k, v and gate of two ranks once more, and states of 10 x 14 in fp32 every 64 tokens.
    turn, streams, states = 4.0 * T * 6 * 10, 2.0 * T * (84 + 30) / 2, 4.0 * T * 3 * 10 * 14 / 64
    assert both(GDN) == pytest.approx((
        10.0 * R * H + turn + 8 * streams + 3 * states, 12.0 * R * H + turn + 16 * streams + 6 * states,
    ))  # fmt: skip


def test_bytes_of_feed_forwards() -> None:
    def both(ff: FeedForward, **more: Any) -> tuple[float, float]:
        forward, backward = feed_forward_stream_bytes(ff, arch(ff=ff, **more), C)
        return float(forward[0]), float(backward[0])

    assert both(FF) == (10.0 * R * H + 6.0 * T * 24, 12.0 * R * H + 10.0 * T * 24)
    assert both(replace(FF, gated=False), norms_per_block=2) == (
        20.0 * R * H + 4.0 * T * 24,
        24.0 * R * H + 6.0 * T * 24,
    )
    width, router = T * 28 + R * 3 * 40, 16.0 * R * 16
    assert both(MOE) == (10.0 * R * H + 6.0 * width + router, 12.0 * R * H + 10.0 * width + router)
