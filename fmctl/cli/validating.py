"""`validate`: measured runs against what the model of performance says of them."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Option

from fmctl.cli.options import Calibration, Output
from fmctl.cli.output import emit, settings_for
from fmctl.usecases.options import Text
from fmctl.usecases.validating import AXES
from fmctl.usecases.validating import validate as check

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
    emit(check(data, by, calibration, settings), out, settings)
