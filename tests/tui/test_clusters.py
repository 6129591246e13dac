"""The screens of clusters: what they show is what the commands print, and nothing happens without the name."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Tabs

from fmctl.base.errors import PermissionDenied
from fmctl.report.clusters import change_answer
from fmctl.report.view import Answer
from fmctl.tui.app import FmctlApp
from fmctl.tui.clusters.logs import LogBox
from fmctl.tui.clusters.one import PAGES
from fmctl.tui.confirm import ConfirmName
from fmctl.tui.worker import ThreadPlanning
from fmctl.usecases.session.answers import answer
from tests.tui.world import Operations, operating_core, run, shown, until


@pytest.fixture
def operations() -> Operations:
    return Operations()


@pytest.fixture
def app(operations: Operations) -> FmctlApp:
    return FmctlApp(operating_core(operations, ThreadPlanning(answer)))


async def opened(pilot: Pilot[None], page: str = "overview") -> Any:
    """The screen of the one cluster there is, on a page."""
    pilot.app.open_named("cluster live")  # type: ignore[attr-defined]
    view = await until(pilot, lambda: pilot.app.screen if getattr(pilot.app.screen, "subject", "") == "live" else None)
    view.query_one("#pages", Tabs).active = page
    await until(pilot, lambda: "live: ready" in view.title_text)
    return view


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_the_list_is_the_answer_of_status(app: FmctlApp, operations: Operations, size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.press("5")
        await until(pilot, lambda: "live" in shown(pilot))
        view: Any = app.screen
        wanted = app.core.clusters.status().document["result"]["clusters"]  # type: ignore[union-attr]
        got = view.answer.document["result"]["clusters"]
        assert [{**row, "seen_at": 0} for row in got] == [{**row, "seen_at": 0} for row in wanted]
        assert view.command == "fmctl status"
        text = shown(pilot)
        assert f"${wanted[0]['cap_usd']:,.2f}" in text and "0.2 h" in text and "$ fmctl status" in text

    run(app, scenario, size)


def test_every_page_shows_its_answer_and_the_command_that_prints_it(app: FmctlApp) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        words = {
            "overview": "compute nodes", "stack": "WaitCondition", "events": "create complete",
            "jobs": "waits for enough free nodes", "run": "no plan called", "logs": "",
        }  # fmt: skip
        commands = {"overview": "status live", "stack": "watch live", "jobs": "jobs live", "logs": "logs live --job 3"}
        for page in PAGES:
            view.query_one("#pages", Tabs).active = page
            await until(pilot, lambda page=page: words[page] in shown(pilot))
            assert commands.get(page, "") in view.command

    run(app, scenario)


def test_left_and_right_turn_the_pages_from_wherever_the_cursor_is(app: FmctlApp) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        for page in (*PAGES[1:], PAGES[0]):
            await pilot.press("right")
            await pilot.pause()
            assert view.page == page
        await pilot.press("left")
        assert view.page == PAGES[-1]

    run(app, scenario)


@pytest.mark.parametrize("typed", ["", "liv", "LIVE", "live2", "yes"])
def test_a_wrong_name_tears_nothing_down(app: FmctlApp, operations: Operations, typed: str) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, ConfirmName))
        assert "goes:" in shown(pilot) and "stays:" in shown(pilot)
        await pilot.press(*typed, "enter")
        await pilot.pause(0.1)
        if isinstance(app.screen, ConfirmName):
            assert "nothing was done" in shown(pilot)
            await pilot.press("escape")
        await until(pilot, lambda: not list(app.tasks.active()))
        assert operations.world.stacks["live"]["status"] == "CREATE_COMPLETE"

    run(app, scenario)


def test_the_name_tears_down_and_what_is_left_is_listed(app: FmctlApp, operations: Operations) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, ConfirmName))
        await pilot.press(*"live", "enter")
        await until(pilot, lambda: not list(app.tasks.active()))
        assert "live" not in operations.world.stacks
        await until(pilot, lambda: "live is gone" in shown(pilot))
        assert "/aws/parallelcluster/live-1" in shown(pilot)
        await until(pilot, lambda: "missing" in view.title_text)  # the vanished cluster is said, and the screen stays

    run(app, scenario)


def test_extending_asks_hours_then_the_name(app: FmctlApp, operations: Operations) -> None:
    before = operations.world.ends["live"]

    async def scenario(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("E")
        await pilot.pause()
        await pilot.press(*"12", "enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmName))
        assert "at most, 12 h" in shown(pilot)
        await pilot.press(*"live", "enter")
        await until(pilot, lambda: not list(app.tasks.active()))
        answer = app.tasks.find("extend", "live").answer  # type: ignore[union-attr]
        assert answer is not None
        assert answer.report().title == f"live ends at {operations.world.ends['live']:%Y-%m-%d %H:%M} UTC now"
        assert (answer.document["result"]["dry_run"], answer.document["result"]["done"]) == (False, True)

    run(app, scenario)
    assert (operations.world.ends["live"] - before).total_seconds() == 12 * 3600


def test_an_extension_that_nobody_confirms_says_that_nothing_was_done(app: FmctlApp, operations: Operations) -> None:
    before = operations.world.ends["live"]

    async def scenario(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("E")
        await pilot.pause()
        await pilot.press(*"12", "enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmName))
        await pilot.press("escape")
        await until(pilot, lambda: not list(app.tasks.active()))
        answer = app.tasks.find("extend", "live").answer  # type: ignore[union-attr]
        assert answer is not None
        assert answer.report().title == "live was left as it is, nothing is done"
        assert (answer.document["result"]["dry_run"], answer.document["result"]["done"]) == (False, False)

    run(app, scenario)
    assert operations.world.ends["live"] == before


def test_stopping_the_fleet_says_what_goes_on_costing(app: FmctlApp) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("S")
        await until(pilot, lambda: isinstance(app.screen, ConfirmName))
        assert "10 compute nodes" in shown(pilot) and "go on costing" in shown(pilot)
        await pilot.press(*"live", "enter")
        await until(pilot, lambda: not list(app.tasks.active()))
        assert app.tasks.find("stop", "live").trouble is None  # type: ignore[union-attr]
        answer = app.tasks.find("stop", "live").answer  # type: ignore[union-attr]
        assert answer is not None
        assert answer.report().title == "live was asked to stop its compute nodes"
        assert (answer.document["result"]["dry_run"], answer.document["result"]["done"]) == (False, True)

    run(app, scenario)


@pytest.mark.parametrize("key", ["D", "E", "S"])
def test_read_only_asks_nothing_and_says_why(operations: Operations, key: str) -> None:
    app = FmctlApp(operating_core(operations, ThreadPlanning(answer), read_only=True))

    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        await pilot.press(key)
        await pilot.pause()
        assert app.screen is view
        assert "is switched off" in shown(pilot) and "read-only" in shown(pilot)
        assert not list(app.tasks.active())

    run(app, scenario)


def test_lost_credentials_leave_what_was_shown_and_say_how_old_it_is(
    app: FmctlApp, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        operations.refused = PermissionDenied("the credentials have expired", why="ExpiredToken", next="aws sso login")
        view.seen_at -= 45.0
        await pilot.press("r")
        await until(pilot, lambda: "the credentials have expired" in shown(pilot))
        text = shown(pilot)
        assert "aws sso login" in text and "compute nodes" in text and "as it was 45 s ago" in text
        operations.refused = None
        await pilot.press("r")
        await until(pilot, lambda: "expired" not in shown(pilot))

    run(app, scenario)


def test_a_log_with_escape_codes_and_wide_characters_steers_nothing(app: FmctlApp) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot, "logs")
        await until(pilot, lambda: view.job is not None)
        box = view.query_one("#page-logs LogBox", LogBox)
        box.add(["\x1b[31mred\x1b[0m \x1b]0;title\x07\x9b2J", "漢字" * 60 + " end", "\tstep 7\r\x08 loss", "a\u202eb"])
        await pilot.pause()
        text = shown(pilot)
        assert "red" in text and "漢字" in text and "end" in text and "loss" in text
        assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c == "\u202e" for c in text)
        box.filter_by("STEP 7")
        await pilot.pause()
        assert box.shown == [line for line in box.lines if "step 7" in line]

    run(app, scenario)


def test_a_log_is_filtered_searched_and_followed_by_keys(app: FmctlApp) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot, "logs")
        await until(pilot, lambda: view.job is not None)
        box = view.query_one("#page-logs LogBox", LogBox)
        box.clear()
        box.add(f"line {i} {'odd' if i % 2 else 'even'}" for i in range(500))
        await pilot.pause()
        assert "line 499" in shown(pilot)
        await pilot.press("slash", *"odd 47", "enter")
        assert all("odd" in line and "47" in line for line in box.shown) and box.shown
        await pilot.press("slash")
        await pilot.press("escape")
        assert len(box.shown) == 500
        await pilot.press("F", *"line 77", "enter", "n")
        await pilot.pause()
        assert "line 77 odd" in shown(pilot) and not box.following
        box.add(["the newest"])
        await pilot.pause()
        assert "the newest" not in shown(pilot)
        await pilot.press("f")
        await pilot.pause()
        assert "the newest" in shown(pilot)

    run(app, scenario)


def test_no_cluster_says_what_to_press(app: FmctlApp, operations: Operations) -> None:
    operations.texts.clear()

    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.press("5")
        await until(pilot, lambda: "No cluster runs" in shown(pilot))
        assert "3 lists the saved plans" in shown(pilot)

    run(app, scenario)


def test_leaving_the_screen_ends_its_watch(app: FmctlApp) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot, "events")
        await pilot.press("escape")
        await until(pilot, view.stop.is_set)
        await until(pilot, lambda: not view.calls.is_running("events"))

    run(app, scenario)


def test_leaving_while_something_is_under_way_is_asked_twice(app: FmctlApp) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        ends = threading.Event()
        done = change_answer("launch", "small", (), done=True, said="runs")

        def launching(say: object, yes: object) -> Answer:
            ends.wait(10)
            return done

        app.tasks.start("launch", "small", launching)
        await pilot.press("q")
        await until(pilot, lambda: app.tasks.warned)
        assert app.screen is view and app.is_running
        ends.set()
        await until(pilot, lambda: not list(app.tasks.active()))

    run(app, scenario, (120, 30))


def test_a_long_line_folds_between_words_and_loses_none() -> None:
    box = LogBox()
    box._width = 16
    assert box._folded(["waiting for the head node"]) == ["waiting for the", "head node"]
    assert "".join(box._folded(["x" * 40])) == "x" * 40
