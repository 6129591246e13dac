"""Fill a frozen dataclass from a parsed document: every field checked, every complaint naming file and field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

from fmctl.base.errors import UsageError, did_you_mean, shorten
from fmctl.base.read import Fields
from fmctl.domain.model import FeedForward, LayerKind, Mixer, ModelArch

T = TypeVar("T", Mixer, FeedForward, ModelArch)

CHOICES: dict[str, tuple[str, ...]] = {
    "MixerType": ("attention", "mla", "gated-delta-net", "kda", "mamba2"),
    "Bias": ("none", "qkv", "all"),
    "NormType": ("rmsnorm", "layernorm"),
}
HINT = "correct the field; the files of the presets are examples"
LARGEST = 10**16  # beyond any parameter count: a number above it is a mistake, and would overflow an int64 later

MOST = {"hidden": 2**20, "vocab": 2**24, "max_seq": 2**30}
"""Far beyond any model: what is above it is another number in the wrong field."""


def bad(where: str, field: str, why: str) -> UsageError:
    """A complaint about one field of a model file."""
    return UsageError(f"{where}: field '{shorten(field)}' {why}", next=HINT)


def mapping(value: object, where: str, field: str) -> Fields:
    """`value` as a mapping with text keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise bad(where, field, "must be a mapping of names to values")
    return value


def fill(cls: type[T], document: Fields, where: str, prefix: str = "", **given: object) -> T:
    """Build `cls` from a document; `given` are fields that the caller has made itself."""
    known = {field.name: field for field in fields(cls) if field.name not in given}
    for key in document:
        if key not in known:
            near = did_you_mean(key, known)
            raise bad(where, prefix + key, "is not known" + (f" (did you mean '{near[0]}'?)" if near else ""))
    values: dict[str, Any] = dict(given)
    for name, field in known.items():
        if name in document:
            values[name] = _checked(field, document[name], where, prefix + name)
        elif field.default is MISSING:
            raise bad(where, prefix + name, "is missing")
    return cls(**values)


def _checked(field: Field[object], value: object, where: str, name: str) -> object:
    kind = str(field.type)
    if kind in CHOICES:
        if value not in CHOICES[kind]:
            raise bad(where, name, f"must be one of {', '.join(CHOICES[kind])}")
        return value
    if kind == "bool":
        if not isinstance(value, bool):
            raise bad(where, name, "must be true or false")
        return value
    if kind == "str":
        if not isinstance(value, str):
            raise bad(where, name, "must be text")
        return value
    return _number(kind, value, where, name, required=field.default is MISSING)


def _number(kind: str, value: object, where: str, name: str, *, required: bool) -> float:
    wanted = (int,) if kind == "int" else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise bad(where, name, "must be a whole number" if kind == "int" else "must be a number")
    lowest = 1 if required else 0
    if not lowest <= value <= LARGEST:
        raise bad(where, name, f"must be between {lowest} and {LARGEST:.0e}")
    return value if kind == "int" else float(value)


def check(arch: ModelArch, where: str) -> ModelArch:
    """Refuse combinations that no model can have."""
    if not arch.pattern:
        raise bad(where, "pattern", "must name at least one layer")
    for name, most in MOST.items():
        _positive(arch, name, where, name)
        if getattr(arch, name) > most:
            raise bad(where, name, f"must be at most {most:,}")
    for kind in arch.kinds:
        _check_kind(kind, where)
    return arch


def _check_kind(kind: LayerKind, where: str) -> None:
    mixer, feed_forward, at = kind.mixer, kind.feed_forward, f"kinds.{kind.name}"
    if mixer is None and feed_forward is None:
        raise bad(where, at, "needs a mixer, a feed_forward, or both")
    if mixer is not None:
        _check_mixer(mixer, where, f"{at}.mixer")
    if feed_forward is not None:
        _check_feed_forward(feed_forward, where, f"{at}.feed_forward")


def _check_mixer(mixer: Mixer, where: str, at: str) -> None:
    for name in ("n_heads", "n_kv_heads", "head_dim", "v_head_dim"):
        _positive(mixer, name, where, f"{at}.{name}")
    if mixer.type == "attention" and mixer.n_heads % mixer.n_kv_heads:
        raise bad(where, f"{at}.n_heads", "must be a multiple of n_kv_heads")
    for name in NEEDED[mixer.type]:
        if not getattr(mixer, name):
            raise bad(where, f"{at}.{name}", f"is missing ({mixer.type} needs it)")


def _check_feed_forward(feed_forward: FeedForward, where: str, at: str) -> None:
    if not feed_forward.ffn and not feed_forward.n_experts:
        raise bad(where, at, "needs ffn or n_experts")
    if feed_forward.n_experts and not 0 < feed_forward.top_k <= feed_forward.n_experts:
        raise bad(where, f"{at}.top_k", "must be between 1 and n_experts")
    if feed_forward.n_experts and not feed_forward.expert_ffn:
        raise bad(where, f"{at}.expert_ffn", "is missing")


def _positive(thing: ModelArch | Mixer, name: str, where: str, at: str) -> None:
    if getattr(thing, name) < 1:
        raise bad(where, at, "must be at least 1")


NEEDED: dict[str, tuple[str, ...]] = {
    "attention": (),
    "mla": ("kv_lora_rank", "qk_nope_head_dim"),
    "gated-delta-net": ("n_key_heads", "conv_kernel"),
    "kda": ("n_key_heads", "conv_kernel"),
    "mamba2": ("n_key_heads", "conv_kernel"),
}
"""Dimensions without which a mixer of the type cannot be counted."""
