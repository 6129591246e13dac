"""The token mixer of every layer of a Hugging Face configuration."""

from __future__ import annotations

from dataclasses import replace

from fmctl.catalog.hf_attention import (
    attention,
    compressed_attention,
    gated_delta_net,
    heads,
    kimi_delta_attention,
    latent_attention,
)
from fmctl.catalog.hf_fields import Config
from fmctl.domain.model import Mixer

FULL, SLIDING, LINEAR = "full", "sliding", "linear"
LAYER_TYPES = {
    "full_attention": FULL,
    "attention": FULL,
    "sliding_attention": SLIDING,
    "chunked_attention": SLIDING,
    "linear_attention": LINEAR,
}


def mixers(config: Config, n: int) -> list[Mixer | None]:
    """One mixer per layer."""
    if config.has("compress_ratios"):
        return [compressed_attention(config, ratio) for ratio in config.per_layer("compress_ratios", n)]
    if config.has("block_configs"):
        return [_searched(config, block) for block in config.per_layer("block_configs", n)]
    if config.has("sparse_attention_config") and config.part("sparse_attention_config").has("sparse_attention_freq"):
        return _block_sparse(config, n)
    words = layer_words(config, n)
    by_word = {word: _by_word(config, word) for word in dict.fromkeys(words)}
    return [by_word[word] for word in words]


def layer_words(config: Config, n: int) -> list[str]:
    """Full, sliding or linear for every layer, from whichever of the many fields says it."""
    if (types := config.entries("layer_types", n)) is not None:
        unknown = sorted({str(t) for t in types} - set(LAYER_TYPES))
        if unknown:
            raise config.refuse(f"unknown token mixer in layer_types: {', '.join(unknown[:4])}")
        return [LAYER_TYPES[str(t)] for t in types]
    if (types := config.entries("attn_type_list", n)) is not None:
        if any(t != 1 for t in types):
            raise config.refuse("unknown token mixer: attn_type_list has layers that are not softmax attention")
        return [FULL] * n
    if (types := config.entries("hybrid_layer_pattern", n)) is not None:
        return [SLIDING if t else FULL for t in types]
    if config.has("linear_attn_config"):
        full = config.part("linear_attn_config").indices("full_attn_layers")
        return [FULL if i + 1 in full else LINEAR for i in range(n)]
    if config.has("full_attention_interval") or config.has("linear_num_value_heads"):
        interval = config.number("full_attention_interval") or n
        return [FULL if (i + 1) % interval == 0 else LINEAR for i in range(n)]
    return _windows(config, n)


def _windows(config: Config, n: int) -> list[str]:
    if not config.has("sliding_window", "attention_chunk_size") or not config.flag("use_sliding_window", default=True):
        return [FULL] * n
    if (ropes := config.entries("no_rope_layers", n)) is not None:
        return [SLIDING if rope else FULL for rope in ropes]
    if config.has("use_sliding_window", "max_window_layers") and config.has("max_window_layers"):
        return [SLIDING if i >= config.number("max_window_layers") else FULL for i in range(n)]
    period = config.number("sliding_window_pattern", "_sliding_window_pattern", default=config.traits.window_period)
    if (
        config.number("sliding_window", "attention_chunk_size")
        >= config.number("max_position_embeddings", default=0)
        > 0
    ):
        return [FULL] * n
    if not period:
        if not config.known:
            config.lacks("layer_types (which layers slide)")
        period = 1
    return [FULL if period > 1 and (i + 1) % period == 0 else SLIDING for i in range(n)]


def _by_word(config: Config, word: str) -> Mixer:
    if word == LINEAR:
        return kimi_delta_attention(config) if config.has("linear_attn_config") else gated_delta_net(config)
    if config.has("kv_lora_rank"):
        return latent_attention(config)
    if word == SLIDING:
        return replace(attention(config, sliding=True), window=config.number("sliding_window", "attention_chunk_size"))
    return attention(config)


def _block_sparse(config: Config, n: int) -> list[Mixer | None]:
    """Blocks of keys chosen by an indexer, on the layers that `sparse_attention_freq` marks."""
    sparse = config.part("sparse_attention_config")
    full = attention(config)
    chosen = replace(
        full,
        window=sparse.number("sparse_block_size") * sparse.number("sparse_topk_blocks"),
        index_heads=sparse.number("sparse_num_index_heads"),
        index_head_dim=sparse.number("sparse_index_dim"),
    )
    return [chosen if mark else full for mark in sparse.per_layer("sparse_attention_freq", n)]


def _searched(config: Config, block: object) -> Mixer | None:
    """One block of a searched architecture (Nemotron NAS): its own group size, or no attention at all."""
    attention = block.get("attention") if isinstance(block, dict) else None
    if not isinstance(attention, dict) or attention.get("replace_with_linear"):
        raise config.refuse("block_configs has an attention block that is not known")
    if attention.get("no_op"):
        return None
    n_heads, _, size = heads(config)
    group = attention.get("n_heads_in_group")
    if not isinstance(group, int) or group < 1 or n_heads % group:
        raise config.refuse("block_configs has an attention block without a valid n_heads_in_group")
    return Mixer("attention", n_heads, n_heads // group, size, size)
