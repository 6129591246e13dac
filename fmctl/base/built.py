"""An object made of values whose names a table or a file has: nothing but the object itself checks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def built(kind: Callable[..., T], values: Mapping[str, object]) -> T:
    """`kind` of those values. Raises TypeError where it has no such fields."""
    return kind(**values)
