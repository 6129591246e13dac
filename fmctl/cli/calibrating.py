"""`calibrate`: fit the constants again, on the shipped runs and the user's own."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from fmctl.base.config import Settings
from fmctl.base.errors import UsageError
from fmctl.cli.options import Output
from fmctl.cli.output import emit, progress_line, settings_for
from fmctl.cli.streams import write_stderr
from fmctl.usecases.options import Text

if TYPE_CHECKING:
    from fmctl.usecases.services import Services

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
    from fmctl.operate import calibrations
    from fmctl.report.calibrations import calibrate_answer

    if name is not None:
        calibrations.check_name(name)
    with TemporaryDirectory() as folder:
        files = [*(data or ()), *_measured(from_run or (), settings, ctx.obj, folder)]
        found = ctx.obj.calibrator(files, progress_line(out, "fitting"))
    today = ctx.obj.now().date().isoformat()
    source = calibrations.source_of(found["data"])
    path = None
    if name is not None:
        path = calibrations.save(name, found["constants"], found["data"], today)
    provenance = {"calibration": {"name": name or "not saved", "date": today, "source": source}}
    inputs = {"data": list(data or ()), "from_run": list(from_run or ()), "name": name}
    emit(calibrate_answer(found | {"saved": None if path is None else str(path)}, inputs, provenance), out, settings)
    if path is not None and not out.quiet:
        write_stderr(f"fmctl: saved calibration {name}: --calibration {name} ({path})\n")


def _measured(runs: Sequence[str], settings: Settings, services: "Services", folder: str) -> list[str]:
    """Runs on record as a file of measured runs; none where none is named. Raises UnknownName, UsageError."""
    if not runs:
        return []
    from fmctl.base.files import write_atomic
    from fmctl.operate.runs import read_run
    from fmctl.progress.from_run import as_csv, measured_row
    from fmctl.progress.state import Progress

    store = services.operations.store(settings, {})
    rows = []
    for name in runs:
        run = read_run(store, name)
        if run.measured is None:
            raise UsageError(
                f"{name} cannot be learned from", why="its log was not read yet", next=f"fmctl report {name}"
            )
        known = run.row["model"] in services.catalogue.model_names()
        arch = services.catalogue.load_model(run.row["model"]) if known else None
        instance = services.catalogue.load_instance(run.row["instance"])
        rows.append(measured_row(run.row, Progress.from_dict(run.measured["state"]), instance, name, arch))
    path = Path(folder) / f"{runs[0]}.csv"
    write_atomic(path, as_csv(rows))
    return [str(path)]
