"""Fit the constants of `constants` to measured runs, and judge them on sources that were left out.

Minimised: the sum over rows of w rho(log predicted / measured) plus a pull of every constant towards its prior, with w
= 1 / sqrt(rows of the family), so that families weigh alike, and rho the soft-L1 loss. Steps are Gauss-Newton on the
bounded constants (scaled to [0, 1]) with a finite-difference Jacobian. Leaving a source out fits again without its
rows, from the optimum, its Jacobian made anew on the way; its rows are then predicted by the full model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.ops.calibration import PRIOR, Calibration
from fmctl.validation.constants import CONSTANTS, apply
from fmctl.validation.predict import step_s
from fmctl.validation.sampling import ROWS_PER_FAMILY, Sample, Vector, sample, source_of

__all__ = ["ROWS_PER_FAMILY", "Fitted", "Sample", "fit", "log_errors", "sample", "shipped", "source_of"]

Progress = Callable[[int, int], None]
SOFT = 0.06  # log error at which soft-L1 turns from square to absolute
PULL = 0.10  # weight of the prior, per constant over its whole range
CLIPPED = 1.0  # log error beyond which a row pulls no harder
DIFFERENCE = 0.01
ITERATIONS = 8
LEFT_OUT_STEPS = 6
REFRESHED = 3  # step of them at which the Jacobian is made anew
LEAST_DAMPING = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Constants at the optimum (order of CONSTANTS), log errors in sample, and those with a row's source left out."""

    values: Vector
    in_sample: Vector
    left_out: Vector
    sample: Sample


_LOW = np.array([c.low for c in CONSTANTS])
_RANGE = np.array([c.high - c.low for c in CONSTANTS])
_PRIOR = (np.array([c.prior for c in CONSTANTS]) - _LOW) / _RANGE


def shipped() -> Vector:
    """The constants as fmctl ships them (order of CONSTANTS), inside their bounds: the prior of a user's own fit."""
    holders = [FRAMEWORKS[c.frameworks[0]] if c.frameworks else PRIOR for c in CONSTANTS]
    values = [float(getattr(holder, c.field)) for holder, c in zip(holders, CONSTANTS, strict=True)]
    clipped: Vector = np.clip(np.array(values), _LOW, _LOW + _RANGE)
    return clipped


def log_errors(
    unit: Vector,
    seen: Sample,
    calibration: Calibration = PRIOR,
    frameworks: Mapping[str, Framework] = FRAMEWORKS,
) -> Vector:
    """Log of predicted over measured throughput for constants scaled to [0, 1]."""
    fitted, profiles = apply(_LOW + unit * _RANGE, calibration, frameworks)
    seconds = step_s(seen.cases, fitted, profiles)
    tokens = np.array([c.workload.tokens_per_step / c.layout.gpus for c in seen.cases])
    return np.log(tokens / seconds) - seen.log_measured


def _jacobian(unit: Vector, errors: Vector, seen: Sample) -> Vector:
    """Change of the log errors with each constant; runs of frameworks that do not have it do not move."""
    columns = np.zeros((len(errors), len(unit)))
    profiles = np.array([case.profile for case in seen.cases])
    for i, constant in enumerate(CONSTANTS):
        moves = np.isin(profiles, constant.frameworks) if constant.frameworks else np.ones(len(errors), dtype=np.bool_)
        if not moves.any():
            continue
        step = DIFFERENCE if unit[i] + DIFFERENCE <= 1.0 else -DIFFERENCE
        moved = unit.copy()
        moved[i] += step
        columns[moves, i] = (log_errors(moved, seen.only(moves)) - errors[moves]) / step
    return columns


def _robust(errors: Vector, weights: Vector) -> Vector:
    """Weights of iteratively reweighted least squares for soft-L1; beyond CLIPPED a row's pull is constant."""
    size = np.minimum(np.abs(errors), CLIPPED) / SOFT
    return weights * weights / np.sqrt(1.0 + size * size) * np.minimum(1.0, CLIPPED / np.maximum(np.abs(errors), 1e-9))


def _cost(unit: Vector, errors: Vector, weights: Vector, prior: Vector = _PRIOR) -> float:
    size = np.minimum(np.abs(errors), CLIPPED) / SOFT
    pulled = PULL * (unit - prior)
    return float(np.sum(weights**2 * 2.0 * SOFT**2 * (np.sqrt(1.0 + size * size) - 1.0)) + pulled @ pulled)


