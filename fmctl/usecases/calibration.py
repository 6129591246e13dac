"""The calibration that a command predicts with: a saved one by name, else the shipped constants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fmctl.base.config import Settings
from fmctl.domain.result import PlanRequest
from fmctl.usecases.services import Services

if TYPE_CHECKING:
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


def basis(calibration: Any) -> dict[str, str]:
    """What a calibration is, for provenance."""
    return {"name": calibration.name, "date": calibration.date, "source": calibration.source}


def provenance(request: PlanRequest, services: Services) -> Mapping[str, Any]:
    """What the model of performance rests on for this request."""
    found = services.planner.provenance(request.framework)
    return found if request.calibration is None else {**found, "calibration": basis(request.calibration)}
