"""`validate`: measured runs against what the model of performance says of them."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Option

from fmctl.base.errors import UnknownName
from fmctl.cli.options import Calibration, Output
from fmctl.cli.output import emit, settings_for
from fmctl.usecases.calibration import basis, chosen
from fmctl.usecases.options import Text

AXES = ("family", "gpu", "framework", "kind", "parallelism", "precision")
_Data = Annotated[
    Text, Option("--data", metavar="FILE", help="Measured runs (CSV); the shipped ones otherwise.", show_default=False)
]
_By = Annotated[Text, Option("--by", metavar="NAME", help=f"Table to show: {' | '.join(AXES)}", show_default=False)]


def validate(
    ctx: typer.Context, out: Output, data: _Data = None, by: _By = None, calibration: Calibration = None
) -> None:
    """Predict measured runs and print the errors of throughput, memory, ranking and intervals.

    FILE has one run per line under the columns that docs/assumptions.md lists; others are ignored. What a run leaves
    unstated is assumed by one written rule per framework and said in its `assumed`.
    """
    settings = settings_for(out)
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
    emit(validate_answer(found, summary(found), {"data": data or "shipped", "by": axis}, provenance), out, settings)
