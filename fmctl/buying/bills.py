"""A bill: lines x rows of quantity and rate. What is unknown stays unknown, and is named beside the sum of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmctl.buying.rates import Rate
from fmctl.domain.bill import Line
from fmctl.domain.result import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One line for all rows. quantity, idle_quantity (paid for while nothing is trained): shape [n], in `unit`."""

    name: str
    item: str | tuple[str, ...]
    unit: str
    quantity: FloatArray
    idle_quantity: FloatArray
    rates: tuple[Rate, ...]  # one, or one per `choice`, which says for every row which of them counts; `item` likewise
    choice: ArrayLike = 0
    compute: bool = False  # without its rate no total is known

    def column(self, field: str) -> FloatArray:
        """A field of the rate of every row, NaN where it is None."""
        values = [getattr(rate, field) for rate in self.rates]
        known = np.array([np.nan if value is None else value for value in values], np.float64)
        found: FloatArray = known[np.asarray(self.choice)]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Bill:
    """Lines of many runs: arrays [lines, n]; NaN is unknown."""

    entries: tuple[Entry, ...]
    quantity: FloatArray
    usd: FloatArray
    idle_usd: FloatArray
    indicative_usd: FloatArray

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Bill:
        """The bill of these lines; rows are broadcast."""
        rows = np.broadcast_shapes(*(np.shape(e.quantity) for e in entries), *(np.shape(e.choice) for e in entries))
        quantity, idle = (_stacked([getattr(e, name) for e in entries], rows) for name in ("quantity", "idle_quantity"))
        rate, there = (_stacked([e.column(name) for e in entries], rows) for name in ("usd", "indicative_usd"))
        return cls(tuple(entries), quantity, _usd(quantity, rate), _usd(idle, rate), _usd(quantity, there))

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Which lines have no known price, [lines, n]."""
        return np.isnan(self.usd)

    @property
    def known_usd(self) -> FloatArray:
        """Sum of the known lines, USD [n]."""
        return _total(self.usd)

    @property
    def known_idle_usd(self) -> FloatArray:
        """What of it is paid for while nothing is trained, USD [n]."""
        return _total(self.idle_usd)

    @property
    def total_usd(self) -> FloatArray:
        """Sum of the known lines, USD [n]; NaN where the price of the compute nodes is unknown."""
        compute = np.array([entry.compute for entry in self.entries])
        lacking: NDArray[np.bool_] = np.any(self.unknown[compute], axis=0)
        return self.known_usd + np.where(lacking, np.nan, 0.0)

    def lines(self, row: int = 0) -> tuple[Line, ...]:
        """The lines of one run, without those that it has nothing of."""
        shown = [(i, e) for i, e in enumerate(self.entries) if _at(self.quantity[i], row) != 0.0]
        return tuple(self._line(i, entry, row) for i, entry in shown)

    def _line(self, i: int, entry: Entry, row: int) -> Line:
        which = int(_at(np.asarray(entry.choice), row))
        rate = entry.rates[which]
        return Line(
            name=entry.name,
            item=entry.item if isinstance(entry.item, str) else entry.item[which],
            quantity=_known(self.quantity[i], row),
            unit=entry.unit,
            rate_usd=rate.usd,
            usd=_known(self.usd[i], row),
            idle_usd=_known(self.idle_usd[i], row),
            why=rate.why,
            date=rate.date,
            source=rate.source,
            indicative_usd=_known(self.indicative_usd[i], row),
        )


def _stacked(columns: Sequence[FloatArray], rows: tuple[int, ...]) -> FloatArray:
    return np.stack([np.broadcast_to(column, rows) for column in columns]).astype(np.float64)


def _usd(quantity: FloatArray, rate: FloatArray) -> FloatArray:
    """Quantity x rate; nothing of something costs nothing, whatever its price."""
    found: FloatArray = np.where(quantity == 0.0, 0.0, quantity * rate)
    return found


def _total(usd: FloatArray) -> FloatArray:
    """Sum over the lines in their order, so that a row does not depend on its batch."""
    return reduce(np.add, list(np.where(np.isnan(usd), 0.0, usd)))


def _at(column: NDArray[np.generic], row: int) -> float:
    return float(column[row]) if column.ndim else float(column)


def _known(column: FloatArray, row: int) -> float | None:
    value = _at(column, row)
    return None if np.isnan(value) else value
