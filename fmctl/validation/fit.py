"""Fit the constants of `constants` to measured runs, and judge them on sources that were left out.

Minimised: the sum over rows of w rho(log predicted / measured) plus a pull of every constant towards its prior, with w
= 1 / sqrt(rows of the family), so that families weigh alike, and rho the soft-L1 loss. Steps are Gauss-Newton on the
bounded constants (scaled to [0, 1]) with a finite-difference Jacobian. Leaving a source out repeats the last steps
without its rows, from the optimum, with the same Jacobian; its rows are then predicted by the full model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmctl.domain.framework import Framework
from fmctl.perf.calibration import PRIOR, Calibration
from fmctl.perf.frameworks import FRAMEWORKS
from fmctl.validation.cases import Case
from fmctl.validation.constants import CONSTANTS, apply
from fmctl.validation.predict import Prepared, step_s

Vector = npt.NDArray[np.float64]
SOFT = 0.06  # log error at which soft-L1 turns from square to absolute
PULL = 0.10  # weight of the prior, per constant over its whole range
ROWS_PER_FAMILY = 30
CLIPPED = 1.0  # log error beyond which a row pulls no harder
DIFFERENCE = 0.01
ITERATIONS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The runs that a fit sees: cases with throughput, log of the measured one, weights, and the source of each."""

    cases: list[Case]
    log_measured: Vector
    weights: Vector
    sources: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Constants at the optimum (order of CONSTANTS), log errors in sample, and those of rows whose source was left out."""

    values: Vector
    in_sample: Vector
    left_out: Vector
    sample: Sample


def source_of(family: str) -> str:
    """The publisher a family comes from: what is left out at once. `nemo-25.x/B200/..` and `nemo-24.07` are one."""
    first = family.split("/", maxsplit=1)[0]
    return first.split("-2", maxsplit=1)[0]


def sample(prepared: Sequence[Prepared], apart: Mapping[str, bool], rows_per_family: int = ROWS_PER_FAMILY) -> Sample:
    """At most `rows_per_family` rows of each family, evenly spread in file order; no adapters, no rows set apart."""
    families: dict[str, list[Case]] = defaultdict(list)
    for p in prepared:
        if isinstance(p, Case) and not p.frozen and p.measured.tokens_per_s_per_gpu and not apart.get(p.row.id, False):
            families[p.row.text("source_family")].append(p)
    cases: list[Case] = []
    weights: list[float] = []
    for _, members in sorted(families.items()):
        step = max(len(members) / rows_per_family, 1.0)
        chosen = [members[int(i * step)] for i in range(int(len(members) / step))]
        cases += chosen
        weights += [1.0 / np.sqrt(len(chosen))] * len(chosen)
    measured = [c.measured.tokens_per_s_per_gpu or 1.0 for c in cases]
    sources = [source_of(c.row.text("source_family")) for c in cases]
    return Sample(cases, np.log(measured), np.array(weights), sources)


_LOW = np.array([c.low for c in CONSTANTS])
_RANGE = np.array([c.high - c.low for c in CONSTANTS])
_PRIOR = (np.array([c.prior for c in CONSTANTS]) - _LOW) / _RANGE


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
    columns = []
    for i in range(len(unit)):
        step = DIFFERENCE if unit[i] + DIFFERENCE <= 1.0 else -DIFFERENCE
        moved = unit.copy()
        moved[i] += step
        columns.append((log_errors(moved, seen) - errors) / step)
    return np.stack(columns, axis=1)


def _robust(errors: Vector, weights: Vector) -> Vector:
    """Weights of iteratively reweighted least squares for soft-L1; beyond CLIPPED a row's pull is constant."""
    size = np.minimum(np.abs(errors), CLIPPED) / SOFT
    return weights * weights / np.sqrt(1.0 + size * size) * np.minimum(1.0, CLIPPED / np.maximum(np.abs(errors), 1e-9))


def _cost(unit: Vector, errors: Vector, weights: Vector) -> float:
    size = np.minimum(np.abs(errors), CLIPPED) / SOFT
    pulled = PULL * (unit - _PRIOR)
    return float(np.sum(weights**2 * 2.0 * SOFT**2 * (np.sqrt(1.0 + size * size) - 1.0)) + pulled @ pulled)


def _step(unit: Vector, errors: Vector, jacobian: Vector, weights: Vector, damping: float) -> Vector:
    """One Gauss-Newton step inside the bounds: constants that would leave them are held there and the rest solved."""
    robust = _robust(errors, weights)
    n = len(unit)
    matrix = jacobian.T @ (robust[:, None] * jacobian) + (PULL**2 + damping) * np.eye(n)
    gradient = jacobian.T @ (robust * errors) + PULL**2 * (unit - _PRIOR)
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


def optimise(seen: Sample, iterations: int = ITERATIONS) -> tuple[Vector, Vector, Vector]:
    """(constants scaled to [0, 1], log errors there, Jacobian there)."""
    unit = _PRIOR.copy()
    errors = log_errors(unit, seen)
    damping = 1e-3
    jacobian = _jacobian(unit, errors, seen)
    for _ in range(iterations):
        proposed = _step(unit, errors, jacobian, seen.weights, damping)
        found = log_errors(proposed, seen)
        if _cost(proposed, found, seen.weights) < _cost(unit, errors, seen.weights):
            gained = _cost(unit, errors, seen.weights) - _cost(proposed, found, seen.weights)
            unit, errors, damping = proposed, found, damping / 4.0
            if gained < 1e-4 * _cost(unit, errors, seen.weights):
                break
            jacobian = _jacobian(unit, errors, seen)
        else:
            damping *= 10.0
    return unit, errors, jacobian


def leave_out(unit: Vector, errors: Vector, jacobian: Vector, seen: Sample, steps: int = 3) -> Vector:
    """Log errors of every row predicted by constants fitted without any row of its source."""
    answer = np.empty_like(errors)
    for source in sorted(set(seen.sources)):
        out = np.array([s == source for s in seen.sources])
        weights = np.where(out, 0.0, seen.weights)
        moved, found = unit, errors
        for _ in range(steps):
            proposed = _step(moved, found, jacobian, weights, 1e-4)
            tried = log_errors(proposed, seen)
            if _cost(proposed, tried, weights) >= _cost(moved, found, weights):
                break
            moved, found = proposed, tried
        answer[out] = found[out]
    return answer


def fit(seen: Sample) -> Fitted:
    """Fit the constants and judge them on left-out sources."""
    unit, errors, jacobian = optimise(seen)
    return Fitted(_LOW + unit * _RANGE, errors, leave_out(unit, errors, jacobian, seen), seen)
