"""The record of runs by hand: what they cost and took, whose checkpoint they went on from, and names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fmctl.base.errors import UnknownName, UnreadableFile, UsageError
from fmctl.operate.runs import (
    Run,
    begin,
    cost_of,
    drop,
    energy_of,
    figure,
    job_of_facts,
    parent_of,
    read_run,
    run_names,
    running_s,
    write_run,
)
from fmctl.operate.state.files import FileStore

ROW: dict[str, Any] = {
    "cost": {"usd_per_h": 100.0, "price_date": "2026-11-22"},
    "energy": {"power_w": 20_000.0},
    "whole_run": {"total_usd": 500.0, "total_p90_usd": 600.0, "kwh": 110.0, "tco2e": 0.044, "wall_p50_s": 18_000.0},
}
FACTS = {
    "id": 7, "name": "p", "state": "RUNNING", "over": False, "user": "ada", "nodes": "n[1-2]", "node_count": 2,
    "restarts": 1, "exit_code": None, "output": "/fsx/p-7.out", "folder": "/fsx", "reason": "",
    "submitted": None, "started": None, "ended": None,
}  # fmt: skip


def start(began: float | None, last: float | None, end: str | None = None, **facts: str) -> dict[str, Any]:
    return {"began_at": began, "last_at": last, "first_step": 1, "last_step": 9, "loaded_step": None, "end": end,
            "facts": facts}  # fmt: skip


def run(name: str = "", at: str = "2026-11-22T10:00:00+00:00", **more: Any) -> Run:
    fixed: dict[str, Any] = {
        "cluster": "llama", "plan": "p", "plan_digest": "", "rank": 1, "row": ROW, "inputs": {}, "config_digest": "",
        "files": {}, "folder": "/fsx", "token": "t", "submitted_by": "ada",
    }  # fmt: skip
    return Run(name=name, submitted_at=at, **(fixed | more))


def logged(*starts: dict[str, Any]) -> dict[str, Any]:
    return {"starts": list(starts), "checkpoints": {"count": 0, "kept": []}, "curves": [], "quality": {}}


def test_cost_and_energy_by_hand() -> None:
    starts = [start(0.0, 3600.0), start(4000.0, 7600.0), start(None, None), start(9000.0, 8000.0)]
    assert running_s(starts) == 7200.0
    cost = cost_of(ROW, starts, None)
    assert (cost["usd"], cost["usd_per_h"], cost["predicted_usd"]) == (200.0, 100.0, 500.0)
    energy = energy_of(ROW, starts, None)
    assert (energy["nodes_kwh"], energy["metered"]) == (40.0, False)
    assert energy["meter_kwh"] == pytest.approx(44.0)  # the plan's 110 kWh at the meter over 100 of the nodes
    assert energy["tco2e"] == pytest.approx(0.0176)
    metered = energy_of(ROW, starts, 10_000.0)
    assert (metered["nodes_kwh"], metered["metered"]) == (20.0, True)
    unknown = cost_of({**ROW, "cost": {}, "whole_run": None}, starts, None)
    assert (unknown["usd"], unknown["predicted_usd"]) == (None, None)


def test_a_job_that_slurm_forgot_ended_as_its_last_start_says() -> None:
    assert job_of_facts(FACTS, [start(0.0, 1.0)]).state == "UNKNOWN"
    assert job_of_facts(FACTS, [start(0.0, 1.0, "1"), start(0.0, 1.0, "0")]).state == "COMPLETED"
    failed = job_of_facts(FACTS, [start(0.0, 1.0, "137")])
    assert (failed.state, failed.exit_code, failed.output) == ("FAILED", 137, "/fsx/p-7.out")
    over = {**FACTS, "state": "CANCELLED", "over": True}
    assert job_of_facts(over, [start(0.0, 1.0, "0")]).state == "CANCELLED", "Slurm knew better while it knew"


def test_a_parent_saved_where_the_first_start_went_on_from() -> None:
    first = run("llama-1", log=logged(start(0.0, 1.0, checkpoints="/fsx/c")))
    other = run("other-1", log=logged(start(0.0, 1.0, checkpoints="/fsx/d")))
    later = run("llama-3", "2026-11-23T10:00:00+00:00", log=logged(start(0.0, 1.0, checkpoints="/fsx/c")))
    heir = run("llama-2", "2026-11-22T12:00:00+00:00",
               log=logged(start(0.0, 1.0, checkpoints="/fsx/c", from_step="9")))  # fmt: skip
    assert parent_of(heir, [first, other, later, heir]) == "llama-1"
    assert parent_of(later, [first, heir]) is None, "it began anew"
    assert parent_of(heir, [other]) is None


def test_records_are_numbered_and_a_lost_submission_is_taken_up(tmp_path: Any) -> None:
    store = FileStore(tmp_path)
    first = begin(store, run())
    assert first.name == "llama-1"
    assert begin(store, run()).name == "llama-1", "the same job, which nobody knows to exist"
    write_run(store, replace(first, job=FACTS))
    second = begin(store, run())
    assert second.name == "llama-2"
    drop(store, second)
    assert run_names(store) == ["llama-1"]
    assert read_run(store, "llama-1").as_dict() == replace(first, job=FACTS).as_dict()


def test_records_that_cannot_be_read_are_one_error(tmp_path: Any) -> None:
    store = FileStore(tmp_path)
    begin(store, run())
    for text in ("", "[]", "{", '{"schema": "fmctl.run/9"}', '{"schema": "fmctl.run/1"}'):
        (tmp_path / "runs" / "llama-1.json").write_text(text)
        with pytest.raises(UnreadableFile):
            read_run(store, "llama-1")
    with pytest.raises(UnknownName):
        read_run(store, "llama-9")
    for name in ("../plans/a", "", "a/b", "x" * 200):
        with pytest.raises(UsageError):
            read_run(store, name)


@pytest.mark.parametrize("word", ["mmlu", "=1", "mmlu=", "mmlu=nan", "mmlu=inf", "a b=1", "a=b=c"])
def test_what_is_no_figure_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        figure(word)


def test_a_figure() -> None:
    assert figure("mmlu/5-shot=0.652") == ("mmlu/5-shot", 0.652)
