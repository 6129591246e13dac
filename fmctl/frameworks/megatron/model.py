"""Arguments of Megatron-Core's pretrain_gpt.py for an architecture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fmctl.domain.model import FeedForward, Mixer, ModelArch
from fmctl.domain.program import Run


def model_arguments(arch: ModelArch, run: Run) -> Iterator[str]:
    """What the model is, as far as pretrain_gpt.py has words for it; `unsaid` names the rest."""
    mixers, feeds = _mixers(arch), _feeds(arch)
    yield from ("--use-mcore-models", "--transformer-impl", "transformer_engine", "--num-layers", str(arch.n_layers))
    yield from ("--hidden-size", str(arch.hidden), "--max-position-embeddings", str(max(arch.max_seq, run.seq_len)))
    if mixers:
        yield from _attention(mixers[0])
    yield from ("--position-embedding-type", "learned_absolute" if arch.learned_positions else "rope")
    yield from ("--normalization", "RMSNorm" if arch.norm == "rmsnorm" else "LayerNorm")
    yield from (() if arch.tied_embeddings else ("--untie-embeddings-and-output-weights",))
    yield from () if arch.bias == "all" else ("--disable-bias-linear",)
    yield from ("--add-qkv-bias",) if arch.bias == "qkv" else ()
    yield from ("--qk-layernorm",) if arch.qk_norm else ()
    yield from ("--swiglu",) if feeds and feeds[0].gated else ()
    dense = next((feed.ffn for feed in feeds if feed.ffn), 0)
    yield from ("--ffn-hidden-size", str(dense)) if dense else ()
    yield from _experts(arch)
    yield from ("--mtp-num-layers", str(arch.mtp_layers)) if arch.mtp_layers else ()


def unsaid(arch: ModelArch) -> Sequence[str]:
    """What of the architecture the arguments do not say."""
    mixers = _mixers(arch)
    found = []
    if len({*mixers}) > 1 or any(mixer.type not in ("attention", "mla") for mixer in mixers):
        found.append("layers of several kinds")
    if any(mixer.window for mixer in mixers):
        found.append("attention windows")
    if any(mixer.output_gate or mixer.shared_kv or mixer.compress_ratio or mixer.o_groups for mixer in mixers):
        found.append("attention variants")
    if any(feed.latent or feed.shared_gate for feed in _feeds(arch)):
        found.append("expert variants")
    if arch.norms_per_block != 1:
        found.append("norms after blocks")
    return found


def _attention(mixer: Mixer) -> Iterator[str]:
    yield from ("--num-attention-heads", str(mixer.n_heads))
    if mixer.type == "mla":
        yield from ("--multi-latent-attention", "--kv-lora-rank", str(mixer.kv_lora_rank))
        yield from ("--q-lora-rank", str(mixer.q_lora_rank)) if mixer.q_lora_rank else ()
        yield from ("--qk-head-dim", str(mixer.qk_nope_head_dim), "--qk-pos-emb-head-dim", str(mixer.qk_rope_head_dim))
        yield from ("--v-head-dim", str(mixer.v_head_dim))
        return
    yield from ("--kv-channels", str(mixer.head_dim))
    if mixer.n_kv_heads not in (0, mixer.n_heads):
        yield from ("--group-query-attention", "--num-query-groups", str(mixer.n_kv_heads))


def _experts(arch: ModelArch) -> Iterator[str]:
    routed = [kind.feed_forward for kind in arch.kinds if kind.feed_forward is not None and kind.feed_forward.n_experts]
    if not routed:
        return
    feed = routed[0]
    yield from ("--num-experts", str(feed.n_experts), "--moe-router-topk", str(feed.top_k), "--moe-grouped-gemm")
    yield from ("--moe-ffn-hidden-size", str(feed.expert_ffn), "--moe-permute-fusion")
    if feed.shared_ffn:
        yield from ("--moe-shared-expert-intermediate-size", str(feed.shared_ffn))
    if len(routed) < len(arch.kinds):
        sparse = "".join("01"[bool(_routed(arch, i))] for i in range(arch.n_layers))
        yield from ("--moe-layer-freq", "([" + ",".join(sparse) + "])")


def _routed(arch: ModelArch, layer: int) -> int:
    feed = arch.kinds[arch.pattern[layer]].feed_forward
    return 0 if feed is None else feed.n_experts


def _mixers(arch: ModelArch) -> list[Mixer]:
    return [kind.mixer for kind in arch.kinds if kind.mixer is not None]


def _feeds(arch: ModelArch) -> list[FeedForward]:
    return [kind.feed_forward for kind in arch.kinds if kind.feed_forward is not None]
