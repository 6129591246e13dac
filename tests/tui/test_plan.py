"""The plan screen: form, ranking, plot, keys, dialogs."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from fmctl.__main__ import main
from fmctl.operate import store
from fmctl.tui.jump import PickScreen
from fmctl.tui.plan.scatter import Scatter
from fmctl.tui.plan.view import PlanView, progress_words
from fmctl.tui.sections import Sections
from fmctl.tui.table import FilterLine, Rows
from tests.tui.conftest import SMALL, screen_text, settled


def ranks(app: Any) -> list[str]:
    """The first cell of each row, as it stands on the screen."""
    rows = app.screen.query_one(Rows)
    return [str(rows.get_row_at(i)[1]).strip(" *≈") for i in range(rows.row_count)]


def test_the_ranking_is_there_and_a_row_is_explained_and_left_again(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        text = screen_text(pilot.app)
        assert "p5 x4" in text and "$ fmctl plan llama-3.1-8b" in text, text
        await pilot.press("down", "e")
        await pilot.pause()
        assert pilot.app.screen.NAME == "explain"
        assert pilot.app.screen.original.row["rank"] == 2
        await pilot.press("escape")
        assert pilot.app.screen.NAME == "plan"

    session(scenario)


def test_an_edit_plans_again_and_the_command_says_what_was_asked(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        pilot.app.screen.query_one("#form").edit("nodes")
        await pilot.press("ctrl+u", *"2")
        await settled(pilot)
        assert "--nodes 2 " in pilot.app.screen.command + " "
        assert {row["nodes"] for row in pilot.app.screen.document["result"]["rows"]} == {2}
        await pilot.press("enter")
        assert isinstance(pilot.app.screen.focused, Rows)

    session(scenario)


def test_filter_sort_and_marks(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        everything = ranks(app)
        assert len(everything) >= 3
        await pilot.press("slash", *"x2")
        assert len(ranks(app)) == 1
        await pilot.press(*"zz")
        assert "no row holds 'x2zz'" in screen_text(app)
        await pilot.press("escape")
        assert ranks(app) == everything
        assert app.screen.query_one(FilterLine).display is False
        await pilot.press("s", *"GPUs", "enter")
        await pilot.pause()
        gpus = {str(row["rank"]): row["gpus"] for row in app.screen.document["result"]["rows"]}
        assert [gpus[rank] for rank in ranks(app)] == sorted(gpus.values())
        await pilot.press("s", *"GPUs", "enter")
        await pilot.pause()
        assert [gpus[rank] for rank in ranks(app)] == sorted(gpus.values(), reverse=True)
        await pilot.press("s", *"as ranked", "enter")
        await pilot.pause()
        assert ranks(app) == everything
        await pilot.press("space", "space")
        assert app.screen.query_one(Rows).marked == []

    session(scenario)


def test_two_marked_rows_are_compared(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        await pilot.press("d")
        assert app.screen.NAME == "plan"  # nothing is marked: a word, and no screen
        await pilot.press("space", "down", "space", "d")
        await pilot.pause()
        assert app.screen.NAME == "diff"
        body = app.screen.answer.document["result"]
        assert (body["a"], body["b"]) == ("row 1", "row 2")
        assert any(field["field"] == "time.step_s" for field in body["fields"])
        for command in app.screen.command.split(" && "):
            assert main([*shlex.split(command)[1:], "--quiet"]) == 0

    session(scenario)


def test_the_plot_chooses_rows_by_key_and_by_mouse(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        rows, plot = app.screen.query_one(Rows), app.screen.query_one(Scatter)
        plot.focus()
        costs = {row["rank"]: row["whole_run"]["comparable_usd"] for row in app.screen.document["result"]["rows"]}
        await pilot.press(*["left"] * 5)
        assert app.screen.current["rank"] == min(costs, key=costs.__getitem__)
        await pilot.press(*["right"] * 5)
        dearest = app.screen.current
        assert dearest["rank"] == max(costs, key=costs.__getitem__)
        for point in plot._points:
            column, line = plot._place(point)
            await pilot.click(plot, offset=(column + 1, line + 1))  # the border is part of the widget
            assert rows.current == point.key
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen.NAME == "explain"

    session(scenario, size=(160, 48))


def test_panels_turn_on_every_size(session: Any) -> None:
    for size in ((80, 24), (100, 28), (160, 48), (250, 70)):

        async def scenario(pilot: Pilot[None]) -> None:
            seen = set()
            for _ in range(4):
                seen |= {name for name in ("ranking-panel", "plot", "detail", "why")
                         if pilot.app.screen.query_one(f"#{name}").display}  # fmt: skip
                await pilot.press("p")
                await pilot.pause()
            assert seen == {"ranking-panel", "plot", "detail", "why"}

        session(scenario, size=size)


def test_reasons_are_counted_and_the_nearest_miss_is_named(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        assert app.screen.document["result"]["rows"] == []
        text = screen_text(app)
        assert "no layout" in text and "why:" in text and "next:" in text, text
        await pilot.press("p", "p", "p")
        await pilot.pause()
        text = screen_text(app)
        assert "Rejected" in text and "Nearest" in text, text

    session(scenario, size=(90, 50), form=SMALL | {"model": "llama-3.1-405b", "nodes": "1"})


def test_a_form_that_cannot_be_read_keeps_the_answer_and_says_what_is_wrong(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        before = ranks(app)
        app.screen.query_one("#form").edit("tokens")
        await pilot.press("ctrl+u", *"x1")
        await settled(pilot, 0)
        for _ in range(50):
            await pilot.pause(0.02)
            if app.screen.query_one("#trouble").display:
                break
        assert "--tokens 'x1'" in screen_text(app)
        assert ranks(app) == before
        await pilot.press("ctrl+u")
        await settled(pilot)
        assert not app.screen.query_one("#trouble").display

    session(scenario)


def test_no_model_says_what_to_press(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.press("f", "ctrl+u")
        await pilot.pause()
        assert "no model is named" in screen_text(pilot.app)

    session(scenario)


def test_a_field_completes_and_lists_its_choices(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        app.screen.query_one("#form").edit("instances")
        await pilot.press("ctrl+u", *"p5.48xlarge,p5e")
        await pilot.pause()
        await pilot.press("right")
        assert app.screen.query_one("#field-instances", Input).value == "p5.48xlarge,p5e.48xlarge"
        app.screen.query_one("#form").edit("objective")
        await pilot.press("down")
        await pilot.pause()
        assert isinstance(app.screen, PickScreen)
        await pilot.press(*"energ", "enter")
        await settled(pilot)
        assert "--objective energy" in app.screen.command

    session(scenario)


def test_a_plan_is_saved_as_the_command_saves_it(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        await pilot.press("S", *"../bad", "enter")
        await pilot.pause()
        assert "../bad" in screen_text(app)
        assert store.plan_names() == []
        await pilot.press("S", *"mine", "enter")
        await pilot.pause()
        assert store.plan_names() == ["mine"]
        assert app.screen.command.endswith("--save mine")
        assert store.load("mine")["result"]["rows"] == json.loads(json.dumps(app.screen.document["result"]["rows"]))

    session(scenario)


@pytest.mark.parametrize("form", ["svg", "md", "html", "csv", "json"])
def test_the_view_is_exported(session: Any, form: str) -> None:
    from fmctl.report.formats import found

    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        await pilot.press("x", *["down"] * ("svg", "md", "html", "csv", "json").index(form), "enter")
        await pilot.pause()
        assert app.screen.NAME == "plan"
        text = Path(f"fmctl-plan.{form}").read_text()
        assert "<svg" in text if form == "svg" else text == found(form).answer(app.screen.answer)

    session(scenario)


def test_an_export_that_cannot_be_written_says_so_and_stays(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.press("x", "tab", "ctrl+u", *"none/such.md", "enter")
        await pilot.pause()
        assert "cannot write" in screen_text(pilot.app)

    session(scenario)


def test_progress_says_what_the_rows_are_worth() -> None:
    assert progress_words(3, 12, True) == "[###---------] partial answer: 3 of 12 clusters searched"
    assert "nothing fits so far" in progress_words(1, 12, False)


def test_form_and_sorting_are_there_again_in_the_next_session(session: Any) -> None:
    async def first(pilot: Pilot[None]) -> None:
        pilot.app.screen.query_one("#form").edit("nodes")
        await pilot.press("ctrl+u", *"1..2", "escape", "s", *"GPUs", "enter")
        await pilot.pause()
        await pilot.press("q")

    async def second(pilot: Pilot[None]) -> None:
        view: Any = pilot.app.screen
        assert isinstance(view, PlanView)
        assert view.query_one("#field-nodes", Input).value == "1..2"
        assert view.query_one(Rows).sorted_by == "GPUs"

    session(first)
    session(second)


def test_the_detail_of_a_row_follows_the_cursor(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        for _ in range(2):
            row = app.screen.current
            assert app.screen.query_one("#detail", Sections).border_title == f"{row['instance']} x{row['nodes']}"
            await pilot.press("down")
            await pilot.pause()

    session(scenario, size=(120, 40))


def test_one_click_chooses_a_row_and_two_open_it(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        rows = app.screen.query_one(Rows)
        await pilot.click(rows, offset=(10, 3))
        assert app.screen.NAME == "plan" and app.screen.current["rank"] == 3
        await pilot.click(rows, offset=(10, 2), times=2)
        await pilot.pause()
        assert app.screen.NAME == "explain" and app.screen.original.row["rank"] == 2

    session(scenario)


def test_a_click_on_a_heading_sorts(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        rows = app.screen.query_one(Rows)
        left = [str(column.label).strip() for column in rows.ordered_columns].index("MFU")
        offset = sum(column.width for column in rows.ordered_columns[:left]) + 2
        for reverse in (False, True):
            await pilot.click(rows, offset=(offset, 0))
            await pilot.pause()
            assert (rows.sorted_by, rows.reverse) == ("MFU", reverse)

    session(scenario)


@pytest.mark.parametrize("size", [(100, 30), (120, 36), (62, 24)])
def test_a_long_layout_is_the_last_column_to_go(session: Any, size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        rows = pilot.app.screen.query_one(Rows)
        cells = [*rows.source.rows[0]]
        cells[rows.titles.index("layout")] = "TP2 PP4 VPP20 DP128 mb1 Z1 Rs"
        rows.show(replace(rows.source, rows=(tuple(cells),)), ["long"])
        await pilot.pause()
        assert "TP2 PP4 VPP20 DP128 Z1 Rs" in screen_text(pilot.app).replace(" mb1", "")

    session(scenario, size=size)


def test_a_filter_that_takes_the_row_away_takes_its_panel_along(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view, rows = pilot.app.screen, pilot.app.screen.query_one(Rows)
        last = rows.keys[-1]
        rows.filter_by(rows.source.rows[-1][1])  # its instance and nodes
        await pilot.pause()
        assert rows.current == last
        assert view.query_one("#detail", Sections).border_title == rows.source.rows[-1][1]
        rows.filter_by("nothing holds this")
        await pilot.pause()
        assert view._detailed is None and "no row" in screen_text(pilot.app)

    session(scenario, size=(120, 36))


def test_launching_a_row_says_why_it_wants_a_name(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.press("L")
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "a launch takes a saved plan" in text and "a new name" in text and "a part of" not in text

    session(scenario)


@pytest.mark.parametrize(("gpu", "found"), [("H200", "p5en.48xlarge"), ("h100", "p5.48xlarge")])
def test_an_instance_is_found_by_its_gpu(session: Any, gpu: str, found: str) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        pilot.app.screen.query_one("Form").edit("instances")
        await pilot.press("ctrl+u", "down", *gpu)
        await pilot.pause()
        assert found in screen_text(pilot.app)

    session(scenario)
