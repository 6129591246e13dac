"""The YAML form of a model architecture, read and written: one field per line, layers spelled as a short pattern.

A pattern is a list of items, read left to right: `name` is one layer of that kind, `[name, 3]` is three of them,
`{repeat: 12, of: [...]}` repeats a pattern, and `{spell: MEMA, M: mamba, E: moe, A: attention}` gives one letter
per layer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from itertools import groupby
from typing import Any

from fmctl.catalog.fields import bad, check, fill, mapping
from fmctl.domain.model import FeedForward, LayerKind, Mixer, ModelArch

RESERVED = ("null", "true", "false", "yes", "no", "on", "off")
MOST_LAYERS = 10_000
DEEPEST = 8
LONGEST_PERIOD = 16
LONGEST_PREFIX = 8
LONGEST_RUNS = 12
LETTERS = {"mamba": "M", "moe": "E", "attention": "A", "mlp": "F"}


def from_document(document: object, where: str) -> ModelArch:
    """Build an architecture from a parsed YAML document; `where` names the file in complaints."""
    body = dict(mapping(document, where, "(whole file)"))
    kinds = _kinds(mapping(body.pop("kinds", None), where, "kinds"), where)
    names = {kind.name: i for i, kind in enumerate(kinds)}
    spelled = expand(body.pop("pattern", None), names, where)
    return check(fill(ModelArch, body, where, kinds=kinds, pattern=tuple(names[name] for name in spelled)), where)


def _kinds(document: Mapping[str, Any], where: str) -> tuple[LayerKind, ...]:
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


def expand(pattern: object, names: Mapping[str, int], where: str, depth: int = 0) -> list[str]:
    """The kind of every layer, one by one."""
    if not isinstance(pattern, list):
        raise bad(where, "pattern", "must be a list of layers")
    if depth > DEEPEST:
        raise bad(where, "pattern", f"is nested more than {DEEPEST} times")
    layers: list[str] = []
    for item in pattern:
        layers += _item(item, names, where, depth)
        if len(layers) > MOST_LAYERS:
            raise bad(where, "pattern", f"has more than {MOST_LAYERS} layers")
    return layers


def _item(item: object, names: Mapping[str, int], where: str, depth: int) -> list[str]:
    if isinstance(item, str):
        return [_known(item, names, where)]
    if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str):
        return [_known(item[0], names, where)] * _times(item[1], where)
    if isinstance(item, Mapping) and set(item) == {"repeat", "of"}:
        unit = expand(item["of"], names, where, depth + 1)
        times = _times(item["repeat"], where)
        if len(unit) * times > MOST_LAYERS:
            raise bad(where, "pattern", f"has more than {MOST_LAYERS} layers")
        return unit * times
    if isinstance(item, Mapping) and isinstance(item.get("spell"), str):
        return [_known(item.get(letter, letter), names, where) for letter in item["spell"]]
    raise bad(where, "pattern", "takes `name`, `[name, count]`, `{repeat, of}` or `{spell, letter: name}`")


def _known(name: object, names: Mapping[str, int], where: str) -> str:
    if not isinstance(name, str) or name not in names:
        raise bad(where, "pattern", f"names the kind '{name}', which is not among {', '.join(names)}")
    return name


def _times(count: object, where: str) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= MOST_LAYERS:
        raise bad(where, "pattern", f"must repeat between 1 and {MOST_LAYERS} times")
    return count


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


def shorthand(layers: Sequence[str]) -> str:
    """The shortest pattern item list for the kinds of the layers: runs, or a repeated unit between two odd ends."""
    best = _runs(layers)
    if len(best) > 2:
        best = _periodic(layers) or best
    if len(best) > LONGEST_RUNS:
        best = [_spell(layers)]
    return "[" + ", ".join(best) + "]"


def _runs(layers: Sequence[str]) -> list[str]:
    runs = [(name, len(list(group))) for name, group in groupby(layers)]
    return [name if n == 1 else f"[{name}, {n}]" for name, n in runs]


def _periodic(layers: Sequence[str]) -> list[str] | None:
    found = [
        candidate
        for first in range(LONGEST_PREFIX)
        for period in range(2, LONGEST_PERIOD + 1)
        if (candidate := _repeated(layers, first, period)) is not None
    ]
    return min(found, key=lambda items: sum(item.count(",") + 1 for item in items), default=None)


def _repeated(layers: Sequence[str], first: int, period: int) -> list[str] | None:
    unit = layers[first : first + period]
    times = 1
    while layers[first + times * period : first + (times + 1) * period] == unit:
        times += 1
    rest = layers[first + times * period :]
    if times == 1 or len(_runs(rest)) > 2:
        return None
    return [*_runs(layers[:first]), f"{{repeat: {times}, of: [{', '.join(_runs(unit))}]}}", *_runs(rest)]


def _spell(layers: Sequence[str]) -> str:
    letters: dict[str, str] = {}
    for name in dict.fromkeys(layers):
        wanted = [LETTERS.get(name, ""), *name.upper(), *"XYZABCDEFGH"]
        letters[name] = next(c for c in wanted if c.isalpha() and c not in letters.values())
    pairs = ", ".join(f"{letter}: {name}" for name, letter in letters.items())
    return f"{{spell: {''.join(letters[name] for name in layers)}, {pairs}}}"
