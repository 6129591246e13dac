"""Which layer is which, spelled short: patterns of layer kinds, expanded and written.

A pattern is a list of items, read left to right: `name` is one layer of that kind, `[name, 3]` is three of them,
`{repeat: 12, of: [...]}` repeats a pattern, and `{spell: MEMA, M: mamba, E: moe, A: attention}` gives one letter
per layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from fmctl.catalog.fields import bad

MOST_LAYERS = 10_000
DEEPEST = 8
LONGEST_PERIOD = 16
LONGEST_PREFIX = 8
LONGEST_RUNS = 12
LETTERS = {"mamba": "M", "moe": "E", "attention": "A", "mlp": "F"}


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
