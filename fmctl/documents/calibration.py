"""What `calibrate` answers: the constants, and the errors that they leave."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fmctl.documents.base import Envelope, Open


class FittedConstant(Open):
    """One constant of the calibration, or of the named framework profiles."""

    name: str
    field: str
    frameworks: list[str]
    meaning: str
    low: float
    high: float
    prior: Annotated[float, Field(description="what it is shrunk towards")]
    shipped: Annotated[float, Field(description="what fmctl ships")]
    value: float
    at_bound: bool


class KindErrors(Open):
    """Mean over families of the median absolute error of tokens/s."""

    all: float | None
    dense: float | None
    moe: float | None


class FitErrors(Open):
    """Errors of the shipped constants, of the fitted ones, and with a row's whole source left out of the fit."""

    shipped: KindErrors
    in_sample: KindErrors
    left_out: KindErrors


class FamilyErrors(Open):
    """Median absolute errors of one family."""

    name: str
    rows: int
    shipped: float
    in_sample: float
    left_out: float


class FittedRows(Open):
    """Runs that were fitted."""

    used: int
    yours: int


class DataFile(Open):
    """One file of measured runs."""

    file: str
    digest: str
    rows: int
    used: int


class CalibrateResult(Open):
    """Constants, errors, rows."""

    constants: list[FittedConstant]
    errors: FitErrors
    families: list[FamilyErrors]
    rows: FittedRows
    data: list[DataFile]
    saved: Annotated[str | None, Field(description="file of the named calibration, null where none was asked for")]


class CalibrateDocument(Envelope):
    """Fitted constants, and the errors that they leave."""

    schema_: Literal["fmctl.calibrate/1"] = Field(alias="schema")
    inputs: dict[str, object]
    result: CalibrateResult
