"""Every view shows what its command prints: one walk, document against document."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from fmctl.__main__ import main
from fmctl.usecases.services import Services
from tests.tui.conftest import NOW, settled


def printed(command: str) -> dict[str, Any]:
    """The document of a command line as the screen spells it."""
    words = shlex.split(command)
    assert words[0] == "fmctl"
    out = ["-o", "json", "-O", "printed.json", "--quiet"]  # to a file: the session has taken stdout
    assert main([*words[1:], *out], services=Services(now=lambda: NOW)) == 0, command
    found: dict[str, Any] = json.loads(Path("printed.json").read_text())
    return found


def shown(view: Any) -> dict[str, Any]:
    """The document behind a screen, as JSON has it."""
    found: dict[str, Any] = json.loads(json.dumps(view.answer.document))
    return found


def same(view: Any) -> None:
    """The result on the screen is the result that is printed, but for how long the search took."""
    mine, theirs = shown(view), printed(view.command)
    for document in (mine, theirs):
        document["result"].pop("search_s", None)
        document["result"].pop("chosen", None)  # the command that names every field chose none of them
    assert mine["result"] == theirs["result"], view.command
    assert mine["schema"] == theirs["schema"]


def test_numbers_on_every_screen_are_those_of_its_command(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        same(app.screen)
        await pilot.press("S", *"mine", "enter", "down", "e")
        await settled(pilot)
        assert app.screen.NAME == "explain"
        same(app.screen)
        await pilot.press("w")
        app.screen.query_one("#what-if-form").edit("recompute")
        await pilot.press("ctrl+u", *"full")
        await settled(pilot)
        assert app.screen.shown.row["layout"]["recompute"] == "full"
        same(app.screen)
        for name in ("models", "model llama-3.1-8b", "explain mine"):
            app.open_named(name)
            await settled(pilot)
            assert name.partition(" ")[0] == app.screen.NAME
            same(app.screen)
        app.core.save_plan("other", app.screen.original.document)
        app.open_named("diff mine other")
        await settled(pilot)
        same(app.screen)

    session(scenario, size=(120, 40))
