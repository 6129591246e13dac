"""A real process with real files, killed with SIGKILL around every write of its journal, and the next one after it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from child import Kept
from cluster_fakes import NAME

CHILD = Path(__file__).with_name("child.py")


def run(tmp_path: Path, command: str, point: int = -1) -> tuple[int, str]:
    words = [sys.executable, str(CHILD), command, str(tmp_path / "data"), str(tmp_path / "world.json"), str(point)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, done.stdout.strip()


def world(tmp_path: Path) -> Kept:
    return Kept.of(tmp_path / "world.json")


def journal(tmp_path: Path) -> list[Any]:
    path = tmp_path / "data" / "journals" / f"{NAME}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# Eleven writes of a launch and eight of a teardown, before and after each.
@pytest.mark.slow
@pytest.mark.parametrize("point", range(22))
def test_a_killed_launch_goes_on_and_makes_nothing_twice(tmp_path: Path, point: int) -> None:
    assert run(tmp_path, "launch", point)[0] == -signal.SIGKILL
    seen = {record["action"] for record in journal(tmp_path) if record["kind"] == "intent"}
    assert not world(tmp_path).stacks or "create" in seen
    assert (tmp_path / "data" / "locks" / f"{NAME}.json").exists()
    if point % 2:
        assert run(tmp_path, "launch")[1] == "running"
        assert world(tmp_path).made == [f"role {NAME}", f"stack {NAME}"]
        assert set(world(tmp_path).ends) == {NAME}
    assert run(tmp_path, "teardown")[1] == "gone"
    assert world(tmp_path).nothing()
    assert not list((tmp_path / "data" / "locks").glob("*.json"))


@pytest.mark.slow
@pytest.mark.parametrize("point", range(16))
def test_a_killed_teardown_goes_on_until_nothing_is_left(tmp_path: Path, point: int) -> None:
    assert run(tmp_path, "launch")[1] == "running"
    assert run(tmp_path, "teardown", point)[0] == -signal.SIGKILL
    assert run(tmp_path, "teardown")[1] == "gone"
    assert world(tmp_path).nothing()


def test_nothing_is_left_to_kill_after_those_points(tmp_path: Path) -> None:
    assert run(tmp_path, "launch", 22) == (0, "running")
    assert run(tmp_path, "teardown", 16) == (0, "gone")
