"""The commands as processes against a real Slurm on this machine (`--head local`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real("slurm")


class Fmctl:
    """`fmctl` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.env = os.environ | {"FMCTL_DATA": str(folder), "FMCTL_HEAD": "local"}

    def __call__(self, *words: str, code: int = 0) -> Any:
        ran = self.run(*words, "-o", "json")
        assert ran.returncode == code, ran.stderr[-2000:]
        return json.loads(ran.stdout or ran.stderr)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "fmctl", *words], env=self.env, capture_output=True, text=True,
                              timeout=150, stdin=subprocess.DEVNULL, check=False)  # fmt: skip


@pytest.fixture
def fmctl(slurm: Any, tmp_path: Path) -> Fmctl:
    return Fmctl(tmp_path)


def test_jobs_cancel_and_logs_of_a_real_job(fmctl: Fmctl, slurm: Any, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/bash\necho begun\nsleep 30\n")
    number = slurm(
        "sbatch", "--parsable", "--nodes=2", f"--chdir={tmp_path}", "--output=%x-%j.out", str(script)
    ).strip()
    slurm.wait(lambda: fmctl("jobs")["result"]["jobs"][0]["state"] == "RUNNING")
    found = fmctl("jobs")["result"]
    assert found["nodes"] == {"ALLOCATED": 2, "IDLE": 6} or sum(found["nodes"].values()) == 8
    assert found["trouble"] == []
    assert found["jobs"][0]["said"].startswith("running on gpu-st-p5-")
    slurm.wait(lambda: fmctl.run("logs", "any", "--job", number).stdout == "begun\n")
    following = subprocess.Popen([sys.executable, "-m", "fmctl", "logs", "any", "--job", number, "--follow"],
                                 env=fmctl.env, stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert fmctl("cancel", "any", number, "--yes")["result"]["cancelled"] is True
    out, _ = following.communicate(timeout=30)
    assert following.returncode == 0
    assert out.startswith("begun\n")
    slurm.wait(lambda: fmctl("jobs")["result"]["jobs"][0]["state"] == "CANCELLED")
    assert fmctl("cancel", "any", number, "--yes")["result"]["cancelled"] is False
    table = fmctl.run("jobs").stdout
    assert "was cancelled" in table
    assert "8 idle" in table


def test_no_slurm_is_one_error(fmctl: Fmctl, tmp_path: Path) -> None:
    fmctl.env = fmctl.env | {"SLURM_CONF": str(tmp_path / "none.conf")}
    ran = fmctl.run("jobs")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("fmctl: error:") == 1
    fmctl.env = fmctl.env | {"PATH": str(tmp_path)}
    assert "there is no squeue here" in fmctl.run("jobs").stderr
    assert fmctl.run("jobs", "--head", "ssh://").returncode == 2
    assert fmctl.run("jobs", "--head", "carrier-pigeon").returncode == 2


def test_a_job_is_followed_line_by_line_until_it_is_over(fmctl: Fmctl, slurm: Any, tmp_path: Path) -> None:
    """A job that logs lines of JSON (simulated); each is shown before the next is written."""
    plan = tmp_path / "plan.json"
    words = ("plan", "llama-3.1-8b", "--tokens", "10B", "--nodes", "1", "--instances", "p5.48xlarge", "-o", "json")
    plan.write_text(fmctl.run(*words).stdout)
    script, go = tmp_path / "job.sh", tmp_path / "go"
    script.write_text(
        "#!/bin/bash\n"
        'for step in $(seq 1 4); do echo "{\\"step\\": $step, \\"step_time_s\\": 4.0, \\"at\\": $(date +%s)}"\n'
        f"while [ ! -e {go}.$step ]; do sleep 0.1; done; done\n"
    )
    number = slurm("sbatch", "--parsable", f"--chdir={tmp_path}", "--output=%j.out", str(script)).strip()
    slurm.wait((tmp_path / f"{number}.out").exists)
    command = [sys.executable, "-m", "fmctl", "progress", str(plan), "--job", number, "--follow"]
    with subprocess.Popen(command, env=fmctl.env, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        last = 0
        while last < 4:
            document = json.loads(following.stdout.readline())
            last = document["result"]["state"]["last_step"] or 0
            if last:
                (tmp_path / f"go.{last}").touch()
        assert document["result"]["state"]["records"] == 4
        following.communicate(timeout=40)  # Slurm is asked every ten seconds whether the job is over
        assert following.returncode == 0
