"""The session as tests drive it: the real planner in a thread, folders of its own, any size."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from fmctl.base.config import resolve
from fmctl.cli.ui import core_of
from fmctl.tui.app import FmctlApp
from fmctl.tui.core import Core
from fmctl.tui.worker import ThreadPlanning
from fmctl.usecases.services import Services
from fmctl.usecases.session import answers

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
# A search of a few dozen milliseconds whose ranking has several rows.
SMALL = {"model": "llama-3.1-8b", "instances": "p5.48xlarge", "nodes": "1..4", "tokens": "100B"}
Scenario = Callable[[Pilot[None]], Awaitable[None]]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data, state and settings of this test alone; the clock stands still."""
    for name in ("FMCTL_DATA", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(answers, "_services", lambda: Services(now=lambda: NOW))
    answers._kept.clear()
    return tmp_path


@pytest.fixture
def core() -> Core:
    """The session's world, planning in a thread."""
    return core_of(Services(now=lambda: NOW), resolve(), ThreadPlanning(answers.answer))


@pytest.fixture
def session(core: Core) -> Callable[..., FmctlApp]:
    """`session(scenario, size=(80, 24), form=..., **changes)` runs a scenario and gives the application back."""

    def run(
        scenario: Scenario, size: tuple[int, int] = (80, 24), form: dict[str, str] | None = None, opened: str = "",
        ascii_only: bool = False, **changes: Any,
    ) -> FmctlApp:  # fmt: skip
        app = FmctlApp(replace(core, **changes), opened, ascii_only=ascii_only)
        if "views" not in app.kept:
            app.kept = {"views": {"plan": {"form": SMALL if form is None else form}}}

        async def whole() -> None:
            async with app.run_test(size=size, notifications=True) as pilot:
                await settled(pilot)
                await scenario(pilot)

        asyncio.run(whole())
        return app

    return run


async def settled(pilot: Pilot[None], least: int = 1, within_s: float = 20.0) -> None:
    """Wait until the screen in front awaits no answer."""
    for _ in range(int(within_s / 0.02)):
        await pilot.pause(0.02)
        if getattr(pilot.app.screen, "state", "") in ("", "no answer") or least == 0:
            await pilot.pause()
            return
    raise AssertionError(f"still {pilot.app.screen.state!r} after {within_s} s")


def screen_text(app: FmctlApp) -> str:
    """What stands on the screen, line by line, as a person reads it."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in lines)
