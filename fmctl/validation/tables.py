"""Published tables of kernels and collectives against the model: in the table, shapes left out, whole sweeps left out.

A `Table` is one sweep: rows of one source on one accelerator (or instance type), of one precision, kernel family or
collective, with the model of them as a function of a few constants. Tables of equal `constants` share these; tables of
equal `family` are what stands in for a sweep that was left out (another source, else another accelerator of the same
architecture).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from fmctl.validation.bounded import Bounds, Model, Vector, least_squares

FOLDS = 5
COLUMNS = ("shipped", "in_table", "shape_out", "sweep_out")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One sweep. `model`: constants -> seconds, shape [rows]; `shipped`: fmctl's constants, None where it has none.

    `shapes`: what is left out at once, one key per row; `measured_s`: seconds.
    """

    kind: str
    on: str
    of: str
    source: str
    constants: str
    family: str
    shapes: tuple[str, ...]
    measured_s: Vector
    model: Model
    bounds: Bounds
    shipped: Vector | None


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Relative errors (model / measured - 1) of one table; empty where it cannot be predicted that way."""

    table: Table
    shipped: Vector
    in_table: Vector
    shape_out: Vector
    sweep_out: Vector


def fold_of(shape: str) -> int:
    """The fold of a shape: the same in every table, and for every version of Python."""
    return sum((i + 1) * ord(c) for i, c in enumerate(shape)) % FOLDS


def score(tables: Sequence[Table]) -> list[Scored]:
    """Every table predicted with the shipped constants, and with constants fitted to it, to others, and to folds."""
    answers = []
    for table in tables:
        mates = [t for t in tables if t.constants == table.constants]
        shipped = _errors(table, table.shipped) if table.shipped is not None else np.empty(0)
        in_table = _errors(table, _fitted(mates, [np.ones(len(t.shapes), np.bool_) for t in mates]))
        answers.append(Scored(table, shipped, in_table, _shapes_out(table, mates), _sweep_out(table, tables)))
    return answers


def median_error(errors: Sequence[float] | Vector) -> float | None:
    """Median of the absolute errors, None where there is none."""
    return median(abs(float(e)) for e in errors) if len(errors) else None


def together(scored: Sequence[Scored], kinds: Sequence[str], column: str) -> float | None:
    """Median absolute error over all rows of some kinds, of one column of `COLUMNS`."""
    found = [getattr(one, column) for one in scored if one.table.kind in kinds]
    return median_error(np.concatenate(found)) if found else None


def _errors(table: Table, constants: Vector) -> Vector:
    errors: Vector = table.model(constants) / table.measured_s - 1.0
    return errors


def _fitted(tables: Sequence[Table], kept: Sequence[np.ndarray]) -> Vector:
    """Constants of the kept rows of `tables`, all sources of them together."""
    measured = np.log(np.concatenate([t.measured_s[rows] for t, rows in zip(tables, kept, strict=True)]))

    def model(constants: Vector) -> Vector:
        return np.concatenate([t.model(constants)[rows] for t, rows in zip(tables, kept, strict=True)])

    return least_squares(model, measured, tables[0].bounds)


def _shapes_out(table: Table, mates: Sequence[Table]) -> Vector:
    """Every shape of `table` by constants that saw it in no source."""
    errors = np.empty(len(table.shapes))
    ours = np.array([fold_of(shape) for shape in table.shapes])
    for fold in sorted(set(ours.tolist())):
        kept = [np.array([fold_of(shape) != fold for shape in t.shapes]) for t in mates]
        if not any(rows.any() for rows in kept):
            return np.empty(0)
        out = ours == fold
        errors[out] = _errors(table, _fitted(mates, kept))[out]
    return errors


def _sweep_out(table: Table, tables: Sequence[Table]) -> Vector:
    """The whole table by constants of other sources: of the same accelerator, else of the same family."""
    others = [t for t in tables if t.family == table.family and t.bounds is table.bounds and t is not table]
    near = [t for t in others if t.constants == table.constants and t.source != table.source]
    chosen = near or [t for t in others if t.constants != table.constants]
    if not chosen:
        return np.empty(0)
    return _errors(table, _fitted(chosen, [np.ones(len(t.shapes), np.bool_) for t in chosen]))
