"""Model architectures from Hugging Face `config.json` files; what the file does not say is refused, not guessed."""

from __future__ import annotations

import re
from pathlib import Path

from fmctl.base.errors import UnreadableFile, UsageError
from fmctl.base.parse import NotParsed, from_json
from fmctl.base.read import Fields
from fmctl.catalog.assemble import Layer, assemble
from fmctl.catalog.fields import check
from fmctl.catalog.hf_attention import heads, mamba2
from fmctl.catalog.hf_feed_forwards import dense, experts, feed_forwards, is_gated
from fmctl.catalog.hf_fields import NEXT, Config, open_config
from fmctl.catalog.hf_mixers import mixers
from fmctl.catalog.patterns import MOST_LAYERS
from fmctl.catalog.schema import to_yaml
from fmctl.catalog.store import read_text
from fmctl.domain.model import Bias, Mixer, ModelArch, NormType

__all__ = ["from_config", "read_config", "to_yaml"]

STRANGE = re.compile(r"mamba|ssm|rwkv|retention|recurrent|hyena|linear_|conv|latent|delta|compress|^hc_|engram")
"""Fields that hint at a token mixer or a residual scheme that code for an unknown type would need to be read for."""

UNSUPPORTED = ("hidden_size_per_layer_input", "num_kv_shared_layers")
"""Structures of known types (per-layer embeddings, shared caches) that the layer kinds cannot express."""

BLOCKS = {"M": "mamba", "*": "attention", "E": "moe", "-": "mlp"}
LAYER_COUNT = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")


def read_config(path: Path) -> ModelArch:
    """Read a `config.json`; the model is named after the file, or its folder if the file is `config.json`.

    Raises:
        UsageError: not a readable configuration, or an architecture that is not known.
    """
    text = read_text(path)
    try:
        config = from_json(text, odd=True)  # some of these files hold a bare Infinity
    except NotParsed as error:
        raise UnreadableFile(f"{path} is not valid JSON", why=str(error), next="correct the file") from None
    if not isinstance(config, dict):
        raise UnreadableFile(f"{path} is not a Hugging Face configuration", why="it holds no mapping", next=NEXT)
    name = path.resolve().parent.name if path.stem == "config" else path.stem.removesuffix("_config")
    return from_config(config, name.lower() or "model", str(path))


def from_config(config: Fields, name: str, where: str = "") -> ModelArch:
    """Build the architecture that a parsed `config.json` describes.

    Args:
        config: the parsed file.
        name: the name to give the model.
        where: what to call the file in complaints.

    Raises:
        UsageError: the type is not known and the file does not say enough; the missing fields are listed.
    """
    opened = open_config(config, where or name)
    if opened.flag("is_encoder_decoder"):
        raise opened.refuse("it is an encoder-decoder model; only decoder-only models are known")
    if not opened.known and (strange := sorted(key for key in opened.data if STRANGE.search(key) and opened.has(key))):
        raise opened.refuse(f"{_type(opened)} is not known and has fields of an unknown structure: {_listed(strange)}")
    if blocking := [key for key in UNSUPPORTED if opened.get(key)]:
        raise opened.refuse(f"it has a structure that cannot be expressed: {_listed(blocking)}")
    layers = _layers(opened)
    arch = _arch(opened, layers, name, where or name)
    if opened.missing:
        raise _incomplete(opened)
    return check(arch, where or name)


def _arch(config: Config, layers: list[Layer], name: str, where: str) -> ModelArch:
    kinds, pattern = assemble(layers)
    hf_id = config.get("_name_or_path")
    hidden = config.number("hidden_size", "n_embd", "d_model")
    vocab = config.number("vocab_size")
    positions = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
    return ModelArch(
        name=name,
        family=str(config.get("model_type") or "imported").replace("_", "-"),
        hidden=hidden,
        vocab=vocab,
        max_seq=config.number(*positions, default=config.traits.max_seq or None),
        kinds=kinds,
        pattern=pattern,
        tied_embeddings=_tied(config),
        learned_positions=config.traits.learned_positions,
        norm=_norm(config),
        norms_per_block=config.traits.norms_per_block,
        qk_norm=config.flag("use_qk_norm", "qk_layernorm", default=config.traits.qk_norm),
        bias=_bias(config),
        mtp_layers=config.number("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", default=0),
        hf_id=hf_id if isinstance(hf_id, str) and hf_id.count("/") == 1 and not hf_id.startswith("/") else "",
        source=f"Hugging Face configuration {Path(where).name}",
        notes="Text part of a multimodal model." if config.has("vision_config", "vision_start_token_id") else "",
    )


def _layers(config: Config) -> list[Layer]:
    if config.has("hybrid_override_pattern", "layers_block_type"):
        return _single_blocks(config)
    listed = config.get("layer_types", "block_configs")
    n = config.number(*LAYER_COUNT, default=len(listed) if isinstance(listed, list) else None)
    if n > MOST_LAYERS:
        raise config.refuse(f"it has more than {MOST_LAYERS} layers")
    if not n:
        config.lacks(LAYER_COUNT[0])
    return list(zip(mixers(config, n or 1), feed_forwards(config, n or 1), strict=True))


def _single_blocks(config: Config) -> list[Layer]:
    """Nemotron-H: one block per layer, spelled as a string or listed; there may be no layer count at all."""
    spelled = config.get("hybrid_override_pattern", "layers_block_type")
    if not isinstance(spelled, str | list) or len(spelled) != config.number(*LAYER_COUNT, default=len(spelled)):
        raise config.refuse("the layer pattern must have one entry per layer")
    names = [BLOCKS.get(str(letter), str(letter)) for letter in spelled]
    unknown = sorted(set(names) - set(BLOCKS.values()))
    if unknown:
        raise config.refuse(f"unknown block in the layer pattern: {_listed(unknown)}")
    gated = is_gated(config)
    made = {name: _block(config, name, gated=gated) for name in dict.fromkeys(names)}
    return [made[name] for name in names]


def _block(config: Config, name: str, *, gated: bool) -> Layer:
    if name == "mamba":
        return mamba2(config), None
    if name == "attention":
        n_heads, n_kv, size = heads(config)
        return Mixer("attention", n_heads, n_kv, size, size), None
    return None, experts(config, gated=gated) if name == "moe" else dense(config, gated=gated)


def _tied(config: Config) -> bool:
    if not config.known and not config.has("tie_word_embeddings"):
        config.lacks("tie_word_embeddings")
    return config.flag("tie_word_embeddings", default=config.traits.tied)


def _norm(config: Config) -> NormType:
    if config.known:
        return config.traits.norm
    if not config.has("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps"):
        config.lacks("rms_norm_eps or layer_norm_eps (which norm)")
    return "layernorm" if config.has("layer_norm_eps", "layer_norm_epsilon") else "rmsnorm"


def _bias(config: Config) -> Bias:
    if config.traits.bias != "none":
        return config.traits.bias
    attention = config.flag("attention_bias", "qkv_bias", "add_qkv_bias")
    return ("all" if config.flag("mlp_bias") else "qkv") if attention else "none"


def _incomplete(config: Config) -> UsageError:
    known = "" if config.known else f"{_type(config)} is not known, and "
    return config.refuse(f"{known}the file lacks: {'; '.join(config.missing)}")


def _type(config: Config) -> str:
    architectures = config.get("architectures")
    named = architectures[0] if isinstance(architectures, list) and architectures else None
    return f"model type '{config.get('model_type') or named or '(none)'}'"


def _listed(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
