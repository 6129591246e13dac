"""Runs on record: the list, one of them with its curves, two side by side; their numbers are the commands' own."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from fmctl.operate.runs import Run, write_run
from fmctl.operate.state.files import FileStore
from tests.tui.conftest import screen_text, settled
from tests.tui.test_same import same

FACTS = {
    "id": 7, "name": "p", "state": "COMPLETED", "over": True, "user": "ada", "nodes": "n[1-2]", "node_count": 2,
    "restarts": 1, "exit_code": 0, "output": "/fsx/p-7.out", "folder": "/fsx", "reason": "",
    "submitted": None, "started": None, "ended": None,
}  # fmt: skip


def record(name: str, row: dict[str, Any], loss: float) -> Run:
    start = {
        "began_at": 1.7e9, "last_at": 1.7e9 + 3600, "first_step": 1, "last_step": 400, "loaded_step": None, "end": "0",
        "facts": {"nodes": "n[1-2]", "code": f"commit-of-{name}", "image": "evil \x1b[31m 名前"},
    }  # fmt: skip
    curve = [
        {"step": i, "at": 1.7e9 + i, "step_s": 4.0, "tokens_per_s": 1e6, "loss": loss + 100 / (i + 10),
         "grad_norm": 1.0, "memory_bytes": 6e10} for i in range(1, 400)
    ]  # fmt: skip
    said = {"validation loss": {"value": loss, "step": 400, "at": None, "source": "log"}}
    saves = {"count": 1, "kept": [{"step": 400, "at": 1.7e9, "start": 1}]}
    log = {"starts": [start], "checkpoints": saves, "curves": curve, "quality": said}
    cost = {"running_s": 3600.0, "usd_per_h": 110.0, "usd": 110.0, "basis": "the nodes", "price_date": "2026-07-20",
            "predicted_usd": None, "predicted_p90_usd": None}  # fmt: skip
    return Run(
        name=name, cluster="llama", plan="mine", plan_digest="sha256:0", rank=1, row=row, inputs={}, config_digest="c",
        files={"job.sbatch": f"sha256:{name}"}, folder="/fsx", token="t", submitted_at="2026-11-22T10:00:00+00:00",
        submitted_by="ada", job=FACTS, log=log, cost=cost, seen_at="2026-11-22T11:00:00+00:00",
    )  # fmt: skip


def test_without_runs_it_is_said_how_there_come_to_be_some(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        await pilot.press("6")
        await pilot.pause()
        assert "No run is on record yet" in screen_text(pilot.app)  # type: ignore[arg-type]

    session(scenario)


def test_runs_one_run_and_two_side_by_side(session: Any) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        row = app.screen.answer.document["result"]["rows"][0]
        for name, loss in (("llama-1", 2.5), ("llama-2", 2.25)):
            write_run(FileStore(), record(name, row, loss))
        await pilot.press("6")
        await settled(pilot)
        assert "llama-1" in screen_text(app) and "COMPLETED" in screen_text(app)
        same(app.screen)
        await pilot.press("enter")
        await settled(pilot)
        assert (app.screen.NAME, app.screen.subject) == ("run", "llama-2")
        same(app.screen)
        text = screen_text(app)
        assert "submitted" in text and "\x1b" not in text
        shown = app.screen.query_one("Sections")._text.render()
        assert "▁" in str(shown) and "validation loss" in str(shown)
        await pilot.press("escape", "space", "down", "space", "d")
        await settled(pilot)
        assert app.screen.NAME == "run"
        same(app.screen)
        assert "last_start.code" in str(app.screen.query_one("Sections")._text.render())
        app.open_named("run nobody")
        await settled(pilot)
        assert "no run called 'nobody'" in screen_text(app)

    session(scenario, size=(120, 60))
