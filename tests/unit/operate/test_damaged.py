"""Plans, records, runs, journals and locks that somebody damaged, or that another version wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fmctl.base.errors import OperationFailed, UnreadableFile
from fmctl.domain.digest import intact
from fmctl.operate.journal import Journal
from fmctl.operate.records import read_record
from fmctl.operate.runs import read_run, write_run
from fmctl.operate.state.files import FileStore
from fmctl.operate.state.locks import alive, holder_of, take, this_process
from fmctl.operate.store import read_document
from tests.unit.operate.test_runs import FACTS, run

GOLDEN = Path(__file__).parents[2] / "golden"
CLOCK: Any = SimpleNamespace(now=lambda: datetime(2026, 11, 22, 12, tzinfo=UTC))
AT = "2026-11-22T10:00:00+00:00"
RECORD: dict[str, Any] = {
    "schema": "fmctl.cluster/1", "fmctl_version": "1", "name": "live", "region": "us-east-1", "account": "3333",
    "plan": "p", "plan_digest": "a", "spec_digest": "b", "config_digest": "c", "tags": {}, "instance": "p5.48xlarge",
    "nodes": 4, "usd_per_h": 220, "max_hours": 24.0, "created_by": "ada", "began": AT, "end": AT, "state": "running",
}  # fmt: skip


def plan(path: Path, change: Callable[[Any], object]) -> Path:
    document = json.loads((GOLDEN / "plan.json").read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("change", [
    lambda d: d["inputs"].update(budget_usd=float("nan")),
    lambda d: d["result"]["rows"][0]["cost"].update(usd_per_h=-50.0),
    lambda d: d["result"]["rows"][0]["cost"].update(usd_per_h=0),
    lambda d: d["result"]["rows"][0]["cost"].update(usd_per_h="50"),
    lambda d: d["result"]["rows"][0]["layout"].update(pp="4"),
    lambda d: d["result"]["rows"][0]["layout"].update(pp=-4),
    lambda d: d["result"]["rows"][0].update(nodes=True),
    lambda d: d["provenance"]["prices"][0].update(usd_per_h=float("inf")),
    lambda d: d.update(schema=["fmctl.plan/1"]), lambda d: d.update(schema={}),
    lambda d: d.update(schema="fmctl.plan/2"),
])  # fmt: skip
def test_a_plan_that_cannot_be_is_refused(tmp_path: Path, change: Callable[[Any], object]) -> None:
    with pytest.raises(UnreadableFile) as caught:
        read_document(plan(tmp_path / "plan.json", change))
    assert caught.value.next


def test_half_a_character_in_a_plan_breaks_its_seal_and_nothing_else(tmp_path: Path) -> None:
    seal = {"name": "a", "saved_at": AT, "digest": "sha256:0"}
    document: Any = read_document(
        plan(tmp_path / "plan.json", lambda d: d.update(saved=seal) or d["inputs"].update(x="\ud800"))
    )
    assert document["inputs"]["x"] == "?"
    assert not intact(document)


@pytest.mark.parametrize("change", [
    {"nodes": "4"}, {"nodes": True}, {"nodes": -1}, {"usd_per_h": 0}, {"usd_per_h": -1},
    {"began": "2026-11-22T10:00:00"},
    {"began": 1_700_000_000}, {"end": "never"}, {"max_hours": 1e300}, {"max_hours": 0.0},
    {"schema": ["fmctl.cluster/1"]},
    {"schema": "fmctl.cluster/2"}, {"lines": [{"name": "n", "usd_per_h": -1.0}]}, {"tags": [1]}, {"state": "lost"},
])  # fmt: skip
def test_a_record_that_cannot_be_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "clusters" / "live.json"
    path.parent.mkdir()
    path.write_text(json.dumps(RECORD | {"of a later version": 1}))
    found = read_record(FileStore(tmp_path), "live")
    assert found is not None
    assert (found.usd_per_h, type(found.usd_per_h), found.began.tzinfo) == (220.0, float, UTC)
    path.write_text(json.dumps(RECORD | change))
    with pytest.raises(UnreadableFile) as caught:
        read_record(FileStore(tmp_path), "live")
    assert caught.value.next


@pytest.mark.parametrize("change", [
    lambda d: d["row"].pop("layout"), lambda d: d["row"].update(nodes="8"), lambda d: d["row"].pop("cost"),
    lambda d: d.update(submitted_at="2026-11-22"), lambda d: d["job"].update(id="7"),
    lambda d: d["job"].update(node_count=-2),
    lambda d: d.update(quality={"mmlu": {"value": "high"}}), lambda d: d.update(quality={"mmlu": {}}),
    lambda d: d.update(schema="fmctl.run/2"), lambda d: d.update(notes=[{"at": "then", "by": "", "text": ""}]),
])  # fmt: skip
def test_a_run_that_cannot_be_is_refused(tmp_path: Path, change: Callable[[Any], object]) -> None:
    store = FileStore(tmp_path)
    write_run(store, run("llama-1", job=FACTS))
    path = tmp_path / "runs" / "llama-1.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(UnreadableFile):
        read_run(store, "llama-1")


@pytest.mark.parametrize("kept", [[1, 1, 2], [1, 3], [2, 3], [1, 2, 2, 3], [3, 2, 1], [1, 0]])
def test_a_journal_with_lost_or_doubled_lines_is_refused(tmp_path: Path, kept: list[int]) -> None:
    line = {"schema": "fmctl.journal/1", "at": AT, "kind": "note", "action": "looked"}
    path = tmp_path / "journals" / "live.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(line | {"seq": seq}) + "\n" for seq in kept))
    with pytest.raises(UnreadableFile, match="damaged"):
        Journal(FileStore(tmp_path), "live", CLOCK, this_process())


@pytest.mark.parametrize("text", [
    "[" * 3_000, "{}", "null", '{"who": "a", "host": "h", "machine": "m", "boot": "b", "started": "1", "pid": %s}',
    "\ud800",
])  # fmt: skip
@pytest.mark.parametrize("pid", ["Infinity", "NaN", "0", "-1", "1e999", "9" * 400, "true", '"7"', "[]"])
def test_a_damaged_lock_is_named_and_can_be_broken(tmp_path: Path, text: str, pid: str) -> None:
    store = FileStore(tmp_path)
    path = tmp_path / "locks" / "live.json"
    path.parent.mkdir()
    path.write_bytes(text.replace("%s", pid).encode("utf-8", "surrogatepass"))
    assert holder_of(store, "live") == "somebody whose lock file is damaged"
    with pytest.raises(OperationFailed, match="locked"):
        take(store, "live", this_process(), CLOCK, is_alive=alive)
    assert take(store, "live", this_process(), CLOCK, is_alive=alive, break_lock=True).taken_from
