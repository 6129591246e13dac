"""Fitted constants and the errors that they leave. Made of `fmctl.documents.calibration` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Envelope


class FittedConstant(TypedDict):
    """One constant of the calibration, or of the named framework profiles."""

    name: str
    field: str
    frameworks: list[str]
    meaning: str
    low: float
    high: float
    prior: float
    shipped: float
    value: float
    at_bound: bool


class KindErrors(TypedDict):
    """Mean over families of the median absolute error of tokens/s."""

    all: float | None
    dense: float | None
    moe: float | None


class FitErrors(TypedDict):
    """Errors of the shipped constants, of the fitted ones, and with a row's whole source left out of the fit."""

    shipped: KindErrors
    in_sample: KindErrors
    left_out: KindErrors


class FamilyErrors(TypedDict):
    """Median absolute errors of one family."""

    name: str
    rows: int
    shipped: float
    in_sample: float
    left_out: float


class FittedRows(TypedDict):
    """Runs that were fitted."""

    used: int
    yours: int


class DataFile(TypedDict):
    """One file of measured runs."""

    file: str
    digest: str
    rows: int
    used: int


class CalibrateResult(TypedDict):
    """Constants, errors, rows."""

    constants: list[FittedConstant]
    errors: FitErrors
    families: list[FamilyErrors]
    rows: FittedRows
    data: list[DataFile]
    saved: str | None


class CalibrateDocument(Envelope):
    """Fitted constants, and the errors that they leave."""

    schema: Literal["fmctl.calibrate/1"]
    result: CalibrateResult
