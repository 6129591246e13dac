"""A framework is a folder and a line; a target is a package and a line: each is used as the command line does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fmctl.__main__ import main
from fmctl.targets import registry as targets
from fmctl.targets.target import Target
from tests.unit.house.fakery import kind
from tests.unit.house.fakery.target import FakeTarget

HERE = Path(__file__).parents[3]
SITE = """\
region: us-east-1
compute_subnet: subnet-0123456789abcdef0
head_subnet: subnet-0123456789abcdef1
account: "111122223333"
"""
# The line of the registry, in a process of its own: names are read once.
LINE = """\
import sys
from fmctl.frameworks import registry
registry.FOLDERS = (*registry.FOLDERS, registry.Folder("tests.unit.house.acme", ("acme",)))
from fmctl.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def acme(folder: Path, *words: str) -> str:
    """What a command prints where the registry has one line more."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE), "FMCTL_DATA": str(folder), "HOME": str(folder)}
    run = subprocess.run(
        [sys.executable, "-c", LINE, *words], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_framework_is_a_folder_and_a_line(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    planned = ("llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "2", "--framework", "acme", "--tokens", "1T")
    found = json.loads(acme(tmp_path, "plan", *planned, "--save", "a", "--json"))["result"]["rows"]
    assert {row["framework"] for row in found} == {"acme"}
    assert {row["layout"]["pp"] for row in found} == {1}, "its limits are looked at"
    assert "acme" in acme(tmp_path, "__complete", "frameworks").split()
    files = json.loads(acme(tmp_path, "render", "a", "--site", "site.yaml", "--json"))["result"]["files"]
    script = next(one["text"] for one in files if one["name"] == "job.sbatch")
    assert f"--acme-tensor {found[0]['layout']['tp']}" in script
    assert "acme_*/" in script and "save_signal=TERM" in script
    environment = next(one["text"] for one in files if one["name"] == "job.env")
    assert "JOB_ENTRY=acme.py\n" in environment
    step_s = found[0]["time"]["step_s"]
    lines = [f"acme {i} took {step_s:.4f} s loss {5 - i / 100:.3f}" for i in range(1, 60)]
    (tmp_path / "run.log").write_text("\n".join([*lines, "acme saves 59", ""]))
    seen = json.loads(acme(tmp_path, "progress", "a", "--log", "run.log", "--json"))["result"]
    figures = {figure["name"]: figure for figure in seen["figures"]}
    assert (figures["step_s"]["verdict"], figures["step_s"]["measured"]) == ("inside", pytest.approx(step_s, rel=0.01))
    assert figures["memory_bytes"]["predicted"] == pytest.approx(found[0]["memory"]["allocated_bytes"])


@pytest.fixture
def fmctl(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Commands in this process, where the registry of targets has one line more, and that is where clusters go."""
    monkeypatch.setattr(targets, "PACKAGES", {"fakery": "tests.unit.house.fakery", **targets.PACKAGES})
    monkeypatch.setenv("FMCTL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FMCTL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> str:
        code = main(list(words))
        out, err = capsys.readouterr()
        assert code == 0, err
        return out

    return run


def test_a_target_is_a_package_and_a_line(fmctl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = FakeTarget()
    assert {name for name in vars(Target) if not name.startswith("_")} <= set(dir(there))
    monkeypatch.setattr(kind, "THERE", there)
    (tmp_path / "site.yaml").write_text(SITE)
    fmctl("plan", "llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "2", "--tokens", "1T", "--save", "r1")
    where = ("--site", "site.yaml")
    assert "a fake cluster" in fmctl("render", "r1", *where)
    assert "it always works" in fmctl("preflight", "r1", *where)
    planned = fmctl("launch", "r1", *where, "--max-hours", "2", "--dry-run")
    assert "Fakery's validators" in planned and not there.clusters
    assert "r1 runs" in fmctl("launch", "r1", *where, "--max-hours", "2", "--yes")
    assert (there.asked, set(there.ends)) == (["create r1"], {"r1"})
    status = json.loads(fmctl("status", "r1", "--json"))["result"]["clusters"][0]
    assert (status["condition"], status["stack_status"], status["nodes"]) == ("ready", "UP", {"compute running": 2})
    assert "events of r1" in fmctl("logs", "r1", "events")
    before = there.ends["r1"]
    assert "r1 ends at" in fmctl("extend", "r1", "3", "--yes")
    assert (there.ends["r1"] - before).total_seconds() == 3 * 3600
    assert "submitted" in fmctl("submit", "r1", *where)
    assert any(b"#!/bin/bash" in sent for _, sent in there.shell.ran)
    assert not any(b"a fake cluster" in sent for _, sent in there.shell.ran), "the job's files alone"
    assert "train" in fmctl("jobs", "r1") or there.shell.ran
    torn = fmctl("teardown", "r1", "--yes")
    assert "r1 is gone" in torn and "of r1" in torn
    assert (there.clusters, there.ends) == ({}, {})
