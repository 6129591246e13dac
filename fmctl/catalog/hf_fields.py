"""Read a Hugging Face configuration: one field under its many names, and a list of everything that was missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fmctl.base.errors import UsageError, shorten
from fmctl.base.read import Fields, part
from fmctl.catalog.fields import LARGEST
from fmctl.domain.model import Bias, NormType

NEXT = "write the architecture as YAML by hand; the files of the presets are examples"
TEXT_PARTS = ("text_config", "language_config", "llm_config", "thinker_config")


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model type implies without saying it in the file."""

    gated: bool = True
    bias: Bias = "none"
    tied: bool = False
    norm: NormType = "rmsnorm"
    norms_per_block: int = 1
    qk_norm: bool = False
    learned_positions: bool = False
    ffn_multiple: int = 0
    max_seq: int = 0
    window_period: int = 0  # every n-th layer is full where the file does not list the layers; 1: all slide
    output_gate: bool = False
    implicit_shared: bool = False  # one shared expert of the expert size, which the file does not mention
    shared_gate: bool = False


_OLD = Traits(gated=False, bias="all", norm="layernorm")
_QWEN_LINEAR = Traits(qk_norm=True, output_gate=True, shared_gate=True)
_GEMMA = Traits(tied=True, norms_per_block=2)

KNOWN: Mapping[str, Traits] = {
    **dict.fromkeys(
        ("llama", "phi3", "mixtral", "deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_v4"), Traits()
    ),
    **dict.fromkeys(
        ("kimi_k2", "kimi_k25", "kimi_k3", "kimi_linear", "glm4_moe", "glm_moe_dsa", "minimax_m2"), Traits()
    ),
    **dict.fromkeys(("minimax_m3", "minimax_m3_vl", "mimo_v2_flash", "mimo_v2", "step3p7", "nemotron-nas"), Traits()),
    "mistral": Traits(window_period=1),
    "gpt2": Traits(gated=False, bias="all", tied=True, norm="layernorm", learned_positions=True, ffn_multiple=4),
    "bloom": Traits(gated=False, bias="all", tied=True, norm="layernorm", ffn_multiple=4, max_seq=2048),
    "gpt_neox": _OLD,
    "phi": _OLD,
    "falcon": Traits(gated=False, norm="layernorm", ffn_multiple=4, max_seq=2048),
    "mpt": Traits(gated=False, tied=True, norm="layernorm", ffn_multiple=4),
    "nemotron": Traits(gated=False, norm="layernorm"),
    "nemotron_h": Traits(gated=False),
    "qwen2": Traits(bias="qkv"),
    "qwen2_moe": Traits(bias="qkv", shared_gate=True),
    **dict.fromkeys(("qwen3", "qwen3_moe", "qwen3_vl", "qwen3_vl_moe", "olmo2"), Traits(qk_norm=True)),
    **dict.fromkeys(("qwen3_next", "qwen3_5", "qwen3_5_moe"), _QWEN_LINEAR),
    "olmo3": Traits(qk_norm=True, window_period=4),
    "gpt_oss": Traits(bias="all", window_period=2),
    "gemma": Traits(tied=True),
    "gemma2": Traits(tied=True, norms_per_block=2, window_period=2),
    "gemma3": Traits(tied=True, norms_per_block=2, window_period=6, qk_norm=True),
    "gemma4": Traits(tied=True, norms_per_block=2, window_period=6, qk_norm=True),
    "llama4": Traits(implicit_shared=True, window_period=4),
}
"""Model types whose code is known, with `_text` endings taken off."""


@dataclass(slots=True)
class Config:
    """A configuration with the text part on top; `missing` collects every field that was needed and not there."""

    data: Fields
    where: str
    known: bool
    traits: Traits
    missing: list[str] = field(default_factory=list)

    def get(self, *names: str) -> object:
        """The first of the names that is there and not null, else None."""
        return next((self.data[name] for name in names if self.data.get(name) is not None), None)

    def has(self, *names: str) -> bool:
        """Whether any of the names is there and not null."""
        return self.get(*names) is not None

    def number(self, *names: str, default: int | None = None, called: str = "") -> int:
        """A whole number under any of its names; without a default its absence is noted and 0 returned."""
        value = self.get(*names)
        if value is None:
            if default is None:
                self.lacks(called or names[0])
            return default or 0
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
            name = next(name for name in names if self.data.get(name) is not None)
            raise self.refuse(f"field '{name}' must be a whole number, not {shorten(repr(value), 40)}")
        return value

    def flag(self, *names: str, default: bool = False) -> bool:
        """A truth value under any of its names."""
        value = self.get(*names)
        return default if value is None else bool(value)

    def entries(self, name: str, n: int) -> list[object] | None:
        """A list with one entry per layer (entries beyond the main layers are dropped), or None if there is none."""
        value = self.get(name)
        if value is None or (isinstance(value, list) and not value):
            return None
        if not isinstance(value, list) or len(value) < n:
            raise self.refuse(f"field '{name}' must list {n} layers")
        return value[:n]

    def per_layer(self, name: str, n: int) -> list[object]:
        """As `entries`, for a list that must be there."""
        found = self.entries(name, n)
        if found is None:
            raise self.refuse(f"field '{name}' must list {n} layers")
        return found

    def indices(self, name: str) -> frozenset[int]:
        """The layers that a list of layer numbers names; empty without the list."""
        value = self.get(name) or []
        if not isinstance(value, list) or not all(isinstance(entry, int) for entry in value):
            raise self.refuse(f"field '{name}' must list layer numbers")
        return frozenset(value)

    def part(self, name: str) -> Config:
        """A nested configuration, reporting what it lacks to this one."""
        value = self.data.get(name)
        if not isinstance(value, Mapping):
            raise self.refuse(f"field '{name}' must be a mapping")
        return Config(value, f"{self.where}: {name}", self.known, self.traits, self.missing)

    def lacks(self, what: str) -> None:
        """Note that something needed is not there."""
        if what not in self.missing:
            self.missing.append(what)

    def refuse(self, why: str) -> UsageError:
        """An error that this configuration cannot be read, and why."""
        return UsageError(f"cannot read the architecture in {self.where}", why=why, next=NEXT)


def open_config(config: Fields, where: str) -> Config:
    """Put the text part of a multimodal configuration on top of the outer one and look its type up."""
    text = next((part(config[key]) for key in TEXT_PARTS if isinstance(config.get(key), Mapping)), None)
    outer = {key: value for key, value in config.items() if not isinstance(value, Mapping)}
    merged = config if text is None else {**outer, **{key: value for key, value in text.items() if value is not None}}
    types = [merged.get("model_type"), config.get("model_type")]
    names = [str(t).removesuffix("_text") for t in types if t]
    found = next((name for name in names if name in KNOWN), None)
    return Config(merged, where, found is not None, KNOWN[found] if found else Traits())
