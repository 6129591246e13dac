"""`validate`: measured runs against what the model of performance says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import UnknownName
from fmctl.usecases.calibration import basis, chosen

if TYPE_CHECKING:
    from fmctl.report.view import Answer

AXES = ("family", "gpu", "framework", "kind", "parallelism", "precision")


def validate(data: str | None, by: str | None, calibration: str | None, settings: Settings) -> Answer:
    """Errors of the measured runs of a file, by default the shipped one, grouped by an axis. Raises UnknownName."""
    axis = by or AXES[0]
    if axis not in AXES:
        raise UnknownName("table", axis, AXES, next=f"--by {' | '.join(AXES)}")
    from fmctl.report.validations import validate_answer
    from fmctl.validation.calibrated import Applied
    from fmctl.validation.predict import predict, prepare
    from fmctl.validation.records import records
    from fmctl.validation.rows import SHIPPED, read_rows
    from fmctl.validation.summary import summary

    prepared = prepare(read_rows(data or SHIPPED))
    constants = chosen(calibration, settings) or Applied()
    found = records(predict(prepared, constants.calibration, constants.frameworks))
    provenance = {"calibration": basis(constants.calibration), "rules": "docs/assumptions.md"}
    return validate_answer(found, summary(found), {"data": data or "shipped", "by": axis}, provenance)
