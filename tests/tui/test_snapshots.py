"""What the screens look like at two sizes, as text: `FMCTL_UPDATE_GOLDEN=1 pytest tests/tui` writes them anew.

Few, and only of what stays: times of the search and marks of the cursor are left out.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.conftest import screen_text, settled

HERE = Path(__file__).parent / "snapshots"
UPDATE = bool(os.environ.get("FMCTL_UPDATE_GOLDEN"))  # read before the tests' own environment is made
KEYS = {"plan": (), "explain": ("e",), "memory": ("e", "right"), "models": ("4",)}


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize("name", KEYS)
def test_screens_look_as_they_did(session: Any, name: str, size: tuple[int, int]) -> None:
    found = ""

    async def scenario(pilot: Pilot[None]) -> None:
        nonlocal found
        for key in KEYS[name]:
            await pilot.press(key)
            await settled(pilot)
        await pilot.pause(0.5)  # the line of keys comes a little later than the rest
        found = re.sub(r"searched in [^│]*", "", screen_text(pilot.app)) + "\n"

    session(scenario, size=size)
    path = HERE / f"{name}-{size[0]}x{size[1]}.txt"
    if UPDATE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    assert found == path.read_text(), "FMCTL_UPDATE_GOLDEN=1 writes it anew, if this is meant"
