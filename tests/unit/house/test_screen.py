"""A screen is a row in the table of views, a class and a use case: nothing else of the session has to know it."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import Any

import pytest
from textual.app import ComposeResult
from textual.widgets import Static

from fmctl.base.config import resolve
from fmctl.cli.ui import core_of
from fmctl.report.view import Answer, Report, Section
from fmctl.tui.app import FmctlApp
from fmctl.tui.view import View
from fmctl.tui.views import VIEWS, ViewSpec
from fmctl.tui.worker import ThreadPlanning
from fmctl.usecases.services import Catalogue, Services
from fmctl.usecases.session import answers


def gpus(catalogue: Catalogue) -> Answer:
    """The use case: plain values in, an answer out."""
    rows = [{"instance": name, "gpu": gpu} for name, gpu in catalogue.accelerator_names().items()]
    document = {"schema": "fmctl.gpus/1", "result": rows, "warnings": []}
    lines = tuple(f"{row['instance']}: {row['gpu']}" for row in rows)
    return Answer(document, rows, lambda: Report(f"{len(rows)} types", (Section(lines=lines),)))


class GpusView(View):
    """The class."""

    NAME = "gpus"
    HELP = "Which GPU each instance type has."

    def body(self) -> ComposeResult:
        yield Static("", id="said", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.answer, self.command = gpus(self.core.services.catalogue), "fmctl instances list"
        report = self.answer.report()
        self.title_text = report.title
        self.query_one("#said", Static).update("\n".join(report.sections[0].lines))


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The row; its module stands where those of the session do."""
    module = ModuleType("fmctl.tui.gpus")
    module.GpusView = GpusView  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fmctl.tui.gpus", module)
    assert isinstance(VIEWS, dict)
    monkeypatch.setitem(VIEWS, "gpus", ViewSpec("gpus", "", "gpus:GpusView", "which GPU each type has"))
    for name in ("FMCTL_DATA", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")


@pytest.mark.usefixtures("row")
def test_a_screen_is_opened_listed_exported_and_left() -> None:
    app = FmctlApp(core_of(Services(), resolve(), ThreadPlanning(answers.answer)))

    async def whole() -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            assert ("gpus", "which GPU each type has") in app.places()
            assert any(title == "view: gpus" for title, _, _ in app.palette_entries())
            app.open_named("gpus")
            await pilot.pause()
            screen: Any = app.screen
            assert screen.NAME == "gpus" and screen.command == "fmctl instances list"
            assert "p5.48xlarge: h100" in str(screen.query_one("#said", Static).content)
            assert "json" in screen.exports() and screen.answer.rows[0].keys() == {"instance", "gpu"}
            await pilot.press("escape")
            await pilot.pause()
            assert app.screen.NAME == "plan"  # type: ignore[attr-defined]

    asyncio.run(whole())
