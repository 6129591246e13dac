"""Fit the constants on the shipped runs and the user's own, and say how well they then predict.

The user's rows weigh as one more family and one more source. With them every constant is shrunk towards the value that
fmctl ships, without them towards its physical prior: a handful of runs moves only what they speak about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from fmctl.base.errors import UsageError
from fmctl.base.files import read_text
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.ops.calibration import PRIOR
from fmctl.validation.cases import Case
from fmctl.validation.constants import CONSTANTS
from fmctl.validation.fit import ITERATIONS, Fitted, Progress, fit, shipped
from fmctl.validation.predict import Prepared, prepare, step_s
from fmctl.validation.records import is_apart
from fmctl.validation.rows import SHIPPED, Row, read_rows
from fmctl.validation.sampling import ROWS_PER_FAMILY, Sample, Vector, sample

if TYPE_CHECKING:
    from fmctl.domain.rows.calibration import (
        DataFile,
        FamilyErrors,
        FitErrors,
        FittedConstant,
        FittedRows,
        KindErrors,
    )

YOURS = "your runs"
SHIPPED_NAME = "shipped"
AT_BOUND = 1e-3  # share of its range within which a constant is at its bound


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One file of runs: its name, SHA-256, rows, and how many of them were fitted."""

    name: str
    digest: str
    rows: int
    used: int

    def as_dict(self) -> DataFile:
        """For documents."""
        return {"file": self.name, "digest": self.digest, "rows": self.rows, "used": self.used}


class Outcome(TypedDict):
    """What `fmctl calibrate` prints, before it is saved."""

    constants: list[FittedConstant]
    errors: FitErrors
    families: list[FamilyErrors]
    rows: FittedRows
    data: list[DataFile]


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """A fit with the files it saw, the values its constants were shrunk towards, and the log errors of ours."""

    fitted: Fitted
    prior: Vector
    as_shipped: Vector
    data: tuple[Told, ...]


def calibrate(
    files: Sequence[Path | str] = (),
    rows_per_family: int = ROWS_PER_FAMILY,
    iterations: int = ITERATIONS,
    progress: Progress | None = None,
) -> Calibrated:
    """Fit the constants on the shipped runs and those of `files`.

    Raises:
        UnreadableFile: a file that is missing or holds no measured runs.
        UsageError: a file without a run that can be predicted and compared.
    """
    ours, known = _seen(SHIPPED, rows_per_family)
    parts, data = [ours], [replace(known, name=SHIPPED_NAME)]
    for file in files:
        yours, told = _seen(file, 0)
        parts.append(yours)
        data.append(told)
    seen = _joined(parts)
    prior = shipped() if files else np.array([c.prior for c in CONSTANTS])
    fitted = fit(seen, prior, iterations, progress)
    return Calibrated(fitted, prior, _as_shipped(seen), tuple(data))


def _seen(file: Path | str, rows_per_family: int) -> tuple[Sample, Told]:
    """The runs of one file that can be fitted; a user's file (0 rows per family) is taken whole, as one family."""
    rows = read_rows(file)
    prepared = prepare(rows)
    apart = {row.id: is_apart(row) for row in rows}
    if rows_per_family:
        seen = sample(prepared, apart, rows_per_family)
    else:
        seen = sample([_yours(p) for p in prepared], apart, len(rows))
    if not seen.cases:
        raise UsageError(f"{file} holds no run to fit", why=_why(prepared), next=f"fmctl validate --data {file}")
    digest = sha256(read_text(file, what="measured runs").encode()).hexdigest()
    return seen, Told(str(file), f"sha256:{digest}", len(rows), len(seen.cases))


def _yours(p: Prepared) -> Prepared:
    if not isinstance(p, Case):
        return p
    return replace(p, row=Row(p.row.line, {**p.row.cells, "source_family": YOURS}))


def _why(prepared: Sequence[Prepared]) -> str:
    reasons = [p.reason for p in prepared if not isinstance(p, Case)]
    return reasons[0] if reasons else "no row states a throughput"


def _joined(parts: Sequence[Sample]) -> Sample:
    """All runs; those of several user files are one family."""
    yours = sum(len(part.cases) for part in parts[1:])
    weights = [parts[0].weights, np.full(yours, 1.0 / np.sqrt(max(yours, 1)))]
    return Sample(
        [case for part in parts for case in part.cases],
        np.concatenate([part.log_measured for part in parts]),
        np.concatenate(weights),
        [source for part in parts for source in part.sources],
    )


def _as_shipped(seen: Sample) -> Vector:
    tokens = np.array([c.workload.tokens_per_step / c.layout.gpus for c in seen.cases])
    return np.log(tokens / step_s(seen.cases, PRIOR, FRAMEWORKS)) - seen.log_measured


def outcome(found: Calibrated) -> Outcome:
    """Constants, errors and rows as plain values: what `fmctl calibrate` prints."""
    seen = found.fitted.sample
    return {
        "constants": _constants(found),
        "errors": {
            "shipped": _means(seen, found.as_shipped),
            "in_sample": _means(seen, found.fitted.in_sample),
            "left_out": _means(seen, found.fitted.left_out),
        },
        "families": _families(seen, found.as_shipped, found.fitted),
        "rows": {"used": len(seen.cases), "yours": sum(s == YOURS for s in seen.sources)},
        "data": [one.as_dict() for one in found.data],
    }


def _constants(found: Calibrated) -> list[FittedConstant]:
    values = zip(CONSTANTS, found.prior, shipped(), found.fitted.values, strict=True)
    return [
        {
            "name": c.name,
            "field": c.field,
            "frameworks": list(c.frameworks),
            "meaning": c.meaning,
            "low": c.low,
            "high": c.high,
            "prior": float(prior),
            "shipped": float(ours),
            "value": min(max(float(value), c.low), c.high),  # low + range may pass high by a rounding
            "at_bound": bool(min(value - c.low, c.high - value) < AT_BOUND * (c.high - c.low)),
        }
        for c, prior, ours, value in values
    ]


def _members(seen: Sample, kind: str = "all") -> dict[str, list[int]]:
    """Indices by family of the runs of a kind."""
    found: dict[str, list[int]] = {}
    for i, case in enumerate(seen.cases):
        if kind == "all" or case.arch.is_moe == (kind == "moe"):
            found.setdefault(case.row.text("source_family") or "not stated", []).append(i)
    return found


def _median(log_errors: Vector, members: Sequence[int]) -> float:
    return median(abs(float(np.expm1(log_errors[i]))) for i in members)


def _means(seen: Sample, log_errors: Vector) -> KindErrors:
    """Mean over families of the median absolute error, by kind."""
    return {
        "all": _mean(seen, log_errors, "all"),
        "dense": _mean(seen, log_errors, "dense"),
        "moe": _mean(seen, log_errors, "moe"),
    }


def _mean(seen: Sample, log_errors: Vector, kind: str) -> float | None:
    values = [_median(log_errors, members) for members in _members(seen, kind).values()]
    return fmean(values) if values else None


def _families(seen: Sample, as_shipped: Vector, fitted: Fitted) -> list[FamilyErrors]:
    return [
        {
            "name": name,
            "rows": len(members),
            "shipped": _median(as_shipped, members),
            "in_sample": _median(fitted.in_sample, members),
            "left_out": _median(fitted.left_out, members),
        }
        for name, members in sorted(_members(seen).items())
    ]
