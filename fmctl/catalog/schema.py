"""The YAML form of a model architecture, read and written: one field per line, one flow mapping per block."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import MISSING, fields

from fmctl.base.read import Fields
from fmctl.catalog.fields import bad, check, fill, mapping
from fmctl.catalog.patterns import expand, shorthand
from fmctl.domain.model import FeedForward, LayerKind, Mixer, ModelArch

RESERVED = ("null", "true", "false", "yes", "no", "on", "off")


def from_document(document: object, where: str) -> ModelArch:
    """Build an architecture from a parsed YAML document; `where` names the file in complaints."""
    body = dict(mapping(document, where, "(whole file)"))
    kinds = _kinds(mapping(body.pop("kinds", None), where, "kinds"), where)
    names = {kind.name: i for i, kind in enumerate(kinds)}
    spelled = expand(body.pop("pattern", None), names, where)
    return check(fill(ModelArch, body, where, kinds=kinds, pattern=tuple(names[name] for name in spelled)), where)


def _kinds(document: Fields, where: str) -> tuple[LayerKind, ...]:
    kinds = []
    for name, value in document.items():
        body = dict(mapping(value, where, f"kinds.{name}"))
        mixer, feed_forward = body.pop("mixer", None), body.pop("feed_forward", None)
        for key in body:
            raise bad(where, f"kinds.{name}.{key}", "is not known (a kind has mixer and feed_forward)")
        at = f"kinds.{name}."
        kinds.append(
            LayerKind(
                name,
                None if mixer is None else fill(Mixer, mapping(mixer, where, f"{at}mixer"), where, f"{at}mixer."),
                None
                if feed_forward is None
                else fill(FeedForward, mapping(feed_forward, where, f"{at}feed_forward"), where, f"{at}feed_forward."),
            )
        )
    return tuple(kinds)


def to_yaml(arch: ModelArch) -> str:
    """Write an architecture as the YAML that `from_document` reads; fields at their default are left out."""
    lines = [f"{key}: {value}" for key, value in _said(arch, ("notes", "source", "retrieved", "kinds", "pattern"))]
    lines.append("kinds:")
    for kind in arch.kinds:
        lines.append(f"  {kind.name}:")
        lines += [f"    mixer: {_flow(kind.mixer)}"] if kind.mixer is not None else []
        lines += [f"    feed_forward: {_flow(kind.feed_forward)}"] if kind.feed_forward is not None else []
    lines.append(f"pattern: {shorthand(tuple(arch.kinds[i].name for i in arch.pattern))}")
    lines += [f"{key}: {_scalar(getattr(arch, key))}" for key in ("source", "retrieved", "notes") if getattr(arch, key)]
    return "\n".join(lines) + "\n"


def _said(thing: ModelArch | Mixer | FeedForward, skip: Sequence[str] = ()) -> list[tuple[str, str]]:
    pairs = [(field, getattr(thing, field.name)) for field in fields(thing) if field.name not in skip]
    said = [(field, value) for field, value in pairs if field.default is MISSING or value != field.default]
    return [(field.name, _scalar(value)) for field, value in said]


def _flow(thing: Mixer | FeedForward) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in _said(thing)) + "}"


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{int(value):_}" if value.is_integer() else repr(value)
    if isinstance(value, str):
        return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)
    return str(value)


def _is_plain(text: str) -> bool:
    """Whether YAML reads the bare text as this text."""
    if not text or not text[0].isalpha() or text != text.strip() or not text.isascii():
        return False
    return all(c.isalnum() or c in "-/._ " for c in text) and text.lower() not in RESERVED
