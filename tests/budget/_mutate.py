"""Bad inputs from good ones: values swapped, keys lost and doubled, numbers that are none, ends cut off."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

_RAW = "\ue000"  # marks a text that is written without its quotes
NUMBERS: tuple[object, ...] = (
    *(_RAW + raw for raw in ("NaN", "-Infinity", "Infinity", "1e999", "-1e999", "9" * 400, "-" + "9" * 400)),
    -1, 0, -0.0, 1, 2, 0.5, -0.5, 1e-300, 1e300, 2**31, 2**63, 10**24, True, False, None, "", "0", "-1", "1e999", "NaN",
)  # fmt: skip
TEXTS = (
    "", " ", "\x00", "\ud800", "\udcff", "\x1b[31m", "a\nb", "null", "NaN", "x" * 5000, "..", "../../etc/passwd",
    "=1+1",
    "2026-11-22", "2026-11-22T10:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-13-45",
    "💥",
    "-",
    "1 2", "%s", "{}", "[", "us-east-1", "fmctl.plan/1", "fmctl.plan/2", "<b>", "&a", "*a", "---", "!!python/object:x",
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def pool(number: int, count: int = 300) -> list[object]:
    """Values of any shape, drawn by hypothesis with that seed."""
    found: list[object] = []

    @seed(number)
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_JSON)
    def drawn(value: object) -> None:
        found.append(value)

    drawn()
    return found


class Mutator:
    """Draws inputs by a seed.

    Args:
        number: the seed.
        values: values of any shape to put in place of others.
    """

    def __init__(self, number: int | str, values: list[object]) -> None:
        self.random = random.Random(number)
        self._values = values

    def tree(self, good: object) -> object:
        """A good document with one to four things changed."""
        found = copy.deepcopy(good)
        for _ in range(self.random.choice((1, 1, 1, 2, 4))):
            found = self._changed(found)
        return found

    def value(self) -> object:
        """Anything."""
        kind = self.random.random()
        if kind < 0.4:
            return self.random.choice(NUMBERS)
        if kind < 0.6:
            return self.random.choice(TEXTS)
        if kind < 0.65:
            return self._nested(self.random.choice((30, 100, 200)))
        return copy.deepcopy(self.random.choice(self._values))

    def text(self, good: object, dump: Callable[[object], str]) -> str:
        """A document as text, changed as a document, as text, or both."""
        kind = self.random.random()
        if kind < 0.03:
            return dump_json(self.random.choice(self._values))
        if kind < 0.04:
            return self.random.choice("[{(") * self.random.choice((50, 3_000, 100_000))
        text = dump(self.tree(good) if kind < 0.8 else good)
        return text if kind < 0.7 else self.bent(text)

    def bent(self, text: str) -> str:
        """The text with some of it lost, doubled, or replaced."""
        chance = self.random
        for _ in range(chance.choice((1, 1, 2, 5))):
            at, to = sorted(chance.randrange(len(text) + 1) for _ in range(2))
            to = min(to, at + chance.choice((0, 1, 3, 40)))
            kind = chance.random()
            if kind < 0.25:
                text = text[:at]
            elif kind < 0.5:
                text = text[:at] + text[to:]
            elif kind < 0.6:
                text = text[:to] + text[at:]
            elif kind < 0.9:
                put = chance.choice(
                    (*TEXTS, *map(str, NUMBERS), '"', "\\ud800", ":", ",", "\n", "\t", chr(chance.randrange(256)))
                )
                text = text[:at] + put.replace(_RAW, "")[:500] + text[to:]
            else:
                lines = text.split("\n")
                i = chance.randrange(len(lines))
                lines.insert(chance.randrange(len(lines) + 1), lines[i] if chance.random() < 0.5 else lines.pop(i))
                text = "\n".join(lines)
        return text

    def _changed(self, found: object) -> object:
        places = list(_places(found))
        if not places:
            return self.value()
        holder, key = self.random.choice(places)
        kind = self.random.random()
        if isinstance(holder, dict) and kind < 0.15:
            del holder[key]
        elif isinstance(holder, dict) and kind < 0.22:
            holder[self.random.choice(TEXTS)] = self.value()
        elif isinstance(holder, list) and kind < 0.15:
            holder.insert(self.random.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
        elif isinstance(holder, list) and kind < 0.2:
            del holder[key]
        elif isinstance(holder[key], int | float) and kind < 0.7:
            holder[key] = self.random.choice(NUMBERS)
        elif isinstance(holder[key], str) and kind < 0.6:
            holder[key] = self.random.choice((*TEXTS, *NUMBERS, self.bent(holder[key])))
        else:
            holder[key] = self.value()
        return found

    def _nested(self, depth: int) -> object:
        found: Any = 1
        for _ in range(depth):
            found = [found] if self.random.random() < 0.5 else {"a": found}
        return found


def _places(found: object, deepest: int = 12) -> Any:
    if deepest and isinstance(found, dict | list):
        for key, value in found.items() if isinstance(found, dict) else enumerate(found):
            yield found, key
            yield from _places(value, deepest - 1)


def dump_json(found: object) -> str:
    """As JSON, with numbers that JSON does not know written as they are."""
    text = json.dumps(found, ensure_ascii=True, default=str)
    quoted = json.dumps(_RAW)[1:-1]
    while (at := text.find('"' + quoted)) >= 0:
        end = text.index('"', at + 1)
        text = text[:at] + text[at + 1 + len(quoted) : end] + text[end + 1 :]
    return text.replace(quoted, "")


def dump_yaml(found: object) -> str:
    """As YAML in blocks."""
    import yaml

    try:
        return (
            str(yaml.dump(found, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False))
            .replace('"\\uE000', "")
            .replace("\\uE000", "")
        )
    except (yaml.YAMLError, RecursionError, UnicodeError):
        return dump_json(found)


def plain(found: object) -> object:
    """A value as a library would give it: what was written without quotes is a number."""
    if isinstance(found, str) and found.startswith(_RAW):
        raw = found.removeprefix(_RAW)
        with suppress(ValueError):
            return int(raw) if raw.lstrip("-").isdigit() else float(raw)
        return raw
    if isinstance(found, dict):
        return {key: plain(one) for key, one in found.items()}
    return [plain(one) for one in found] if isinstance(found, list) else found
