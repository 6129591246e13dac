"""A saved calibration put to use: the constants of `fmctl calibrate --name` in place of the shipped ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite

from fmctl.base.errors import UnreadableFile
from fmctl.base.untyped import Data
from fmctl.domain.framework import Framework
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.ops.calibration import PRIOR, Calibration
from fmctl.validation.constants import CONSTANTS, apply


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """Constants to predict with: the calibration and every framework profile."""

    calibration: Calibration = PRIOR
    frameworks: Mapping[str, Framework] = field(default_factory=lambda: FRAMEWORKS)


def applied(saved: Data, where: str) -> Applied:
    """The constants of a saved calibration. `where` names it in errors.

    Raises:
        UnreadableFile: it lacks a constant or has others than this version, or one is beyond its bounds.
    """
    found = {_key(one): one.get("value") for one in saved["constants"]}
    wanted = {(c.field, c.frameworks): c for c in CONSTANTS}
    if set(found) != set(wanted):
        raise _refused(where, "it was fitted to other constants than those of this version")
    for key, constant in wanted.items():
        value = found[key]
        known = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        if not known or not constant.low <= value <= constant.high:
            raise _refused(where, f"{constant.name} is not within {constant.low:g} and {constant.high:g}")
    calibration, frameworks = apply([found[key] for key in wanted], PRIOR, FRAMEWORKS)
    name, date, source = (str(saved[key]) for key in ("name", "date", "source"))
    return Applied(replace(calibration, name=name, date=date, source=source), frameworks)


def _key(one: Data) -> tuple[str, tuple[str, ...]]:
    frameworks = one.get("frameworks")
    return str(one.get("field")), tuple(map(str, frameworks)) if isinstance(frameworks, list | tuple) else ()


def _refused(where: str, why: str) -> UnreadableFile:
    return UnreadableFile(f"{where} cannot be used", why=why, next="fmctl calibrate --name NAME")
