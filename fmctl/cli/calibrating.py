"""`calibrate`: fit the constants again, on the shipped runs and the user's own."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from typing import Annotated

import typer
from typer import Option

from fmctl.cli.options import Output
from fmctl.cli.output import emit, progress_line, settings_for
from fmctl.cli.streams import tell
from fmctl.usecases.calibration import calibrate as fit
from fmctl.usecases.options import Text

_Data = Annotated[
    list[str] | None,
    Option("--data", metavar="FILE", help="Your own measured runs (CSV), beside ours; again for more files."),
]
_FromRun = Annotated[
    list[str] | None,
    Option("--from-run", metavar="RUN", help="A run of yours on record (fmctl history); again for more."),
]
_Name = Annotated[Text, Option("--name", metavar="NAME", help="Keep the constants under a name.", show_default=False)]


def calibrate(
    ctx: typer.Context, out: Output, data: _Data = None, from_run: _FromRun = None, name: _Name = None
) -> None:
    """Fit the constants again on the shipped runs and your own; takes about a minute.

    Your runs weigh as one more family, and every constant is shrunk towards ours: a few runs move only what they speak
    about. `--name` keeps the result for `--calibration NAME`.
    """
    settings = settings_for(out)
    found = fit(data or (), from_run or (), name, settings, ctx.obj, progress_line(out, "fitting"))
    emit(found.answer, out, settings)
    if found.path is not None and not out.quiet:
        tell(f"saved calibration {name}: --calibration {name} ({found.path})")
