"""From a plan to its end on a real Slurm: submitted, watched, a node lost, put back, gone on from its checkpoint.

The training program is a stand-in that says of itself that it is simulated; script, health check, resume and everything
that fmctl reads are the product's own.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.test_commands import Fmctl

PLAN = (
    "plan", "llama-3.1-8b", "--instance", "p5.48xlarge", "--nodes", "2", "--framework", "megatron", "--seq-len", "4096",
    "--global-batch", "128", "--tokens", "3B", "--failures", "400", "--top", "1",
)  # fmt: skip
SITE = "region: us-east-1\ncompute_subnet: subnet-0123456789abcdef0\nhead_subnet: subnet-0123456789abcdef1\n"
SPEED = 400.0


@pytest.fixture
def fmctl(slurm: Any, tmp_path: Path) -> Fmctl:
    return Fmctl(tmp_path / "data")


def programs(folder: Path) -> Path:
    """A folder with the stand-in under the names that the script calls."""
    folder.mkdir()
    for name in ("torchrun", "nvidia-smi"):
        shutil.copy(Path(__file__).with_name("standin.py"), folder / name)
        (folder / name).chmod(0o755)
    return folder


def test_a_run_survives_the_loss_of_a_node(fmctl: Fmctl, slurm: Any, tmp_path: Path) -> None:
    plan, site, saves = tmp_path / "plan.json", tmp_path / "site.yaml", tmp_path / "a run's checkpoints"
    site.write_text(SITE)
    assert fmctl.run(*PLAN, "-o", "json", "-O", str(plan)).returncode == 0
    row = json.loads(plan.read_text())["result"]["rows"][0]
    given = {
        "PATH": f"{programs(tmp_path / 'bin')}:/usr/bin:/bin",
        "JOB_CHECKPOINTS": str(saves),
        "STANDIN_STEP_S": repr(row["time"]["step_s"]),
        "STANDIN_SPEED": repr(SPEED),
    }
    words = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
    submit = ("submit", str(plan), "--site", str(site), "--folder", str(tmp_path / "job"), "--yes", *words)
    submitted = fmctl(*submit)["result"]
    number = str(submitted["job"]["job"])
    assert submitted["submitted"]
    assert not fmctl(*submit)["result"]["submitted"], "a second call finds the first one's job"

    def progress() -> Any:
        return fmctl("progress", str(plan), "--job", number)["result"]

    def job() -> Any:
        return next(one for one in fmctl("jobs")["result"]["jobs"] if str(one["job"]) == number)

    # Watched: steps come, a checkpoint is there.
    tracker = saves / "latest_checkpointed_iteration.txt"
    slurm.wait(tracker.exists, 60)
    before = progress()
    assert before["state"]["saves"] >= 1
    assert before["state"]["restarts"] == 0
    assert not before["worse"], "the plan's own timing is inside the plan's intervals"

    # A node is lost: the job is put back, and says so.
    lost = int(job()["nodes"].replace("[", "").split("-")[3][0])
    slurm.kill(lost)
    try:
        slurm.wait(lambda: job()["restarts"] == 1, 60)
        slurm.reap(int(number))
        saved = int(tracker.read_text())
        half = saves / f"iter_{saved + 1:07d}"
        half.mkdir()  # a save that was cut short
        assert "put back 1 time" in job()["said"]
        assert f"gpu-st-p5-{lost}" in json.dumps(fmctl("jobs")["result"]["trouble"])
        # Slurm pauses for two minutes before a job that was put back; its administrator need not.
        slurm.wait(lambda: job()["state"] == "PENDING")
        slurm("scontrol", "update", f"jobid={number}", "starttime=now")
        slurm.wait(lambda: job()["state"] == "COMPLETED", 120)
    finally:
        slurm.start_node(lost)
        slurm("scontrol", "update", f"nodename=gpu-st-p5-{lost}", "state=resume")

    text = fmctl.run("logs", "any", "--job", number).stdout
    assert f"going on from step {saved}" in text
    assert f"successfully loaded checkpoint from {saves} [ t 1/1, p 1/1 ] at iteration {saved}\n" in text
    assert text.count("SIMULATED") == 2
    after = progress()
    state = after["state"]
    assert state["restarts"] == 1
    assert 0 <= state["total_steps"] - state["last_step"] < 10, "Megatron logs every tenth step"
    step = next(one for one in after["figures"] if one["name"] == "step_s")
    assert step["measured"] == pytest.approx(row["time"]["step_s"], rel=0.01)

    # The run is a row that calibrate takes.
    rows = tmp_path / "run.csv"
    fmctl("progress", str(plan), "--job", number, "--measured", str(rows))
    assert rows.read_text().count("\n") == 2
