"""Option groups as dataclasses: a command takes `asked: Asked`, and typer sees the options that `Asked` declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints

Function = Callable[..., Any]


def expand(function: Function) -> Function:
    """The function with every dataclass parameter replaced by the options that its fields declare."""
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    def command(**given: Any) -> Any:
        built = {name: group(**{f.name: given.pop(f.name) for f in fields(group)}) for name, group in groups.items()}
        return function(**given, **built)

    parameters = list(_parameters(function, hints, groups))
    command.__name__, command.__doc__, command.__module__ = function.__name__, function.__doc__, function.__module__
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _parameters(function: Function, hints: dict[str, Any], groups: dict[str, Any]) -> Iterator[inspect.Parameter]:
    """Arguments first as typer has them, then the options of each group in the order they are declared."""
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in groups:
            yield _keyword(name, hints[name], parameter.default)
            continue
        declared = get_type_hints(groups[name], include_extras=True)
        for field in fields(groups[name]):
            default = inspect.Parameter.empty if field.default is MISSING else field.default
            yield _keyword(field.name, declared[field.name], default)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
