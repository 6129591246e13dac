"""Who sits at the keyboard, as this machine knows them."""

from __future__ import annotations

import getpass


def operator() -> str:
    """The user's name; empty where the machine knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
