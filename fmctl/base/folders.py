"""Where fmctl keeps what is not a setting: the user's data and state folders. Nothing is made here."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from fmctl.base.errors import UsageError


def data_folder(name: str = "") -> Path:
    """A folder below `FMCTL_DATA`, else below the platform's data folder; without a name that folder itself.

    Raises:
        UsageError: neither is known, because there is no home folder.
    """
    given = os.environ.get("FMCTL_DATA")
    if given:
        return Path(given).absolute() / name
    from platformdirs import user_data_path

    return _known(user_data_path, "FMCTL_DATA") / name


def state_folder(name: str) -> Path:
    """A folder or file below the platform's state folder. Raises UsageError where there is no home folder."""
    from platformdirs import user_state_path

    return _known(user_state_path, "XDG_STATE_HOME") / name


def _known(find: Callable[[str], Path], variable: str) -> Path:
    try:
        folder = find("fmctl")
    except RuntimeError:
        folder = Path()
    if not folder.is_absolute():  # "~" stays as it is when nobody knows the home
        raise UsageError(
            "there is no folder for what fmctl keeps", why="no home folder is known", next=f"set {variable}"
        )
    return folder
