"""Option groups as dataclasses: a command takes `asked: AskedOptions`, and typer sees the options declared for it.

A group is either a dataclass whose fields carry their declaration, or `Annotated[Group, {field: declaration}]`, where
the plain group lies below the command line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, get_args, get_origin, get_type_hints

from fmctl.base.built import built

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Function = Callable[..., object]


def expand(function: Function) -> Function:
    """The function with every dataclass parameter replaced by the options that its fields declare."""
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    groups = {
        name: kind for name, hint in hints.items() if isinstance(kind := _group(hint), type) and is_dataclass(kind)
    }

    def command(**given: object) -> object:
        made = {
            name: built(group, {f.name: given.pop(f.name) for f in fields(group)}) for name, group in groups.items()
        }
        return function(**given, **made)

    parameters = list(_parameters(function, hints, groups))
    command.__name__, command.__doc__, command.__module__ = function.__name__, function.__doc__, function.__module__
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _parameters(
    function: Function, hints: Mapping[str, object], groups: Mapping[str, type[DataclassInstance]]
) -> Iterator[inspect.Parameter]:
    """Arguments first as typer has them, then the options of each group in the order they are declared."""
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in groups:
            yield _keyword(name, hints[name], parameter.default)
            continue
        declared = _declared(hints[name])
        for field in fields(groups[name]):
            default = inspect.Parameter.empty if field.default is MISSING else field.default
            yield _keyword(field.name, declared[field.name], default)


def _group(hint: object) -> object:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _declared(hint: object) -> Mapping[str, object]:
    """Each field's type with its option."""
    types = get_type_hints(_group(hint), include_extras=True)
    if get_origin(hint) is not Annotated:
        return types
    options = get_args(hint)[1]
    return {name: Annotated[kind, options[name]] for name, kind in types.items()}


def _keyword(name: str, annotation: object, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
