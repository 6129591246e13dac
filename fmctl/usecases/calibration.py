"""Calibrations: the one that a command predicts with, and new ones fitted to the user's runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fmctl.base.config import Settings
from fmctl.base.errors import UsageError
from fmctl.domain.result import PlanRequest
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.rows.calibration import CalibrateResult
    from fmctl.perf.ops.calibration import Calibration
    from fmctl.report.view import Answer
    from fmctl.validation.calibrated import Applied


def chosen(asked: str | None, settings: Settings) -> Applied | None:
    """The calibration that an option or a setting names; None for the shipped constants.

    Raises:
        UnknownName: no calibration of that name.
        UnreadableFile: it is damaged, or of a version with other constants.
    """
    name = settings.text("calibration") if asked is None else asked
    if name is None:
        return None
    from fmctl.operate import calibrations

    if name == calibrations.SHIPPED:
        return None
    from fmctl.validation.calibrated import applied

    return applied(calibrations.load(name), f"calibration {name}")


def basis(calibration: Calibration) -> dict[str, str]:
    """What a calibration is, for provenance."""
    return {"name": calibration.name, "date": calibration.date, "source": calibration.source}


def provenance(request: PlanRequest, services: Services) -> Mapping[str, object]:
    """What the model of performance rests on for this request."""
    found = services.planner.provenance(request.framework)
    return found if request.calibration is None else {**found, "calibration": basis(request.calibration)}


@dataclass(frozen=True, slots=True)
class Fitted:
    """A calibration as an answer, and where it is kept."""

    answer: Answer
    path: Path | None  # where the constants are kept, None where no name was given


def calibrate(
    data: Sequence[str], runs: Sequence[str], name: str | None, settings: Settings, services: Services,
    progress: Callable[[int, int], None] | None = None,
) -> Fitted:  # fmt: skip
    """Fit the constants again, on the shipped runs, on files, and on runs on record.

    Raises:
        UsageError, UnknownName: a name that cannot be kept, or a run that there is none of or whose log was not read.
    """
    from fmctl.operate import calibrations
    from fmctl.report.calibrations import calibrate_answer

    if name is not None:
        calibrations.check_name(name)
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        files = [*data, *_measured(runs, settings, services, folder)]
        found = cast("CalibrateResult", services.calibrator(files, progress))
    today = services.now().date().isoformat()
    source = calibrations.source_of(found["data"])
    path = None if name is None else calibrations.save(name, found["constants"], found["data"], today)
    provenance = {"calibration": {"name": name or "not saved", "date": today, "source": source}}
    inputs = {"data": list(data), "from_run": list(runs), "name": name}
    saved = {"saved": None if path is None else str(path)}
    return Fitted(calibrate_answer({**found, **saved}, inputs, provenance), path)


def _measured(runs: Sequence[str], settings: Settings, services: Services, folder: str) -> list[str]:
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
