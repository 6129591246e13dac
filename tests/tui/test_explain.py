"""The explain screen: pages, parts, pictures, what if."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from textual.pilot import Pilot
from textual.widgets import Static, Tabs

from fmctl.report.words import say
from fmctl.tui.explain.pages import PAGES
from fmctl.tui.explain.pipeline import IDLE, drawn, micro_batches_drawn
from fmctl.tui.explain.terms import Terms, bar, stacked
from fmctl.tui.explain.whatif import changed_options, exact_options, prefilled
from fmctl.tui.plan.form import Form
from tests.tui.conftest import SMALL, screen_text, settled


async def opened(pilot: Pilot[None]) -> Any:
    """The explain screen of the first row."""
    await pilot.press("e")
    await settled(pilot)
    return pilot.app.screen


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
def test_a_title_without_room_says_that_it_is_cut(session: Any, size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        terms = view.query_one(Terms)
        terms.show([{**part, "title": "a title of more letters than any screen gives it"} for part in terms._parts])
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "a title of more" in text and "…" in text
        assert "of kernel time measured" in text  # in one piece, on a line of its own where there is no room

    session(scenario, size=size)


def test_every_page_shows_its_parts_and_a_part_opens(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        for page in PAGES:
            await pilot.pause(0.05)
            assert view.query_one(Tabs).active == page.name
            text = screen_text(pilot.app)
            if page.name == "levers":
                assert "What would help most" in text
                break
            part = view.query_one(Terms).part
            assert part is not None, page.name
            assert part["title"][:20] in text
            assert str(part["equation"])[:20] in str(view.query_one("#term-text", Static).render())
            await pilot.press("right")
        await pilot.press("left", "up", "down")

    session(scenario, size=(120, 40))


def test_the_parts_that_are_drawn_are_those_of_the_step(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        times = view.shown.row["time"]
        text = screen_text(pilot.app)
        assert f"step time {say('step_s', times['step_s'])}" in text
        assert say("gemm_s", times["gemm_s"]) in text and "equation" in text

    session(scenario, size=(160, 48))


def test_what_if_changes_a_field_in_place_and_goes_back(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        before = view.original.row
        await pilot.press("w", "tab", "tab", "tab", "tab", "tab", "tab", "tab", "ctrl+u", *"full", "enter")
        await settled(pilot)
        assert view.shown.row["layout"]["recompute"] == "full"
        text = screen_text(pilot.app)
        assert f"{say('step_s', before['time']['step_s'])} → " in text.replace("\n", " "), text
        assert "was " in text
        await pilot.press("d")
        await pilot.pause()
        assert pilot.app.screen.NAME == "diff"
        await pilot.press("escape", "escape")
        assert pilot.app.screen is view
        assert view.shown is view.original
        assert not view.query_one("#changes").display
        await pilot.press("escape")
        assert pilot.app.screen.NAME == "plan"

    session(scenario, size=(110, 40))


def test_what_if_that_cannot_be_is_a_sentence(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        view.action_what_if()
        view.query_one("#what-if-form").edit("nodes")
        await pilot.press("ctrl+u", *"no")
        for _ in range(100):
            await pilot.pause(0.02)
            if view.query_one("#trouble").display:
                break
        assert "--nodes 'no'" in screen_text(pilot.app)
        assert "the answer before: " in screen_text(pilot.app)
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        assert "--nodes" not in screen_text(pilot.app) and "at least 60" in screen_text(pilot.app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "--nodes 'no'" in screen_text(pilot.app)

    session(scenario)


def test_nothing_to_explain_says_what_to_press(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "No plan is open" in text and "1 opens the plan screen" in text

    session(scenario)


def test_levers_without_tokens_say_what_is_missing(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        view._turn_to("levers")
        await pilot.pause()
        assert "with tokens in the form" in " ".join(screen_text(pilot.app).split())

    session(scenario, form={k: v for k, v in SMALL.items() if k != "tokens"})


@given(pp=some.integers(1, 16), vpp=some.integers(1, 4), count=some.integers(1, 64))
@settings(max_examples=60, deadline=None)
def test_every_stage_passes_every_micro_batch_forth_and_back(pp: int, vpp: int, count: int) -> None:
    picture = drawn(pp, vpp, count)
    assert len(picture.lines) == pp
    assert len({len(line) for line in picture.lines}) == 1
    for line in picture.lines:
        digits = sum(c.isdigit() for c in line)
        letters = sum(c.isalpha() for c in line)
        assert digits == picture.micro_batches * vpp
        assert letters == 2 * picture.micro_batches * vpp


def test_the_bubble_of_1f1b_is_that_of_the_books() -> None:
    picture = drawn(4, 1, 8)
    assert picture.micro_batches == 8
    # (stages - 1) forward and backward passes of every stage wait: arXiv 2104.04473, section 2.2
    assert all(line.count(IDLE) == 3 * 3 for line in picture.lines)
    assert picture.lines[3].startswith("...0aa1bb")
    interleaved = drawn(4, 2, 8)
    share = [line.count(IDLE) / len(line) for line in (picture.lines[0], interleaved.lines[0])]
    assert share[1] < share[0]
    assert micro_batches_drawn(4, 1) == 1


@given(offset=some.floats(0, 1), share=some.floats(0, 1), room=some.integers(1, 200))
def test_a_bar_stays_in_its_room_and_is_seen(offset: float, share: float, room: int) -> None:
    text = bar(offset, share, room)
    assert len(text) <= room
    assert share == 0 or text.strip()


def test_memory_as_one_bar() -> None:
    parts = [
        {"name": "weights_bytes", "title": "weights", "value": 40e9, "share": 0.5, "parent": "x"},
        {"name": "runtime_bytes", "title": "context", "value": 1e6, "share": 0.001, "parent": "x"},
    ]
    line, legend = stacked(parts, 80e9, 39e9, 40)
    assert line.count("A") == 20 and line.count("B") == 1 and line.endswith(".") and len(line) == 40
    assert legend[0].startswith("A weights") and legend[-1].startswith(". margin")
    over, legend = stacked(parts, 30e9, -10e9, 40)
    assert over.endswith("!") and "|" in over and legend[-1].startswith("! too much by")


@pytest.mark.parametrize(
    ("edit", "gone"),
    [({"tp": "8"}, {"dp", "sequence_parallel", "etp"}), ({"pp": "2"}, {"dp", "vpp", "schedule"}), ({}, set())],
)
def test_what_depends_on_an_edit_is_chosen_anew(edit: dict[str, str], gone: set[str]) -> None:
    row = {
        "instance": "p5.48xlarge", "nodes": 8, "framework": "megatron",
        "workload": {"seq_len": 8192, "global_batch": 512, "tokens": None},
        "layout": {"tp": 4, "pp": 4, "vpp": 5, "cp": 1, "ep": 1, "etp": 1, "dp": 4, "dp_replicate": 1, "micro_batch": 1,
                   "recompute_layers": 0, "precision": "bf16", "sharding": "zero1", "recompute": "selective",
                   "schedule": "interleaved", "cp_comm": "ring", "dispatcher": "all-to-all", "cuda_graph": "none",
                   "sequence_parallel": True},
    }  # fmt: skip
    exact = exact_options(row, {"deadline": "60d", "regions": "us-east-1"})
    assert "deadline" not in exact and exact["regions"] == "us-east-1"
    found = changed_options(exact, prefilled(exact) | edit)
    assert not gone & set(found)
    assert all(found[name] == value for name, value in edit.items())
    assert found == exact or edit


def test_the_form_of_the_plan_is_not_that_of_what_if(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        asked = pilot.app.screen.query_one(Form).options
        view = await opened(pilot)
        assert set(view.original.asked) == set(asked) - {"model"}

    session(scenario)
