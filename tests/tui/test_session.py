"""What holds on every screen: jump, palette, help, keys, themes; and what goes wrong: sentences, never a traceback."""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import pkgutil
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from fmctl import tui
from fmctl.__main__ import main
from fmctl.base.config import resolve
from fmctl.base.errors import UnknownName, UsageError
from fmctl.cli import ui
from fmctl.report.view import Column, Section, Table
from fmctl.tui import session as kept
from fmctl.tui.app import FmctlApp
from fmctl.tui.ascii import AsciiFilter
from fmctl.tui.help import HelpScreen
from fmctl.tui.sections import rendered
from fmctl.tui.table import Rows
from fmctl.tui.views import VIEWS, load
from fmctl.tui.words import clean, command_line
from tests.tui.conftest import SMALL, screen_text, settled

FORBIDDEN = {f"ctrl+{key}" for key in "basojh"}


def test_jump_palette_help_and_copy(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        await pilot.press("colon", *"models", "enter")
        await pilot.pause()
        assert app.screen.NAME == "models"
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        assert "rows of the answer" in screen_text(app) and "filter" in screen_text(app)
        await pilot.press("escape", "enter")
        await pilot.pause()
        assert app.screen.NAME == "model" and app.screen.answer is not None
        await pilot.press("p")
        await settled(pilot)
        assert app.screen.NAME == "plan"
        await pilot.press("ctrl+p", *"view: plans")
        await pilot.pause(0.6)
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen.NAME == "plans"
        assert "No plan is saved yet" in screen_text(app)
        await pilot.press("1", "y")
        assert app.clipboard == app.screen.command

    session(scenario)


def test_every_screen_has_help_and_nothing_takes_a_key_that_terminals_and_multiplexers_want() -> None:
    for spec in VIEWS.values():
        view = load(spec.name)
        assert view.HELP and spec.name == view.NAME, spec.name
    modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(tui.__path__, "fmctl.tui.")]
    ours = {cls for module in modules for cls in vars(module).values() if isinstance(cls, type)}
    bound = [
        binding for cls in ours if cls.__module__.startswith("fmctl.") for binding in vars(cls).get("BINDINGS", ())
    ]
    assert len(bound) > 30
    for binding in bound:
        assert not set(binding.key.split(",")) & FORBIDDEN, binding


