"""Screens of the running half against their commands: one walk, document against document."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Tabs

from fmctl.__main__ import main
from fmctl.tui.app import FmctlApp
from fmctl.tui.worker import ThreadPlanning
from fmctl.usecases.services import Services
from fmctl.usecases.session.answers import answer
from tests.tui.test_launch import SITE, operations  # noqa: F401 - a fixture
from tests.tui.world import NOW, Operations, operating_core, run, until


def printed(command: str, world: Operations) -> Any:
    """The document of a command line as the screen spells it, in the same world."""
    words = shlex.split(command)[1:]
    if "-O" in words:
        words = words[: words.index("-O")]
    out = ["-o", "json", "-O", "printed.json", "--quiet"]  # to a file: the session has taken stdout
    if words[0] == "render":
        out[3] = "printed"
        main([*words, "-O", "printed", "--quiet"], services=Services(now=lambda: NOW, operations=world))
        return {one.name: one.read_text() for one in Path("printed").iterdir()}
    main([*words, *out], services=Services(now=lambda: NOW, operations=world))
    return json.loads(Path("printed.json").read_text())["result"]


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_numbers_on_every_screen_are_those_of_its_command(operations: Operations, size: tuple[int, int]) -> None:  # noqa: F811
    assert SITE
    app = FmctlApp(operating_core(operations, ThreadPlanning(answer)))

    async def scenario(pilot: Pilot[None]) -> None:
        def result() -> Any:
            view: Any = app.screen
            return None if view.answer is None else json.loads(json.dumps(view.answer.document["result"]))

        await pilot.press("5")
        await until(pilot, result)
        assert result() == printed("fmctl status", operations)
        app.open_named("cluster live")
        for page in ("overview", "jobs"):
            await until(pilot, lambda: getattr(app.screen, "NAME", "") == "cluster")
            app.screen.query_one("#pages", Tabs).active = page
            await until(pilot, lambda page=page: page in app.screen.answers)  # type: ignore[attr-defined]
            assert result() == printed(app.screen.command, operations)  # type: ignore[attr-defined]
        app.open_named("launch small")
        await until(pilot, lambda: "cluster.yaml" in getattr(app.screen, "answers", {}) and not app.screen.state)  # type: ignore[attr-defined]
        assert result() == printed(app.screen.command, operations)  # type: ignore[attr-defined]
        await pilot.press("right")
        await pilot.pause()
        files = {one["name"]: one["text"] for one in result()["files"]}
        assert files == printed(app.screen.command, operations)  # type: ignore[attr-defined]

    run(app, scenario, size)
