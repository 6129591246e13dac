"""What the planning screens look like at two sizes, as text.

Few, and only of what stays: times of the search and marks of the cursor are left out.
"""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from fmctl.operate.runs import write_run
from fmctl.operate.state.files import FileStore
from tests.tui.conftest import screen_text, settled
from tests.tui.snapshot import held
from tests.tui.test_runs import record

KEYS = {
    "plan": (),
    "explain": ("e",),
    "memory": ("e", "right"),
    "models": ("4",),
    "diff": ("space", "down", "space", "d"),
    "save": ("S",),
    "export": ("x",),
    "help": ("question_mark",),
    "jump": ("colon",),
}
SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])


@SIZES
@pytest.mark.parametrize("name", KEYS)
def test_screens_look_as_they_did(session: Any, name: str, size: tuple[int, int]) -> None:
    found = ""

    async def scenario(pilot: Pilot[None]) -> None:
        nonlocal found
        for key in KEYS[name]:
            await pilot.press(key)
            await settled(pilot)
        await pilot.pause(0.5)  # the line of keys comes a little later than the rest
        found = screen_text(pilot.app)

    session(scenario, size=size)
    held(name, size, found)


RUNS = {"runs": ("6",), "run": ("6", "enter"), "run-diff": ("6", "space", "down", "space", "d")}


@SIZES
@pytest.mark.parametrize("name", RUNS)
def test_screens_of_runs_look_as_they_did(session: Any, name: str, size: tuple[int, int]) -> None:
    found = ""

    async def scenario(pilot: Pilot[None]) -> None:
        nonlocal found
        app: Any = pilot.app
        row = app.screen.answer.document["result"]["rows"][0]
        for run, loss in (("llama-1", 2.5), ("llama-2", 2.25)):
            write_run(FileStore(), record(run, row, loss))
        for key in RUNS[name]:
            await pilot.press(key)
            await settled(pilot)
        await pilot.pause(0.5)
        found = screen_text(app)

    session(scenario, size=size)
    held(name, size, found)
