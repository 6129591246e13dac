"""The record of runs by hand: what they cost and took, whose checkpoint they went on from, and names."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fmctl.base.errors import UnknownName, UnreadableFile, UsageError
from fmctl.domain.job import Job
from fmctl.operate.runs import (
    Run,
    begin,
    cost_of,
    drop,
    energy_of,
    figure,
    job_facts,
    job_of_facts,
    known_runs,
    noted,
    of_job,
    parent_of,
    read_run,
    run_names,
    running_s,
    with_cluster,
    write_run,
)
from fmctl.operate.state.files import FileStore

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "estimate.json").read_text())
KEPT: dict[str, Any] = GOLDEN["result"]
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
        "cluster": "llama", "plan": "p", "plan_digest": "", "rank": 1, "row": KEPT, "inputs": GOLDEN["inputs"],
        "config_digest": "", "files": {}, "folder": "/fsx", "token": "t", "submitted_by": "ada",
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
    assert parent_of(heir, lambda: [first, other, later, heir]) == "llama-1"
    assert parent_of(later, lambda: [first, heir]) is None, "it began anew"
    assert parent_of(heir, lambda: [other]) is None


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


def test_state_and_end_are_the_job_s() -> None:
    assert (run().state, run().over, run().starts) == ("not submitted", False, [])
    assert (run(job=FACTS).state, run(job=FACTS).over) == ("RUNNING", False)
    assert run(job={**FACTS, "over": True}).over
    assert len(run(log=logged(start(0.0, 1.0), start(2.0, 3.0))).starts) == 2


def test_the_newest_run_is_the_first(tmp_path: Any) -> None:
    store = FileStore(tmp_path)
    for name, at in (("a-1", "2026-11-20T10:00:00+00:00"), ("c-1", "2026-11-22T10:00:00+00:00"),
                     ("b-1", "2026-11-22T10:00:00+00:00")):  # fmt: skip
        write_run(store, run(name, at))
    assert [one.name for one in known_runs(store).runs] == ["c-1", "b-1", "a-1"]


def test_a_run_is_found_by_its_cluster_job_and_token(tmp_path: Any) -> None:
    store = FileStore(tmp_path)
    write_run(store, run("llama-1", job=FACTS, token="old"))
    write_run(store, run("llama-2", "2026-11-23T10:00:00+00:00", job=FACTS, token="new"))
    write_run(store, run("llama-3", "2026-11-24T10:00:00+00:00"))
    found = [of_job(store, "llama", 7, token) for token in (None, "old", "new", "another")]
    assert [one and one.name for one in found] == ["llama-2", "llama-1", "llama-2", None]
    assert of_job(store, "llama", 8) is None
    assert of_job(store, "other", 7) is None


def test_numbers_of_other_clusters_are_not_ours(tmp_path: Any) -> None:
    store = FileStore(tmp_path)
    assert begin(store, run(token="x")).name == "llama-1"
    write_run(store, replace(run("llama-2", token="y"), job=FACTS))
    assert begin(store, run(token="z")).name == "llama-3"
    assert begin(store, run(cluster="llam", token="z")).name == "llam-1"


def test_what_is_known_of_the_cluster_joins_the_run() -> None:
    record: Any = SimpleNamespace(region="eu-west-1", account="123456789012", config_digest="sha256:9", reused=("a b",))
    found = with_cluster(run(), record)
    assert (found.region, found.account, found.cluster_config_digest, found.reused) == (
        "eu-west-1", "123456789012", "sha256:9", ("a b",)
    )  # fmt: skip
    alone = run()
    assert with_cluster(alone, None) is alone


def test_the_whole_cluster_costs_more_than_its_nodes() -> None:
    starts = [start(0.0, 1800.0)]
    record: Any = SimpleNamespace(hourly_usd=130.0)
    cost = cost_of(ROW, starts, record)
    assert (cost["usd"], cost["usd_per_h"], cost["running_s"]) == (65.0, 130.0, 1800.0)
    assert cost["basis"] == "all that the cluster costs by the hour x running time"
    assert (cost["price_date"], cost["predicted_usd"], cost["predicted_p90_usd"]) == ("2026-11-22", 500.0, 600.0)
    assert cost_of(ROW, starts, None)["basis"] == "the nodes at the plan's price x running time"
    unknown: Any = SimpleNamespace(hourly_usd=None)
    assert cost_of(ROW, starts, unknown)["usd"] == 50.0


def test_energy_says_what_it_rests_on() -> None:
    starts = [start(0.0, 3600.0)]
    assert energy_of(ROW, starts, None)["basis"] == "predicted power x running time"
    metered = energy_of(ROW, starts, 10_000.0)
    assert (metered["basis"], metered["power_w"], metered["predicted_kwh"]) == (
        "metered power x running time", 10_000.0, 110.0
    )  # fmt: skip
    for whole in (None, {**ROW["whole_run"], "kwh": None}, {**ROW["whole_run"], "tco2e": None}):
        found = energy_of({**ROW, "whole_run": whole}, starts, None)
        assert found["nodes_kwh"] == 20.0
        assert found["tco2e"] is None


def test_a_job_as_it_is_kept_and_given_back() -> None:
    at = datetime(2026, 11, 22, 10, tzinfo=UTC)
    job = Job(id=7, name="p", state="COMPLETED", nodes="n[1-2]", node_count=2, user="ada", restarts=1, exit_code=0,
              output="/o", folder="/f", comment="c", reason="why", submitted=at, started=None, ended=at)  # fmt: skip
    facts = job_facts(job)
    assert (facts["submitted"], facts["started"], facts["ended"]) == (at.isoformat(), None, at.isoformat())
    assert (facts["over"], facts["reason"], facts["user"]) == (True, "why", "ada")
    back = job_of_facts(facts)
    kept = ("id", "name", "state", "nodes", "node_count", "user", "restarts", "exit_code", "output", "folder")
    assert [getattr(back, name) for name in kept] == [getattr(job, name) for name in kept]
    odd = job_of_facts(FACTS, [start(0.0, 1.0, "signal")])
    assert (odd.state, odd.exit_code) == ("FAILED", None)


def test_a_parent_is_no_younger_and_the_newest_of_several() -> None:
    same = logged(start(0.0, 1.0, checkpoints="/fsx/c"))
    heir = run("llama-4", "2026-11-22T12:00:00+00:00", log=logged(start(0.0, 1.0, checkpoints="/fsx/c", from_step="9")))
    older, newer = run("llama-1", log=same), run("llama-2", "2026-11-22T11:00:00+00:00", log=same)
    at_once = run("llama-3", "2026-11-22T12:00:00+00:00", log=same)
    assert parent_of(heir, lambda: [newer, older]) == "llama-2"
    assert parent_of(heir, lambda: [older, at_once]) == "llama-3"
    assert parent_of(run(), lambda: [older]) is None


def test_notes_are_signed_and_dated_and_a_figure_is_replaced() -> None:
    at = datetime(2026, 11, 22, 10, tzinfo=UTC)
    first = noted(run(), at, "ada", {"mmlu": 0.5, "arc": 0.3}, "begun")
    second = noted(first, at, "", {"mmlu": 0.6}, None)
    assert second.quality["mmlu"] == {"value": 0.6, "at": at.isoformat(), "source": "a person"}
    assert second.quality["arc"] == {"value": 0.3, "at": at.isoformat(), "source": "ada"}
    assert second.notes == ({"at": at.isoformat(), "by": "ada", "text": "begun"},)


def test_a_figure_that_is_no_number_reaches_no_file(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_run(FileStore(tmp_path), replace(run(), quality={"mmlu": {"value": float("nan")}}))
    assert not [path for path in tmp_path.rglob("*.json") if path.is_file()]


def test_what_people_wrote_stands_in_the_file_as_they_wrote_it(tmp_path: Any) -> None:
    write_run(FileStore(tmp_path), replace(run(), notes=({"at": "", "by": "Zoë", "text": "→ 八"},)))
    (found,) = tmp_path.rglob("*.json")
    assert "Zoë" in found.read_text(encoding="utf-8") and "→ 八" in found.read_text(encoding="utf-8")
