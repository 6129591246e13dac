"""Text that others wrote, as Python values: the one reader of JSON, YAML and TOML.

What is read is nested at most `DEEPEST` deep, has each key once, and its numbers are finite and no longer than any
number here. Half a character (a lone surrogate, which nothing can write) becomes "?".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import inf, isfinite
from typing import TYPE_CHECKING, NoReturn

from fmctl.base.errors import shorten

if TYPE_CHECKING:
    import yaml

DEEPEST = 60
LONGEST_YAML = 1_000_000
_LONGEST_NUMBER = 40  # characters: 1e24 written out, with sign and fraction
_LARGEST = 10**30
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


class NotParsed(ValueError):
    """Text that is not what it should be; the words say why."""


def from_json(text: str | bytes, *, odd: bool = False) -> object:
    """JSON as Python values.

    Args:
        text: UTF-8 where it is bytes.
        odd: numbers that are none are NaN or infinite, and whoever takes the value drops them: some programs write
            NaN and Infinity, which JSON does not know, where they mean nothing.

    Raises:
        NotParsed: it is no such JSON.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()
        found = (_ODD if odd else _STRICT).decode(text.removeprefix("\ufeff"))
    except RecursionError:
        raise _too_deep() from None
    except NotParsed:
        raise
    except ValueError as error:
        raise NotParsed(shorten(str(error), 200)) from None
    _hold_depth(found)
    return _mended(found) if _HALF.search(text) else found


def from_yaml(text: str) -> object:
    """YAML as Python values, without aliases. Raises NotParsed, with the line."""
    import yaml  # a tenth of the start-up budget: only when a file is read

    if len(text) > LONGEST_YAML:
        raise NotParsed(f"it is longer than {LONGEST_YAML} characters")
    try:
        _hold_events(text)
        return yaml.load(text, Loader=_yaml_loader())
    except RecursionError:
        raise _too_deep() from None
    except NotParsed:
        raise
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, AttributeError, KeyError) as error:
        if "nesting depth" in str(error):  # libyaml looks ahead, and has a bound of its own
            raise _too_deep() from None
        raise NotParsed(shorten(" ".join(str(error).split()) or type(error).__name__, 200)) from None


def from_toml(text: str) -> dict[str, object]:
    """TOML as Python values; `nan` and `inf` are numbers of TOML. Raises NotParsed."""
    import tomllib  # 3 ms that only those with such a file pay

    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise _too_deep() from None
    except NotParsed:
        raise
    except (ValueError, OverflowError) as error:
        raise NotParsed(shorten(str(error), 200)) from None
    _hold_depth(found)
    return found


def _float(text: str) -> float:
    found = float(text)
    if not isfinite(found):
        raise NotParsed(f"{shorten(text, 40)} is no finite number")
    return found


def _int(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise NotParsed(f"{shorten(text, 20)} is longer than any number here")
    return int(text)


def _odd_int(text: str) -> float:
    return int(text) if len(text) <= _LONGEST_NUMBER else inf


def _constant(text: str) -> NoReturn:
    raise NotParsed(f"{text} is no number of JSON")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotParsed(f"'{shorten(twice)}' stands there twice")
    return found


_STRICT = json.JSONDecoder(object_pairs_hook=_once, parse_float=_float, parse_int=_int, parse_constant=_constant)
_ODD = json.JSONDecoder(object_pairs_hook=_once, parse_int=_odd_int)


def _too_deep() -> NotParsed:
    return NotParsed(f"it is nested too deep: more than {DEEPEST} levels")


def _hold_depth(found: object) -> None:
    """By levels and not by recursion, which would end in an error of its own."""
    level = [found]
    for _ in range(DEEPEST):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        if not inner:
            return
        level = [one for held in inner for one in held if isinstance(one, dict | list)]
    if level:
        raise _too_deep()


def _mended(found: object) -> object:
    """The same without half characters; it is no deeper than `DEEPEST`."""
    if isinstance(found, str):
        return found.encode("utf-8", "replace").decode() if not found.isascii() else found
    if isinstance(found, Mapping):
        return {_mended(name): _mended(one) for name, one in found.items()}
    return [_mended(one) for one in found] if isinstance(found, list) else found


def _hold_events(text: str) -> None:
    """Refuse aliases and depth before anything is built: libyaml's composer recurses without a limit, and crashes."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=_fast_loader()):
        if isinstance(event, yaml.AliasEvent):
            raise NotParsed(f"{_line(event)} has one of YAML's aliases: write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _too_deep()


def _fast_loader() -> type[yaml.SafeLoader]:
    """Libyaml's where PyYAML was built with it: ten times as fast."""
    import yaml

    found: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return found


def _line(found: yaml.Node | yaml.Event) -> str:
    mark = found.start_mark
    return "it" if mark is None else f"line {mark.line + 1}"


def _yaml_loader() -> type[yaml.SafeLoader]:
    """A safe loader that refuses what stands there twice, and numbers that are none."""
    global _loader  # noqa: PLW0603 - made once, when YAML is first read
    if _loader is not None:
        return _loader
    import yaml

    class Loader(_fast_loader()):  # type: ignore[misc]
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
            seen = set[tuple[str, str]]()
            for key, _ in node.value:
                named = (str(key.tag), str(key.value))
                if named in seen:
                    raise NotParsed(f"{_line(key)}: '{shorten(str(key.value))}' stands there twice")
                seen.add(named)
            found: dict[object, object] = super().construct_mapping(node, deep)
            return found

    def number(self: Loader, node: yaml.ScalarNode) -> object:
        made = (
            yaml.SafeLoader.construct_yaml_float if node.tag.endswith("float") else yaml.SafeLoader.construct_yaml_int
        )
        found = made(self, node) if len(str(node.value)) <= _LONGEST_NUMBER else float("inf")
        if not isfinite(found) or abs(found) > _LARGEST:
            raise NotParsed(f"{_line(node)}: {shorten(str(node.value), 40)} is no finite number")
        return found

    for kind in ("int", "float"):
        Loader.add_constructor(f"tag:yaml.org,2002:{kind}", number)
    _loader = Loader
    return Loader


_loader: type[yaml.SafeLoader] | None = None
