"""Did predictions move? Apart from whether they are right: none may, unless docs/predictions.md says why."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent / "golden" / "predictions.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("predictions", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["predictions"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


gate = load()


def test_no_prediction_moves_unrecorded() -> None:
    found = gate.complaint(gate.recorded(), gate.predicted())
    assert not found, found


def test_what_is_recorded_is_written_down_with_a_reason() -> None:
    lines = [line for line in gate.RECORD.read_text(encoding="utf-8").splitlines() if line.startswith("| 2")]
    cells = [cell.strip() for cell in lines[-1].strip("|").split("|")]
    hint = f"predictions.json was changed by hand; run: {gate.COMMAND}"
    assert cells[1] == f"`{gate.digest()}`", hint
    assert cells[-1], hint


def test_the_plans_cover_what_plans_are_made_of() -> None:
    layouts = [gate.layout_of(case) for case in gate.CASES]
    assert 40 <= len({case.name for case in gate.CASES}) == len(gate.CASES)
    assert {case.framework for case in gate.CASES} >= {"megatron", "torchtitan", "nanotron", "deepspeed", "composer"}
    assert {case.framework for case in gate.CASES} <= set(gate.FRAMEWORKS)
    for name in ("precision", "sharding", "recompute", "schedule", "dispatcher"):
        assert {getattr(layout, name) for layout in layouts} == {int(code) for code in gate.CODES[name]}, name
    assert all(any(getattr(layout, name) > 1 for layout in layouts) for name in ("tp", "pp", "vpp", "cp", "ep", "dp"))


def test_the_complaint_says_which_and_by_how_much() -> None:
    same = {"step_s": 1.0, "used_bytes": 100.0, "mfu": 0.5}
    before = {"a": same, "gone": same}
    after = {"a": {"step_s": 1.002, "used_bytes": 100.05, "mfu": 0.5}, "new": same}
    found = gate.complaint(before, after)
    assert "a: step_s +0.20%" in found
    assert "used_bytes" not in found
    assert "new: not recorded" in found
    assert "gone: recorded, but no case" in found
    assert gate.COMMAND in found
    assert gate.complaint(before, before) == ""


def test_writing_records_what_moved_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "PREDICTIONS", tmp_path / "predictions.json")
    monkeypatch.setattr(gate, "RECORD", tmp_path / "predictions.md")
    now = {"a": {"step_s": 1.0, "used_bytes": 100.0, "mfu": 0.5}}
    monkeypatch.setattr(gate, "predicted", lambda: now)
    assert "| 0 of 1, 1 new | - | - | - | first |" in gate.write("first")
    now = {"a": {"step_s": 1.1, "used_bytes": 90.0, "mfu": 0.5}}
    line = gate.write("a\nlonger | reason")
    assert "| 1 of 1 | +10.0% | -10.0% | - | a longer / reason |" in line
    assert json.loads(gate.PREDICTIONS.read_text()) == now
    text = gate.RECORD.read_text()
    assert text.startswith("# When predictions moved")
    assert text.count("| 20") == 2
    assert gate.digest() in text.splitlines()[-1]
