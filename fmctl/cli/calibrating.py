"""`calibrate`: fit the constants again, on the shipped runs and the user's own."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from typing import Annotated

import typer
from typer import Option

from fmctl.cli.options import Output, Text
from fmctl.cli.output import emit, progress_line, settings_for
from fmctl.cli.streams import write_stderr

_Data = Annotated[
    list[str] | None,
    Option("--data", metavar="FILE", help="Your own measured runs (CSV), beside ours; again for more files."),
]
_Name = Annotated[Text, Option("--name", metavar="NAME", help="Keep the constants under a name.", show_default=False)]


def calibrate(ctx: typer.Context, out: Output, data: _Data = None, name: _Name = None) -> None:
    """Fit the constants again on the shipped runs and your own; takes about a minute.

    Your runs weigh as one more family, and every constant is shrunk towards ours: a few runs move only what they speak
    about. `--name` keeps the result for `--calibration NAME`.
    """
    settings = settings_for(out)
    files = list(data or ())
    from fmctl.cluster import calibrations
    from fmctl.report.calibrations import calibrate_answer

    if name is not None:
        calibrations.check_name(name)
    found = ctx.obj.calibrator(files, progress_line(out, "fitting"))
    today = ctx.obj.now().date().isoformat()
    source = calibrations.source_of(found["data"])
    path = None
    if name is not None:
        path = calibrations.save(name, found["constants"], found["data"], today)
    provenance = {"calibration": {"name": name or "not saved", "date": today, "source": source}}
    inputs = {"data": files, "name": name}
    emit(calibrate_answer(found | {"saved": None if path is None else str(path)}, inputs, provenance), out, settings)
    if path is not None and not out.quiet:
        write_stderr(f"fmctl: saved calibration {name}: --calibration {name} ({path})\n")
