"""The work of one layer on one rank: GEMM shapes, attention FLOPs, bytes of memory-bound work, saved activations.

Shapes follow how Megatron-Core and FSDP stacks split a layer: column-parallel then row-parallel linear layers under
tensor parallelism (arXiv 1909.08053), tokens split over sequence-parallel regions (arXiv 2205.05198), sequences split
over context-parallel ranks, experts over expert-parallel ranks with their own tensor parallelism (ETP).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.layout import IntArray
from fmctl.domain.model import FeedForward, Mixer, ModelArch
from fmctl.domain.result import FloatArray
from fmctl.perf.ops.operation import Gemm

# Chunk length of chunked linear attention and state-space kernels (GDN, KDA and Mamba-2 reference kernels use 64).
LINEAR_CHUNK = 64


@dataclass(slots=True, eq=False, repr=False)
class Combos:
    """Unique combinations of the layout fields that one layer's cost depends on: arrays of shape [U]."""

    tp: FloatArray
    cp: FloatArray
    ep: FloatArray
    etp: FloatArray
    micro_batch: FloatArray
    sequence_parallel: FloatArray
    cuda_graph: FloatArray
    staged: FloatArray  # 1 where pipeline stages lie in several NVLink domains
    tokens: FloatArray  # micro_batch x seq / cp: what one rank computes per micro batch
    region: FloatArray  # tokens between products: tokens / tp with sequence parallelism, tokens without
    seq: float
    precision: IntArray  # this and the next are codes
    recompute: IntArray
    cp_comm: IntArray
    dispatcher: IntArray


def _f(value: float) -> FloatArray:
    return np.asarray(value, dtype=np.float64)


def kv_heads_per_rank(mixer: Mixer, c: Combos) -> FloatArray:
    """Key/value heads on one TP rank: n_kv / tp, at least one (heads are replicated where tp exceeds them)."""
    heads: FloatArray = np.maximum(mixer.n_kv_heads / c.tp, 1.0)
    return heads


def mixer_gemms(mixer: Mixer, arch: ModelArch, c: Combos) -> list[Gemm]:
    """Linear layers of a token mixer on one rank.

    attention: QKV (with the output gate where there is one) and output projection. mla: down- and up-projections of
    arXiv 2405.04434 (down-projections work on the sequence-parallel region). Recurrences: input projection of q, k,
    v, gate and per-head scalars, output projection.
    """
    h = _f(arch.hidden)
    t = c.tokens
    out_width = mixer.n_heads * mixer.v_head_dim / c.tp
    if mixer.type == "mla":
        gemms = _mla_gemms(mixer, h, c)
    elif mixer.type == "attention":
        kv = kv_heads_per_rank(mixer, c)
        values = 0.0 if mixer.shared_kv else mixer.v_head_dim
        query = mixer.n_heads * mixer.head_dim / c.tp * (2.0 if mixer.output_gate else 1.0)
        keys = kv * (mixer.head_dim + values)
        if mixer.q_lora_rank:
            rank = _f(mixer.q_lora_rank)
            gemms = [Gemm(t, rank, h), Gemm(t, query, rank), Gemm(t, keys, h)]
        else:
            gemms = [Gemm(t, query + keys, h)]
        if mixer.index_heads:
            gemms.append(Gemm(c.region, _f(mixer.index_heads * mixer.index_head_dim), _f(mixer.q_lora_rank or 1)))
    else:
        # Recurrences project q and k (B and C of a state-space layer), v and its gate, and two scalars per head.
        width = 2.0 * (mixer.n_key_heads * mixer.head_dim + mixer.n_heads * (mixer.v_head_dim + 1)) / c.tp
        gemms = [Gemm(t, width, h)]
    if mixer.o_lora_rank:
        groups = max(mixer.o_groups, 1)
        return [
            *gemms,
            Gemm(t, mixer.o_lora_rank / c.tp * groups, out_width / groups),
            Gemm(t, h, groups * mixer.o_lora_rank / c.tp),
        ]
    return [*gemms, Gemm(t, h, out_width)]


