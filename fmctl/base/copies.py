"""Copies of dataclasses with fields that are known by name alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_T = TypeVar("_T", bound="DataclassInstance")


def changed(thing: _T, fields: Mapping[str, object]) -> _T:
    """The same with these fields set; `dataclasses.replace` where the names are values, and no type can be checked."""
    given: dict[str, Any] = dict(fields)
    return replace(thing, **given)
