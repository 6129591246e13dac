"""A saved calibration put to use: the constants of `fmctl calibrate --name` in place of the shipped ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite

from fmctl.base.errors import UnreadableFile
from fmctl.base.read import Fields, number, rows
from fmctl.domain.framework import Framework
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.ops.calibration import PRIOR, Calibration
from fmctl.validation.constants import CONSTANTS, apply


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """Constants to predict with: the calibration and every framework profile."""

    calibration: Calibration = PRIOR
    frameworks: Mapping[str, Framework] = field(default_factory=lambda: FRAMEWORKS)


def applied(saved: Fields, where: str) -> Applied:
    """The constants of a saved calibration. `where` names it in errors.

    Raises:
        UnreadableFile: it lacks a constant or has others than this version, or one is beyond its bounds.
    """
    found = {_key(one): number(one.get("value")) for one in rows(saved["constants"])}
    wanted = {(c.field, c.frameworks): c for c in CONSTANTS}
    if set(found) != set(wanted):
        raise _refused(where, "it was fitted to other constants than those of this version")
    values = []
    for key, constant in wanted.items():
        value = found[key]
        if value is None or not isfinite(value) or not constant.low <= value <= constant.high:
            raise _refused(where, f"{constant.name} is not within {constant.low:g} and {constant.high:g}")
        values.append(value)
    calibration, frameworks = apply(values, PRIOR, FRAMEWORKS)
    name, date, source = (str(saved[key]) for key in ("name", "date", "source"))
    return Applied(replace(calibration, name=name, date=date, source=source), frameworks)


def _key(one: Fields) -> tuple[str, tuple[str, ...]]:
    frameworks = one.get("frameworks")
    return str(one.get("field")), tuple(map(str, frameworks)) if isinstance(frameworks, list | tuple) else ()


def _refused(where: str, why: str) -> UnreadableFile:
    return UnreadableFile(f"{where} cannot be used", why=why, next="fmctl calibrate --name NAME")