def _mla_gemms(mixer: Mixer, h: FloatArray, c: Combos) -> list[Gemm]:
    t, region, heads = c.tokens, c.region, mixer.n_heads / c.tp
    nope = mixer.qk_nope_head_dim or mixer.head_dim
    latent = mixer.kv_lora_rank or mixer.head_dim
    gemms = []
    if mixer.q_lora_rank:
        gemms += [Gemm(region, _f(mixer.q_lora_rank), h), Gemm(t, heads * mixer.head_dim, _f(mixer.q_lora_rank))]
    else:
        gemms.append(Gemm(t, heads * mixer.head_dim, h))
    gemms.append(Gemm(region, _f(latent + mixer.qk_rope_head_dim), h))
    if mixer.kv_lora_rank:
        gemms.append(Gemm(t, heads * (nope + mixer.v_head_dim), _f(latent)))
    if mixer.index_heads:
        gemms.append(Gemm(region, _f(mixer.index_heads * mixer.index_head_dim), _f(mixer.q_lora_rank or 1)))
    return gemms


def expert_tokens(ff: FeedForward, c: Combos) -> FloatArray:
    """Token-expert pairs that one rank computes per micro batch, balanced routing: region x top_k x etp, shape [U]."""
    share = np.where(c.sequence_parallel > 0, c.region, c.tokens / c.tp)
    pairs: FloatArray = share * ff.top_k * c.etp
    return pairs


def feed_forward_gemms(ff: FeedForward, arch: ModelArch, c: Combos) -> list[Gemm]:
    """Linear layers of a feed-forward: dense part, router, shared experts, routed experts as one grouped product."""
    h, t = _f(arch.hidden), c.tokens
    up = 2.0 if ff.gated else 1.0
    gemms = []
    if ff.ffn:
        gemms += [Gemm(t, up * ff.ffn / c.tp, h), Gemm(t, h, ff.ffn / c.tp)]
    if not ff.n_experts:
        return gemms
    gemms.append(Gemm(c.region, _f(ff.n_experts), h))
    if ff.shared_ffn:
        gemms += [Gemm(t, up * ff.shared_ffn / c.tp, h), Gemm(t, h, ff.shared_ffn / c.tp)]
    width = _f(ff.latent or arch.hidden)
    if ff.latent:
        gemms += [Gemm(c.region, width, h), Gemm(c.region, h, width)]
    pairs = expert_tokens(ff, c)
    # An expert that receives no token costs nothing: at most one active expert per token-expert pair.
    groups = np.minimum(ff.n_experts / c.ep, np.maximum(pairs, 1.0))
    rows = pairs / groups
    gemms += [
        Gemm(rows, up * ff.expert_ffn / c.etp, width, groups),
        Gemm(rows, width, ff.expert_ffn / c.etp, groups),
    ]
    return gemms


def attention_pairs(mixer: Mixer, seq: float) -> float:
    """Query-key pairs of one sequence and head under a causal mask: s w - w^2 / 2 with w = min(window, s).

    Full attention: s^2 / 2. Compressed attention also sees one pooled key per c tokens: + s^2 / (2 c); at small c an
    indexer picks among them and the window holds what it picks. Source: counting; the diagonal (s / 2 pairs) is left
    out as in arXiv 2205.14135 kernels.
    """
    window = min(float(mixer.window or seq), seq)
    pooled = seq * seq / (2.0 * mixer.compress_ratio) if mixer.compress_ratio and not mixer.index_heads else 0.0
    return seq * window - window * window / 2.0 + pooled


def core_flop(mixer: Mixer, c: Combos) -> FloatArray:
    """Forward FLOPs of the mixer's core on one rank and micro batch, shape [U].

    attention and mla: 2 pairs (head_dim + v_head_dim) per head (causal half only), plus the indexer where keys are
    picked sparsely. Recurrences: chunked form, per token and head 4 dk dv for the state and 2 C (dk + dv) inside a
    chunk of C tokens (arXiv 2405.21060 section 6; arXiv 2412.06464).
    """
    per_rank = c.micro_batch / c.cp / c.tp
    if mixer.type in ("attention", "mla"):
        flop = 2.0 * attention_pairs(mixer, c.seq) * mixer.n_heads * (mixer.head_dim + mixer.v_head_dim)
        if mixer.index_heads:
            flop += c.seq * c.seq * mixer.index_heads * mixer.index_head_dim
        return flop * per_rank
    dk, dv = mixer.head_dim, mixer.v_head_dim
    return c.seq * mixer.n_heads * (4.0 * dk * dv + 2.0 * LINEAR_CHUNK * (dk + dv)) * per_rank


