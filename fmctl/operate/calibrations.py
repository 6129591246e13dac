"""Saved calibrations: one JSON file each, beside the saved plans, written whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from fmctl import __version__
from fmctl.base.errors import UnknownName, UnreadableFile, UsageError
from fmctl.base.files import read_text, write_atomic
from fmctl.base.folders import data_folder
from fmctl.base.parse import NotParsed, from_json
from fmctl.operate import store

SCHEMA = "fmctl.calibration/1"
SHIPPED = "shipped"
_SUFFIX = ".json"
_TEXTS = ("name", "date", "source")


def folder() -> Path:
    """Where calibrations are kept. Raises UsageError where no home folder is known."""
    return data_folder("calibrations")


def check_name(name: str) -> str:
    """The name, if a calibration may have it. Raises UsageError."""
    if name == SHIPPED:
        raise UsageError(f"'{SHIPPED}' cannot be the name of a calibration", why="it means the constants of fmctl")
    return store.check_name(name, "calibration", "--name our-h200")


def names() -> list[str]:
    """Names of the saved calibrations, sorted; none where there is no folder."""
    return store.names_in(folder)


def save(name: str, constants: Sequence[Mapping[str, object]], data: Sequence[Mapping[str, object]], date: str) -> Path:
    """Keep constants under a name, replacing what had it.

    Args:
        name: see `check_name`.
        constants: field, frameworks and value of each.
        data: file, digest, rows and rows used of each file they were fitted to.
        date: ISO date.

    Raises:
        UsageError: a name that no calibration may have.
        UnwritableFile: the folder or the disk said no.
    """
    path = folder() / f"{check_name(name)}{_SUFFIX}"
    document = {
        "schema": SCHEMA,
        "fmctl_version": __version__,
        "name": name,
        "date": date,
        "source": source_of(data),
        "data": [dict(one) for one in data],
        "constants": [{key: one[key] for key in ("field", "frameworks", "value")} for one in constants],
    }
    write_atomic(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", parents=True)
    return path


def source_of(data: Sequence[Mapping[str, object]]) -> str:
    """What a calibration was fitted to, in a line."""
    fitted = ", ".join(f"{Path(str(one['file'])).name} ({one['used']} rows)" for one in data)
    return f"fmctl {__version__} calibrate: {fitted}"


def load(name: str) -> dict[str, object]:
    """A saved calibration.

    Raises:
        UnknownName: no calibration of that name.
        UnreadableFile: it is damaged.
    """
    known = names()
    if name not in known:
        raise UnknownName("calibration", name, [*known, SHIPPED], next="fmctl calibrate --name NAME")
    path = folder() / f"{name}{_SUFFIX}"
    try:
        found = from_json(read_text(path, what="calibration"))
    except NotParsed as error:
        raise _damaged(path, f"it is not JSON: {error}") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise _damaged(path, f"its schema is not {SCHEMA}")
    constants = found.get("constants")
    if not isinstance(constants, list) or not all(isinstance(one, dict) for one in constants):
        raise _damaged(path, "it has no constants")
    if not all(isinstance(found.get(key), str) for key in _TEXTS):
        raise _damaged(path, f"it lacks {' or '.join(_TEXTS)}")
    return found


def _damaged(path: Path, why: str) -> UnreadableFile:
    return UnreadableFile(f"{path} is not a calibration", why=why, next="fmctl calibrate --name NAME")
