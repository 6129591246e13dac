"""Bounded least squares on log errors in plain NumPy: for the constants of kernel and collective tables.

Minimised: the sum over rows of the soft-L1 loss of log(model / measured), plus a weak pull of every constant towards
its prior, which decides only what the rows say nothing about. Steps are damped Gauss-Newton on constants scaled to
[0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Model = Callable[[Vector], Vector]

SOFT = 0.05  # log error at which soft-L1 turns from square to absolute
PULL = 0.02  # weight of the prior, per constant over its whole range and row
DIFFERENCE = 1e-3
STEPS = 25
ENOUGH = 1e-4  # relative gain below which a fit has ended


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Lowest and highest value of each constant, its prior, and whether it is scaled by its logarithm."""

    low: Vector
    high: Vector
    prior: Vector
    logarithmic: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, *constants: tuple[float, float, float, bool]) -> Bounds:
        """From (low, high, prior, logarithmic) of each constant."""
        low, high, prior, logs = zip(*constants, strict=True)
        return cls(np.array(low), np.array(high), np.array(prior), np.array(logs))

    def unit(self, values: Vector) -> Vector:
        """`values` scaled to [0, 1]."""
        low, high, inside = self._scaled(self.low), self._scaled(self.high), self._scaled(values)
        scaled: Vector = np.clip((inside - low) / (high - low), 0.0, 1.0)
        return scaled

    def values(self, unit: Vector) -> Vector:
        """The inverse of `unit`."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        inside = low + unit * (high - low)
        # The logarithm of a bound and back is a rounding beyond it.
        answer: Vector = np.clip(np.where(self.logarithmic, np.exp(inside), inside), self.low, self.high)
        return answer

    def _scaled(self, values: Vector) -> Vector:
        scaled: Vector = np.where(self.logarithmic, np.log(np.where(self.logarithmic, values, 1.0)), values)
        return scaled


def least_squares(model: Model, log_measured: Vector, bounds: Bounds) -> Vector:
    """The constants with which log of `model` is nearest to `log_measured`, within `bounds`."""
    prior = bounds.unit(bounds.prior)
    weight = PULL**2 * len(log_measured)

    def errors(unit: Vector) -> Vector:
        found: Vector = np.log(model(bounds.values(unit))) - log_measured
        return found

    def cost(unit: Vector, found: Vector) -> float:
        robust = 2.0 * SOFT**2 * (np.sqrt(1.0 + (found / SOFT) ** 2) - 1.0)
        return float(robust.sum() + weight * np.sum((unit - prior) ** 2))

    unit, damping = prior, 1e-3
    found = errors(unit)
    best = cost(unit, found)
    for _ in range(STEPS):
        proposed = _step(unit, found, _jacobian(errors, unit, found), damping, prior, weight)
        tried = errors(proposed)
        value = cost(proposed, tried)
        gained = best - value
        if gained > 0.0:
            unit, found, best, damping = proposed, tried, value, damping / 4.0
        else:
            damping *= 10.0
        if 0.0 < gained < ENOUGH * best or damping > 1e6:
            break
    return bounds.values(unit)


def _jacobian(errors: Model, unit: Vector, found: Vector) -> Vector:
    columns = []
    for i, value in enumerate(unit):
        step = DIFFERENCE if value + DIFFERENCE <= 1.0 else -DIFFERENCE
        moved = unit.copy()
        moved[i] += step
        columns.append((errors(moved) - found) / step)
    return np.stack(columns, axis=1)


def _step(unit: Vector, found: Vector, jacobian: Vector, damping: float, prior: Vector, weight: float) -> Vector:
    """One Gauss-Newton step; constants that would leave their bounds are held there and the others solved again."""
    robust = 1.0 / np.sqrt(1.0 + (found / SOFT) ** 2)
    n = len(unit)
    matrix = jacobian.T @ (robust[:, None] * jacobian) + weight * np.eye(n)
    matrix += damping * np.diag(np.diag(matrix))
    gradient = jacobian.T @ (robust * found) + weight * (unit - prior)
    free = np.ones(n, dtype=np.bool_)
    moved: Vector = unit.copy()
    for _ in range(n):
        held = np.where(free, 0.0, moved - unit)
        right = -(gradient + matrix @ held)[free]
        proposed = moved.copy()
        proposed[free] = unit[free] + np.linalg.solve(matrix[np.ix_(free, free)], right)
        outside = free & ((proposed < 0.0) | (proposed > 1.0))
        moved = np.clip(proposed, 0.0, 1.0)
        free &= ~outside
        if not outside.any() or not free.any():
            break
    return moved