def test_a_key_is_mapped_anew(session: Any, core: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.press("space")
        assert pilot.app.screen.query_one(Rows).marked == []
        await pilot.press("m")
        assert len(pilot.app.screen.query_one(Rows).marked) == 1

    session(scenario, settings=resolve({"ui_keys": "table.mark=m"}))


def test_settings_that_make_no_sense_are_refused_before_the_screen_opens(core: Any) -> None:
    from dataclasses import replace

    with pytest.raises(UsageError, match="action=key"):
        FmctlApp(replace(core, settings=resolve({"ui_keys": "nothing"})))
    with pytest.raises(UnknownName, match="theme"):
        FmctlApp(core, theme="no-such")


@pytest.mark.parametrize(
    "opened", ["plan:none", "cluster:none", "model:none", "plan:\x1b[31m", "model:../../etc/passwd"]
)
def test_a_place_that_is_not_there_is_a_sentence(session: Any, opened: str) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.pause(0.2)
        assert pilot.app.screen.NAME in VIEWS
        assert "\x1b" not in screen_text(pilot.app)

    assert session(scenario, opened=opened.replace("plan:", "explain:")).trouble is None


def test_a_model_opens_at_once(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.pause(0.2)
        assert pilot.app.screen.NAME == "model" and "llama-3.1-70b" in screen_text(pilot.app)

    session(scenario, opened="model:llama-3.1-70b", size=(100, 30))


def test_a_tiny_terminal_says_how_large_it_has_to_be_and_a_resize_storm_ends_well(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        for width, height in ((59, 24), (80, 14), (20, 5), (1, 1), (250, 70), (60, 15), (100, 30), (80, 24)) * 3:
            await pilot.resize_terminal(width, height)
            await pilot.pause(0.05)
            tiny = width < 60 or height < 15
            assert pilot.app.screen.has_class("-tiny") is tiny, (width, height)
            if tiny and width >= 20 and height >= 5:
                assert "60 columns" in " ".join(screen_text(pilot.app).split())
        assert "p5 x4" in screen_text(pilot.app)

    session(scenario)


def test_without_colour_the_terminals_own_are_used_and_states_are_words(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def scenario(pilot: Pilot[None]) -> None:
        assert pilot.app.theme.startswith("ansi")
        assert " ok" in screen_text(pilot.app)
        styles = [one.style for strip in pilot.app.screen._compositor.render_strips() for one in strip if one.style]
        colours = [colour for style in styles for colour in (style.color, style.bgcolor) if colour is not None]
        assert colours and all(colour.is_default for colour in colours), "black on black is what greys of defaults are"
        assert any(style.reverse for style in styles), "the row under the cursor is to be seen"

    session(scenario)


def test_ascii_is_ascii_on_every_screen(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        for keys in (
            ("p",),
            ("p", "p", "p", "e"),
            ("right", "right"),
            ("w",),
            ("escape", "escape", "ctrl+p"),
            ("escape", "4"),
        ):
            await pilot.press(*keys)
            await pilot.pause(0.1)
            shown = [
                segment.text
                for strip in pilot.app.screen._compositor.render_strips()
                for segment in AsciiFilter().apply(list(strip), pilot.app.screen.background_colors[1])
            ]
            assert all(text.isascii() for text in shown), [text for text in shown if not text.isascii()]
        assert any(isinstance(one, AsciiFilter) for one in pilot.app.get_line_filters())

    session(scenario, ascii_only=True)


def test_no_terminal_no_session(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ui"]) == 2
    assert "next: fmctl plan" in capsys.readouterr().err
    assert main(["ui", "--open", "cluster:live"]) == 2
    assert "next: fmctl status live" in capsys.readouterr().err
    assert main(["ui", "--open", "nonsense"]) == 2
    assert "KIND:NAME" in capsys.readouterr().err
    monkeypatch.setattr(ui, "stdin_is_terminal", lambda: True)
    monkeypatch.setattr(ui, "stdout_is_terminal", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert main(["ui"]) == 2
    assert "TERM is dumb" in capsys.readouterr().err


BROKEN = (
    "{", "[]", '{"schema": "other"}', "\x00", '{"schema": "fmctl.ui/1", "views": 3, "view": 7}',
    '{"schema": "fmctl.ui/1", "views": {"plan": {"form": {"model": 3}, "sort": "x"}}}',
)  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_session_file_is_ignored(core: Any, text: str) -> None:
    path = kept.session_file()
    path.parent.mkdir(parents=True)
    path.write_text(text)

    import asyncio

    async def run() -> None:
        app = FmctlApp(core)
        async with app.run_test() as pilot:
            await pilot.pause(0.2)
            assert app.screen.NAME == "plan"
            app.exit()
        assert app.trouble is None

    asyncio.run(run())
    assert json.loads(path.read_text())["schema"] == "fmctl.ui/1"


def test_a_defect_ends_the_session_with_a_sentence_and_a_log(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = None
    with pytest.raises(ZeroDivisionError):

        async def scenario(pilot: Pilot[None]) -> None:
            nonlocal app
            app = pilot.app
            monkeypatch.setattr(Rows, "action_mark", lambda self: 1 / 0)
            await pilot.press("space")
            await pilot.pause(0.2)

        session(scenario)
    assert app is not None and app.trouble is not None
    assert "ZeroDivisionError" in app.trouble.what
    assert "Traceback" in Path(kept.log_file()).read_text()


def test_what_spends_and_destroys_says_where_it_is_done(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.press("D")
        await pilot.pause(0.2)
        assert "nothing here can be torn down" in screen_text(pilot.app)

    session(scenario, read_only=True)


def test_hostile_text_neither_steers_the_terminal_nor_breaks_the_lines() -> None:
    evil = "a\x1b[31mb\x07\r\nc\u202e[bold]d[/]"
    assert clean(evil).isprintable()
    table = Table((Column("x"), Column("y")), ((evil, "宽字符" * 40), ("[/]", "\x9b2J")))
    lines = rendered(Section(evil, table, (evil,)), 40)
    assert all(line.plain.isprintable() for line in lines)
    assert all(line.cell_length <= 40 for line in lines), [line.plain for line in lines]
    assert command_line(["plan", evil]).isprintable()
    assert command_line(["plan", "m"], {"sequence_parallel": "false", "exhaustive": "true", "nodes": "8"}) == (
        "fmctl plan m --no-sequence-parallel --exhaustive --nodes 8"
    )


def test_a_killed_planner_is_a_sentence_and_r_asks_again(session: Any) -> None:
    from fmctl.tui.worker import ProcessPlanning
    from fmctl.usecases.session.start import answer

    planning = ProcessPlanning(answer)

    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        app.screen.query_one("#form").fill(SMALL | {"model": "deepseek-v3", "nodes": "8..512", "tokens": "15T"})
        await pilot.pause(0.3)
        pid = planning.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        for _ in range(100):
            await pilot.pause(0.05)
            if app.screen.query_one("#trouble").display:
                break
        assert "signal 9" in screen_text(app) and "r asks again" in screen_text(app)
        app.screen.query_one("#form").fill(SMALL)
        await settled(pilot)
        await pilot.press("r")
        await settled(pilot)
        assert app.screen.document["result"]["rows"] and not app.screen.query_one("#trouble").display

    try:
        session(scenario, planning=planning)
    finally:
        planning.close()


def test_the_session_is_drawn_without_numpy_boto3_and_pydantic() -> None:
    code = (
        "import sys, fmctl.cli.ui, fmctl.tui.app, fmctl.tui.plan.view, fmctl.tui.explain.view, fmctl.tui.diff; "
        "print([name for name in ('numpy', 'boto3', 'pydantic', 'yaml') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("how", ["q", "SIGTERM"])
def test_a_real_terminal_is_given_back_as_it_was(how: str, folders: Path) -> None:
    fd, theirs = pty.openpty()
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    run = subprocess.Popen(
        [sys.executable, "-m", "fmctl", "ui", "--theme", "nord"], stdin=theirs, stdout=theirs, stderr=theirs,
        env=dict(os.environ, TERM="xterm-256color"), start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = read_until(fd, b"layouts evaluated")
    assert b"\x1b[?1049h" in seen
    os.write(fd, b"f")
    time.sleep(0.3)
    os.write(fd, b"\x15gpt3-175b\t1T\t\x154096\t\t60d")  # as fast as a paste: no letter may miss its field
    read_until(fd, b"--deadline 60d")
    os.write(fd, b"\x1b")
    time.sleep(0.5)
    if how == "q":
        os.write(fd, b"q")
    else:
        run.send_signal(signal.SIGTERM)
    rest = read_until(fd, None)
    os.close(fd)
    assert run.wait(20) == 0
    assert b"\x1b[?1049l" in rest and b"\x1b[?25h" in rest and b"Traceback" not in rest
    state = json.loads(kept.session_file().read_text())
    assert state["theme"] == "nord"
    form = {"model": "gpt3-175b", "tokens": "1T", "seq_len": "4096", "deadline": "60d"}
    assert state["views"]["plan"]["form"] == form


def read_until(fd: int, wanted: bytes | None) -> bytes:
    """What the terminal got until that was among it; until its end where nothing is wanted."""
    seen, end = b"", time.monotonic() + 60
    while time.monotonic() < end and (wanted is None or wanted not in seen):
        if select.select([fd], [], [], 0.1)[0]:
            try:
                more = os.read(fd, 65536)
            except OSError:
                break
            if not more:
                break
            seen += more
    return seen
