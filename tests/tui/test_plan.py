"""The plan screen: form, ranking, keys, dialogs."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from fmctl.tui.table import Rows
from tests.tui.conftest import screen_text, settled


def test_the_ranking_is_there_and_a_row_is_explained_and_left_again(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        text = screen_text(pilot.app)
        assert "p5 x4" in text and "$ fmctl plan llama-3.1-8b" in text, text
        await pilot.press("e")
        await pilot.pause()
        assert pilot.app.screen.NAME == "explain"
        await pilot.press("escape")
        assert pilot.app.screen.NAME == "plan"

    session(scenario)


def test_an_edit_plans_again_and_the_command_says_what_was_asked(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        pilot.app.screen.query_one("#form").edit("nodes")
        await pilot.press("ctrl+u", *"2")
        await settled(pilot)
        assert pilot.app.screen.command.endswith("--nodes 2")
        assert pilot.app.screen.query_one(Rows).row_count >= 1
        assert all(row["nodes"] == 2 for row in pilot.app.screen.document["result"]["rows"])

    session(scenario)