def _step(
    unit: Vector, errors: Vector, jacobian: Vector, weights: Vector, damping: float, prior: Vector = _PRIOR
) -> Vector:
    """One Gauss-Newton step inside the bounds: constants that would leave them are held there and the rest solved."""
    robust = _robust(errors, weights)
    n = len(unit)
    matrix = jacobian.T @ (robust[:, None] * jacobian) + (PULL**2 + damping) * np.eye(n)
    gradient = jacobian.T @ (robust * errors) + PULL**2 * (unit - prior)
    free = np.ones(n, dtype=np.bool_)
    moved = unit.copy()
    for _ in range(n):
        solution = np.zeros(n)
        held = np.where(free, 0.0, moved - unit)
        right = -(gradient + matrix @ held)[free]
        solution[free] = np.linalg.solve(matrix[np.ix_(free, free)], right)
        proposed = np.where(free, unit + solution, moved)
        outside = free & ((proposed < 0.0) | (proposed > 1.0))
        moved = np.clip(proposed, 0.0, 1.0)
        if not outside.any():
            break
        free &= ~outside
    return moved


def _nobody(done: int) -> None:
    """Nobody looks."""


def optimise(
    seen: Sample, iterations: int = ITERATIONS, prior: Vector = _PRIOR, done: Callable[[int], None] = _nobody
) -> tuple[Vector, Vector, Vector]:
    """(constants scaled to [0, 1], log errors there, Jacobian there); `prior` is scaled alike."""
    unit = prior.copy()
    errors = log_errors(unit, seen)
    damping = 1e-3
    jacobian = _jacobian(unit, errors, seen)
    for i in range(iterations):
        done(i + 1)
        proposed = _step(unit, errors, jacobian, seen.weights, damping, prior)
        found = log_errors(proposed, seen)
        cost = _cost(unit, errors, seen.weights, prior)
        gained = cost - _cost(proposed, found, seen.weights, prior)
        if gained > 0.0:
            unit, errors, damping = proposed, found, damping / 4.0
            if gained < 1e-4 * (cost - gained):
                break
            jacobian = _jacobian(unit, errors, seen)
        else:
            damping *= 10.0
    return unit, errors, jacobian


def leave_out(
    unit: Vector, errors: Vector, jacobian: Vector, seen: Sample, steps: int = LEFT_OUT_STEPS, prior: Vector = _PRIOR,
    done: Callable[[int], None] = _nobody,
) -> Vector:  # fmt: skip
    """Log errors of every row predicted by constants fitted without any row of its source."""
    answer = np.empty_like(errors)
    for number, source in enumerate(sorted(set(seen.sources))):
        done(number)
        out = np.array([s == source for s in seen.sources])
        weights = np.where(out, 0.0, seen.weights)
        moved, found, slopes = unit, errors, jacobian
        damping = LEAST_DAMPING
        for i in range(steps):
            if i == REFRESHED:
                slopes, damping = _jacobian(moved, found, seen), LEAST_DAMPING
            proposed = _step(moved, found, slopes, weights, damping, prior)
            tried = log_errors(proposed, seen)
            if _cost(proposed, tried, weights, prior) < _cost(moved, found, weights, prior):
                moved, found = proposed, tried
            else:
                # Where the Jacobian misleads, take a shorter step, not none.
                damping = max(damping * 30.0, 0.03)
        answer[out] = found[out]
    return answer


def fit(
    seen: Sample, prior: Vector | None = None, iterations: int = ITERATIONS, progress: Progress | None = None
) -> Fitted:
    """Fit the constants and judge them on left-out sources.

    Args:
        seen: the runs.
        prior: what constants are shrunk towards (order of CONSTANTS); their physical priors where None.
        iterations: at most so many Gauss-Newton steps.
        progress: told the steps done and to do.
    """
    towards = _PRIOR if prior is None else (prior - _LOW) / _RANGE
    total = iterations + len(set(seen.sources))  # a step, and a source that is left out, take about as long

    def done(steps: int) -> None:
        if progress is not None:
            progress(steps, total)

    done(0)
    unit, errors, jacobian = optimise(seen, iterations, towards, done)
    left_out = leave_out(unit, errors, jacobian, seen, prior=towards, done=lambda number: done(iterations + number))
    done(total)
    return Fitted(_LOW + unit * _RANGE, errors, left_out, seen)
