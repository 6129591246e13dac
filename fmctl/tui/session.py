"""What a session leaves behind for the next one: form, view, sorting, theme; and the log of what went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fmctl.base.errors import FmctlError
from fmctl.base.files import read_text, write_atomic
from fmctl.base.folders import state_folder
from fmctl.base.parse import NotParsed, from_json

_SCHEMA = "fmctl.ui/1"
_LONGEST = 1_000_000
_MOST_LOG = 200_000


def session_file(demo: bool = False) -> Path:
    """Where the session is kept; that of the demo apart. Raises UsageError where there is no home folder."""
    return state_folder("ui-demo.json" if demo else "ui.json")


def log_file() -> Path:
    """Where unexpected errors are written down. Raises UsageError where there is no home folder."""
    return state_folder("ui.log")


def restore(demo: bool = False) -> tuple[dict[str, object], str]:
    """(what the last session left, a word where that cannot be used); both empty where there was none."""
    try:
        path = session_file(demo)
        if not path.exists():
            return {}, ""
        text = read_text(path, what="session")
        found = from_json(text) if len(text) <= _LONGEST else None
    except (FmctlError, NotParsed, OSError):
        return {}, "the last session could not be read; this one starts afresh"
    if not isinstance(found, dict) or found.get("schema") != _SCHEMA:
        return {}, "the last session is of another version; this one starts afresh"
    return found, ""


def keep(state: Mapping[str, object], demo: bool = False) -> None:
    """Write the session, whole or not at all; where nothing can be written it is lost, which hurts nobody."""
    with suppress(FmctlError, OSError):
        write_atomic(session_file(demo), json.dumps({"schema": _SCHEMA, **state}, indent=1) + "\n", parents=True)


def log_error(text: str) -> str:
    """Write an unexpected error down; returns the file, empty where there is none."""
    with suppress(FmctlError, OSError):
        path = log_file()
        before = read_text(path, what="log") if path.exists() else ""
        write_atomic(path, (before + text + "\n")[-_MOST_LOG:], parents=True)
        return str(path)
    return ""
