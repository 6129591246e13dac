"""Unique combinations of a few layout fields: compute a term once per combination, gather it for every row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.layout import IntArray, Layouts
from fmctl.domain.result import FloatArray

# Above this many codes a presence table would cost more memory than sorting costs time.
_MAX_CODES = 1 << 22
# Above this value, which a micro batch of a huge global batch may have, the same holds for one column.
_MAX_VALUE = 1 << 16


@dataclass(slots=True, eq=False, repr=False)
class Unique:
    """`layouts`: one representative row per combination (length U); `index`: combination of each row, shape [n]."""

    layouts: Layouts
    index: IntArray

    def gather(self, values: FloatArray) -> FloatArray:
        """Values per combination [U] -> per row [n]; what is the same for all (shape []) stays so."""
        if values.ndim == 0:
            return values
        gathered: FloatArray = values.take(self.index)
        return gathered


def unique(layouts: Layouts, fields: tuple[str, ...]) -> Unique:
    """Combinations of `fields` that occur in `layouts`, found by arithmetic codes (no sorting)."""
    if len(layouts) == 1:
        return Unique(layouts, np.zeros(1, dtype=np.int64))
    code: IntArray | None = None
    radix = 1
    for name in fields:
        column = layouts[name]
        if column.ndim == 0:
            continue
        largest = int(column.max())
        if largest > _MAX_VALUE:
            found, rank = np.unique(column, return_inverse=True)
            size = len(found)
        else:
            present = np.zeros(largest + 1, dtype=np.bool_)
            present[column] = True
            size = int(np.count_nonzero(present))
            rank = (np.cumsum(present) - 1).take(column)
        if size == 1:
            continue
        code = rank if code is None else code * size + rank
        radix *= size
    n = len(layouts)
    if code is None:
        zero = np.zeros(n, dtype=np.int64)
        return Unique(layouts.take(np.zeros(1, dtype=np.int64)), zero)
    if radix > _MAX_CODES:
        _, first, index = np.unique(code, return_index=True, return_inverse=True)
        return Unique(layouts.take(first), index)
    seen = np.zeros(radix, dtype=np.bool_)
    seen[code] = True
    index = (np.cumsum(seen) - 1).take(code)
    representative = np.empty(int(index.max()) + 1, dtype=np.int64)
    representative[index] = np.arange(n)
    return Unique(layouts.take(representative), index)


def column(layouts: Layouts, name: str) -> FloatArray:
    """The column as float64 of shape [n]."""
    values = layouts[name]
    if values.ndim == 0:
        return np.full(len(layouts), float(values))
    return values.astype(np.float64)


def code_column(layouts: Layouts, name: str) -> IntArray:
    """The column of codes as int64 of shape [n]."""
    values = layouts[name]
    return np.full(len(layouts), int(values)) if values.ndim == 0 else values


def narrow_column(layouts: Layouts, name: str) -> FloatArray:
    """The column as float64, shape [n] or, where all rows share a value, [] (it broadcasts and costs nothing)."""
    return layouts[name].astype(np.float64)
