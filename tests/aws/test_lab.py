"""`fmctl lab` as its user meets it: started, found, refused a second time, and gone without a trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real("pcluster")


def fmctl(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command, the lab's files in a folder of this test."""
    return subprocess.run(
        [sys.executable, "-m", "fmctl", *words], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "XDG_STATE_HOME": str(home)},
    )  # fmt: skip


def result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["result"]
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_start_status_stop(needed: str, tmp_path: Path) -> None:
    started = result(fmctl(tmp_path, "lab", "start", "--speed", "600", "--json"))
    try:
        assert started["endpoint"].startswith("http://127.0.0.1:")
        assert Path(started["site"]).is_file()
        again = fmctl(tmp_path, "lab", "start")
        assert again.returncode == 1
        assert started["endpoint"] in again.stderr
        assert result(fmctl(tmp_path, "lab", "status", "--json")) == started
        with pytest.raises(urllib.error.HTTPError) as refused:  # as a page in a browser would send it
            urllib.request.urlopen(urllib.request.Request(f"{started['endpoint']}/fm/clear", b"{}"), timeout=10)
        refused.value.close()
    finally:
        stopped = fmctl(tmp_path, "lab", "stop", "--json")
    assert not result(stopped)["running"]
    assert not alive(started["pid"])
    assert not result(fmctl(tmp_path, "lab", "status", "--json"))["running"]
    assert fmctl(tmp_path, "lab", "stop").returncode == 0


def test_a_port_that_is_taken_is_said(world: Any, tmp_path: Path) -> None:
    done = fmctl(tmp_path, "lab", "start", "--port", str(world.running.port))
    assert done.returncode == 1
    assert "did not start" in done.stderr
    assert "in use" in done.stderr


def test_a_killed_lab_is_noticed(needed: str, tmp_path: Path) -> None:
    started = result(fmctl(tmp_path, "lab", "start", "--json"))
    os.kill(started["pid"], 9)
    assert not result(fmctl(tmp_path, "lab", "status", "--json"))["running"]
    restarted = result(fmctl(tmp_path, "lab", "start", "--json"))
    assert restarted["pid"] != started["pid"]
    assert fmctl(tmp_path, "lab", "stop").returncode == 0
    assert not alive(restarted["pid"])
