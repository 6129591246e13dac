"""Asking a person before money is spent or anything is destroyed: the name, typed; the default is No."""

from __future__ import annotations

import sys

from fmctl.base.errors import UsageError
from fmctl.base.printing import message
from fmctl.cli.streams import tell, write_stderr


def needs_yes(yes: bool, capped: bool) -> None:
    """Without a terminal nobody can be asked: --yes and a cap are needed. Raises UsageError."""
    if _asks():
        return
    if not yes:
        raise UsageError("there is no terminal to ask on", why="nobody can type the name", next="--yes --max-hours H")
    if not capped:
        raise UsageError("--yes needs a cap", why="without a terminal nobody sees what it costs", next="--max-hours H")


def ask_for_name(name: str, action: str) -> bool:
    """Whether the person typed the cluster's name. An empty line or anything else is No."""
    write_stderr(message(f"type the name to {action} ({name}): "))
    try:
        typed = sys.stdin.readline()
    except (OSError, ValueError, UnicodeDecodeError):
        return False
    if typed.strip() == name:
        return True
    tell("nothing was done")
    return False


def _asks() -> bool:
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError, OSError):
        return False
