"""The feed-forward of every layer of a Hugging Face configuration: dense, experts, or both."""

from __future__ import annotations

from dataclasses import replace

from fmctl.catalog.hf_fields import Config
from fmctl.domain.model import FeedForward

EXPERTS = ("n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts")
TOP_K = ("num_experts_per_tok", "num_experts_per_token", "top_k_experts", "moe_top_k", "moe_topk")
SHARED_SIZES = (
    "shared_expert_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "shared_intermediate_size",
    "share_expert_dim",
)
GATED_ACTIVATIONS = ("silu", "swiglu", "swish", "geglu", "swigluoai")
ACTIVATION = ("hidden_act", "hidden_activation", "activation_function", "mlp_hidden_act")


def feed_forwards(config: Config, n: int) -> list[FeedForward | None]:
    """One feed-forward per layer."""
    gated = is_gated(config)
    if config.has("block_configs"):
        return [_searched(config, block, gated=gated) for block in config.per_layer("block_configs", n)]
    if not config.number(*EXPERTS, default=0):
        return [dense(config, gated=gated)] * n
    moe = experts(config, gated=gated)
    if config.flag("enable_moe_block"):
        return [replace(moe, ffn=config.number("intermediate_size"))] * n
    marks = _moe_marks(config, n)
    other = dense(config, gated=gated) if not all(marks) else moe
    return [moe if mark else other for mark in marks]


def is_gated(config: Config) -> bool:
    """Whether the feed-forward has a gate; an activation alone rarely says it."""
    if config.known:
        return config.traits.gated
    activation = config.get(*ACTIVATION)
    if activation not in GATED_ACTIVATIONS:
        config.lacks("hidden_act" if activation is None else f"whether '{activation}' is used with a gate")
    return True


def dense(config: Config, *, gated: bool) -> FeedForward:
    """The dense feed-forward, whose size has other names where `intermediate_size` is that of an expert."""
    names = ("intermediate_size_mlp", "dense_intermediate_size", "intermediate_size", "ffn_hidden_size", "n_inner")
    if not config.has(*names) and config.traits.ffn_multiple:
        multiple = config.number("expansion_ratio", default=config.traits.ffn_multiple)
        return FeedForward(gated, ffn=multiple * config.number("hidden_size", "n_embd", "d_model"))
    return FeedForward(gated, ffn=config.number(*names, called="intermediate_size"))


def experts(config: Config, *, gated: bool) -> FeedForward:
    """Routed and shared experts, under the names of all the families."""
    size = config.number("moe_intermediate_size", "expert_intermediate_size", "intermediate_size")
    count = config.number("n_shared_experts", "num_shared_experts", default=int(config.traits.implicit_shared))
    shared = config.number(*SHARED_SIZES, default=count * size)
    return FeedForward(
        gated=gated,
        n_experts=config.number(*EXPERTS),
        top_k=config.number(*TOP_K),
        expert_ffn=size,
        shared_ffn=shared,
        latent=config.number("moe_latent_size", "routed_expert_hidden_size", default=0),
        shared_gate=bool(shared) and config.traits.shared_gate,
    )


def _moe_marks(config: Config, n: int) -> list[bool]:
    """Which layers have experts."""
    if (types := config.entries("mlp_layer_types", n)) is not None:
        return [t != "dense" for t in types]
    if isinstance(config.get("moe_layer_freq"), list):
        return [bool(mark) for mark in config.per_layer("moe_layer_freq", n)]
    if config.get("moe_layers"):
        listed = config.indices("moe_layers")
        return [i in listed for i in range(n)]
    if config.has("interleave_moe_layer_step", "decoder_sparse_step"):
        step = config.number("interleave_moe_layer_step", "decoder_sparse_step")
        dense_layers = config.indices("mlp_only_layers")
        return [step > 0 and (i + 1) % step == 0 and i not in dense_layers for i in range(n)]
    if not config.known and not config.has("first_k_dense_replace") and config.has("moe_intermediate_size"):
        config.lacks("first_k_dense_replace or moe_layer_freq (which layers have experts)")
    first, every = config.number("first_k_dense_replace", default=0), config.number("moe_layer_freq", default=1) or 1
    return [i >= first and i % every == 0 for i in range(n)]


def _searched(config: Config, block: object, *, gated: bool) -> FeedForward | None:
    """One block of a searched architecture: a multiple of two thirds of the hidden size, rounded up to 256."""
    ffn = block.get("ffn") if isinstance(block, dict) else None
    if not isinstance(ffn, dict) or ffn.get("replace_with_linear"):
        raise config.refuse("block_configs has a feed-forward block that is not known")
    if ffn.get("no_op"):
        return None
    if isinstance(size := ffn.get("intermediate_size"), int):
        return FeedForward(gated, ffn=size)
    if not isinstance(multiple := ffn.get("ffn_mult"), int | float):
        raise config.refuse("block_configs has a feed-forward block without ffn_mult")
    wanted = int(2 * multiple * config.number("hidden_size") / 3)
    return FeedForward(gated, ffn=-(-wanted // 256) * 256)
