"""A screen as text in a file beside the tests: `FMCTL_UPDATE_GOLDEN=1 pytest tests/tui` writes it anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

HERE = Path(__file__).parent / "snapshots"
UPDATE = bool(os.environ.get("FMCTL_UPDATE_GOLDEN"))  # read before the tests' own environment is made
# What differs from one run to the next and says nothing of how a screen looks.
_PASSING = (re.compile(r"searched in [^│]*"), re.compile(r"\b\d+(\.\d+)? s ago"), re.compile(r"/tmp/[^\s'│]*"))


def held(name: str, size: tuple[int, int], text: str) -> None:
    """The screen of that name and size looks as it did."""
    for passing in _PASSING:
        text = passing.sub("", text)
    text = "\n".join(line.rstrip() for line in text.split("\n")) + "\n"
    path = HERE / f"{name}-{size[0]}x{size[1]}.txt"
    if UPDATE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), "FMCTL_UPDATE_GOLDEN=1 writes it anew, if this is meant"
