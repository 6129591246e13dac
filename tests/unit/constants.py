"""The numbers that stand in modules of fmctl: what `test_constants.py` of each part states again by hand."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import timedelta
from math import isclose
from pathlib import Path
from types import ModuleType
from typing import Any


def modules(package: str) -> Iterator[ModuleType]:
    """All modules of a package."""
    found = importlib.import_module(package)
    for info in pkgutil.walk_packages(found.__path__, f"{package}."):
        yield importlib.import_module(info.name)


def plain(value: Any) -> Any:
    """A value as numbers in tuples and mappings: tables, dataclasses and times have those inside."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return tuple(plain(each) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        values = (getattr(value, each.name) for each in fields(value))
        return tuple(plain(each) for each in values if not (isinstance(each, str) or callable(each)))
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - not a number is nothing that is equal to itself
        return None
    return value


def has_number(value: Any) -> bool:
    """Whether there is a number in a plain value; a switch is one."""
    if isinstance(value, dict):
        return any(has_number(each) for pair in value.items() for each in pair)
    if isinstance(value, tuple):
        return any(has_number(each) for each in value)
    return isinstance(value, int | float)


def constants(package: str) -> dict[str, Any]:
    """`module.NAME`: every constant of a package that holds a number."""
    found = {f"{_short(m)}.{name}": plain(getattr(m, name, None)) for m in modules(package) for name in _assigned(m)}
    return {name: value for name, value in found.items() if has_number(value)}


def defaults(package: str) -> dict[str, dict[str, Any]]:
    """`module.Class` and `module.function`: fields and parameters that have a number or a switch when nobody says."""
    found: dict[str, dict[str, Any]] = {}
    for m in modules(package):
        for name, owner in vars(m).items():
            if getattr(owner, "__module__", None) == m.__name__ and not isinstance(owner, ModuleType):
                found |= {f"{_short(m)}.{name}{path}": values for path, values in _of(owner)}
    return {name: values for name, values in found.items() if values}


def _short(m: ModuleType) -> str:
    return m.__name__.removeprefix("fmctl.")


def _assigned(m: ModuleType) -> list[str]:
    """Names in capitals that a module assigns, in its order."""
    tree = ast.parse(Path(str(m.__file__)).read_text(encoding="utf-8"))
    targets = [t for n in tree.body for t in (n.targets if isinstance(n, ast.Assign) else [getattr(n, "target", None)])]
    names = [each.id for t in targets if t is not None for each in ast.walk(t) if isinstance(each, ast.Name)]
    return [name for name in names if name == name.upper()]


def _of(owner: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(owner, type):
        if is_dataclass(owner):
            given = {each.name: plain(each.default) for each in fields(owner) if each.default is not MISSING}
            yield "", {name: value for name, value in given.items() if has_number(value)}
        for name, method in vars(owner).items():
            if inspect.isfunction(method) and name != "__init__":
                yield f".{name}", _parameters(method)
    elif callable(owner):
        yield "", _parameters(owner)


def _parameters(function: Any) -> dict[str, Any]:
    try:
        signature = inspect.signature(function)
    except ValueError:
        return {}
    given = {p.name: plain(p.default) for p in signature.parameters.values() if p.default is not p.empty}
    return {name: value for name, value in given.items() if has_number(value)}


def same(a: Any, b: Any) -> bool:
    """Whether two plain values are alike: numbers to the last digits, switches and counts exactly."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float | int) and not isinstance(b, bool):
        return isclose(a, b, rel_tol=1e-12)
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def others(found: Mapping[str, Any], by_hand: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What is not as it is written by hand, and what is written nowhere."""
    names = sorted({*found, *by_hand})
    pairs = {name: (found.get(name), by_hand.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if not same(*pair)}