def core_bytes(mixer: Mixer, c: Combos) -> FloatArray:
    """Bytes of queries, keys, values and output, once each in bf16, shape [U]."""
    kv = kv_heads_per_rank(mixer, c) if mixer.type == "attention" else mixer.n_heads / c.tp
    heads = mixer.n_heads / c.tp
    return 2.0 * c.tokens * (heads + kv) * (mixer.head_dim + mixer.v_head_dim)


def mixer_stream_bytes(mixer: Mixer, arch: ModelArch, c: Combos) -> tuple[FloatArray, FloatArray]:
    """(forward, backward) bytes of norms, residual, rotary and q/k norms of a mixer block, each operand once.

    Forward: norm reads and writes h, the residual add reads two and writes one: 10 bytes x h per token; rotary 4
    bytes per query and key element. Backward: 12 h, and rotary again.
    """
    h = arch.hidden * arch.norms_per_block
    heads = mixer.n_heads / c.tp
    kv = kv_heads_per_rank(mixer, c) if mixer.type == "attention" else heads
    rotary = 4.0 * c.tokens * (heads + kv) * mixer.head_dim * (2.0 if arch.qk_norm else 1.0)
    extra_forward, extra_backward = 0.0 * c.tokens, 0.0 * c.tokens
    if mixer.type not in ("attention", "mla"):
        # Short convolution, gates and the gated output norm read and write their streams once more; the fp32 state of
        # every chunk is written, scanned and read again (backward: twice over).
        streams = c.tokens * (heads * mixer.v_head_dim * 2.0 + mixer.n_key_heads * mixer.head_dim * 2.0 / c.tp)
        states = c.tokens * heads * mixer.head_dim * mixer.v_head_dim * 4.0 / LINEAR_CHUNK
        extra_forward, extra_backward = 8.0 * streams + 3.0 * states, 16.0 * streams + 6.0 * states
    forward: FloatArray = c.region * h * 10.0 + rotary + extra_forward
    backward: FloatArray = c.region * h * 12.0 + rotary + extra_backward
    return forward, backward


def feed_forward_stream_bytes(ff: FeedForward, arch: ModelArch, c: Combos) -> tuple[FloatArray, FloatArray]:
    """(forward, backward) bytes of norms, residual, activation and router, each operand once.

    Activation: gated reads 2 f and writes f forward (6 bytes x f), reads 3 f and writes 2 f backward (10); not gated
    4 and 6. Router probabilities: 16 bytes per token and expert.
    """
    h = arch.hidden * arch.norms_per_block
    act_forward, act_backward = (6.0, 10.0) if ff.gated else (4.0, 6.0)
    width = c.tokens * (ff.ffn + ff.shared_ffn) / c.tp
    forward = c.region * h * 10.0 + act_forward * width
    backward = c.region * h * 12.0 + act_backward * width
    if ff.n_experts:
        expert_width = expert_tokens(ff, c) * ff.expert_ffn / c.etp
        router = c.region * ff.n_experts * 16.0
        forward = forward + router + act_forward * expert_width
        backward = backward + router + act_backward * expert_width
    return forward, backward


def permute_bytes(ff: FeedForward, arch: ModelArch, c: Combos) -> FloatArray:
    """Bytes of sorting token-expert pairs in one pass, each read and written before and after the experts, twice.

    16 bytes x width per pair: bf16, gathered by expert before dispatch and again by local expert, and back.
    """
    if not ff.n_experts:
        return 0.0 * c.tokens
    return expert_tokens(ff, c) * (ff.latent or arch.hidden) * 16.0 / c.etp
