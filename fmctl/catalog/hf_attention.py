"""One token mixer of a Hugging Face configuration, built from the fields of its family."""

from __future__ import annotations

from dataclasses import replace

from fmctl.catalog.hf_fields import Config
from fmctl.domain.model import Mixer


def heads(config: Config) -> tuple[int, int, int]:
    """Query heads, key/value heads and head size of plain attention; the size may differ from hidden / heads."""
    n_heads = config.number("num_attention_heads", "n_head", "n_heads")
    default = 1 if config.flag("multi_query") and not config.flag("new_decoder_architecture") else n_heads
    n_kv = config.number("num_key_value_heads", "num_kv_heads", "n_head_kv", default=default)
    size = config.number("head_dim", "attention_head_dim", "kv_channels", default=0)
    if not size:
        hidden = config.number("hidden_size", "n_embd", "d_model")
        if n_heads and hidden % n_heads:
            config.lacks("head_dim (hidden_size is not a multiple of the heads)")
        size = hidden // n_heads if n_heads else 0
    return n_heads, n_kv, size


def attention(config: Config, *, sliding: bool = False) -> Mixer:
    """Plain attention; sliding layers, or the global ones of Gemma 4, may have dimensions of their own."""
    n_heads, n_kv, size = heads(config)
    values = config.number("v_head_dim", default=size)
    shared = False
    if sliding:
        n_heads = config.number("swa_num_attention_heads", default=n_heads)
        n_kv = config.number("swa_num_key_value_heads", default=n_kv)
        size, values = config.number("swa_head_dim", default=size), config.number("swa_v_head_dim", default=values)
    elif config.has("global_head_dim"):
        size = values = config.number("global_head_dim")
        shared = config.flag("attention_k_eq_v")
        n_kv = config.number("num_global_key_value_heads", default=n_kv)
    gate = config.flag("attn_output_gate", default=config.traits.output_gate)
    return Mixer("attention", n_heads, n_kv, size, values, output_gate=gate, shared_kv=shared)


def latent_attention(config: Config) -> Mixer:
    """Latent attention; a `head_dim` in the file is not its head size and is not read."""
    n_heads = config.number("num_attention_heads")
    nope, rope = config.number("qk_nope_head_dim"), config.number("qk_rope_head_dim")
    return Mixer(
        type="mla",
        n_heads=n_heads,
        n_kv_heads=n_heads,
        head_dim=nope + rope,
        v_head_dim=config.number("v_head_dim"),
        window=config.number("index_topk", default=0),
        output_gate=config.flag("mla_use_output_gate"),
        q_lora_rank=config.number("q_lora_rank", default=0),
        kv_lora_rank=config.number("kv_lora_rank"),
        qk_nope_head_dim=nope,
        qk_rope_head_dim=rope,
        index_heads=config.number("index_n_heads", default=0),
        index_head_dim=config.number("index_head_dim", default=0),
    )


def gated_delta_net(config: Config) -> Mixer:
    """The recurrence of Qwen3-Next and Qwen3.5."""
    n_heads = config.number("linear_num_value_heads")
    return Mixer(
        type="gated-delta-net",
        n_heads=n_heads,
        n_kv_heads=n_heads,
        head_dim=config.number("linear_key_head_dim"),
        v_head_dim=config.number("linear_value_head_dim"),
        output_gate=True,
        n_key_heads=config.number("linear_num_key_heads"),
        conv_kernel=config.number("linear_conv_kernel_dim"),
    )


def kimi_delta_attention(config: Config) -> Mixer:
    """The recurrence of Kimi Linear and Kimi K3."""
    linear = config.part("linear_attn_config")
    n_heads, size = linear.number("num_heads"), linear.number("head_dim")
    kernel = linear.number("short_conv_kernel_size")
    gate = linear.flag("use_full_rank_gate")
    return Mixer("kda", n_heads, n_heads, size, size, output_gate=gate, n_key_heads=n_heads, conv_kernel=kernel)


def compressed_attention(config: Config, ratio: object) -> Mixer:
    """DeepSeek V4: a window, and pooled keys at the layer's ratio (0: none; 4: chosen by an indexer)."""
    if ratio not in (0, 4, 128):
        raise config.refuse(f"unknown token mixer: compress_ratios has {ratio!r}")
    n_heads, n_kv, size = heads(config)
    mixer = Mixer(
        type="attention",
        n_heads=n_heads,
        n_kv_heads=n_kv,
        head_dim=size,
        v_head_dim=size,
        window=config.number("sliding_window"),
        shared_kv=True,
        q_lora_rank=config.number("q_lora_rank"),
        qk_rope_head_dim=config.number("qk_rope_head_dim"),
        o_lora_rank=config.number("o_lora_rank"),
        o_groups=config.number("o_groups"),
        compress_ratio=ratio,
    )
    if ratio != 4:
        return mixer
    window = mixer.window + config.number("index_topk")
    index_heads, index_head_dim = config.number("index_n_heads"), config.number("index_head_dim")
    return replace(mixer, window=window, index_heads=index_heads, index_head_dim=index_head_dim)


def mamba2(config: Config) -> Mixer:
    """The state-space block of Nemotron-H."""
    n_heads = config.number("mamba_num_heads")
    return Mixer(
        type="mamba2",
        n_heads=n_heads,
        n_kv_heads=n_heads,
        head_dim=config.number("ssm_state_size", "mamba_state_dim"),
        v_head_dim=config.number("mamba_head_dim"),
        n_key_heads=config.number("n_groups", "mamba_num_groups"),
        conv_kernel=config.number("conv_kernel", "mamba_d_conv"),
    )
