"""From a plan to its end on a real Slurm: submitted, watched, a node lost, put back, gone on from its checkpoint.

The training program is a stand-in that says of itself that it is simulated; script, health check, resume and everything
that fmctl reads are the product's own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.test_commands import Fmctl

pytestmark = pytest.mark.real("slurm")

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
    for name in ("torchrun", "nvidia-smi", "date"):
        shutil.copy(Path(__file__).with_name("standin.py"), folder / name)
        (folder / name).chmod(0o755)
    return folder


def test_a_run_survives_the_loss_of_a_node(fmctl: Fmctl, slurm: Any, tmp_path: Path) -> None:
    plan, site, saves = tmp_path / "plan.json", tmp_path / "site.yaml", tmp_path / "a run's checkpoints"
    site.write_text(SITE)
    listed, commit = artefacts(tmp_path)
    assert fmctl.run(*PLAN, "-o", "json", "-O", str(plan)).returncode == 0
    row = json.loads(plan.read_text())["result"]["rows"][0]
    given = {
        "PATH": f"{programs(tmp_path / 'bin')}:/usr/bin:/bin",
        "JOB_CHECKPOINTS": str(saves),
        "STANDIN_STEP_S": repr(row["time"]["step_s"]),
        "STANDIN_SPEED": repr(SPEED),
        "JOB_FOLDER": str(tmp_path / "code"),
        "JOB_MANIFEST": str(tmp_path / "data.sha256"),
        "SECRET_TOKEN": "hush-hush",
    }
    words = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
    submit = ("submit", str(plan), "--site", str(site), "--folder", str(tmp_path / "job"), "--yes", *words)
    submitted = fmctl(*submit)["result"]
    number = str(submitted["job"]["job"])
    assert submitted["submitted"]
    again = fmctl(*submit)["result"]
    assert not again["submitted"], "a second call finds the first one's job"
    run = submitted["run"]
    assert again["run"] == run == "plan-1"

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
    # Stalls go by a clock that runs 400 times as fast: a moment in which this machine was busy is minutes there.
    assert not {"step_s", "tokens_per_s", "mfu"} & set(before["worse"]), "the plan's own timing is inside its intervals"

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
        slurm.resume(lost)

    state = _it_went_on(fmctl, plan, number, (saves, saved))

    # The run is a row that calibrate takes.
    rows = tmp_path / "run.csv"
    fmctl("progress", str(plan), "--job", number, "--measured", str(rows))
    assert rows.read_text().count("\n") == 2

    _the_record_holds_the_truth(fmctl, submitted, state, (saved, commit, listed))
    assert "hush-hush" not in "".join(path.read_text() for path in (tmp_path / "data").rglob("*.json"))
    _its_heir_says_whose_checkpoint_it_took(fmctl, slurm, submit, run)


def _it_went_on(fmctl: Fmctl, plan: Path, number: str, last: tuple[Path, int]) -> Any:
    """What the log tells in the end."""
    (saves, saved), row = last, json.loads(plan.read_text())["result"]["rows"][0]
    text = fmctl.run("logs", "any", "--job", number).stdout
    assert f"going on from step {saved}" in text
    assert f"successfully loaded checkpoint from {saves} [ t 1/1, p 1/1 ] at iteration {saved}\n" in text
    assert text.count("SIMULATED") == 2
    after = fmctl("progress", str(plan), "--job", number)["result"]
    state = after["state"]
    assert state["restarts"] == 1
    assert 0 <= state["total_steps"] - state["last_step"] < 10, "Megatron logs every tenth step"
    step = next(one for one in after["figures"] if one["name"] == "step_s")
    assert step["measured"] == pytest.approx(row["time"]["step_s"], rel=0.01)
    return state


def _its_heir_says_whose_checkpoint_it_took(fmctl: Fmctl, slurm: Any, submit: tuple[str, ...], run: str) -> None:
    second = fmctl(*submit)["result"]
    assert second["submitted"]
    slurm.wait(lambda: fmctl("report", second["run"])["result"]["run"]["job"]["state"] == "COMPLETED", 60)
    heir = fmctl("report", second["run"], "--offline")["result"]
    assert heir["run"]["parent"] == run
    assert heir["run"]["log"]["starts"][0]["facts"]["from_step"] == str(heir["run"]["measured"]["state"]["total_steps"])
    assert heir["same_artefacts"] == [run]
    assert fmctl("report", run, "--offline")["result"]["children"] == [second["run"]]
    different = {one["field"] for one in fmctl("diff", run, second["run"])["result"]["fields"]}
    assert {"starts", "cost.usd", "parent", "last_start.from_step"} <= different
    assert not {"files.job.sbatch", "config_digest", "last_start.code"} & different


def artefacts(folder: Path) -> tuple[str, str]:
    """A checkout and a list of digests: (SHA-256 of the list, the commit)."""
    code, listed = folder / "code", folder / "data.sha256"
    code.mkdir()
    (code / "pretrain_gpt.py").write_text("# SIMULATED\n")
    git = ("git", "-C", str(code), "-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "simulated")):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    listed.write_text("0" * 64 + "  shard-0\n")
    return hashlib.sha256(listed.read_bytes()).hexdigest(), head


def _the_record_holds_the_truth(fmctl: Fmctl, submitted: Any, state: Any, truth: tuple[int, str, str]) -> None:
    (saved, commit, listed), run = truth, submitted["run"]
    row = next(one for one in fmctl("history")["result"]["runs"] if one["run"] == run)
    assert row["state"] == submitted["job"]["state"], "as its submission saw it, waiting or begun: nobody looked since"
    fmctl("note", run, "--quality", "mmlu=0.652", "--text", "a second look is due")
    found = fmctl("report", run)["result"]
    kept = found["run"]
    assert (kept["job"]["state"], kept["job"]["restarts"]) == ("COMPLETED", 1)
    assert len(kept["job"]["nodes"]) > 0
    first, second = kept["log"]["starts"]
    assert first["facts"]["start"] == "0"
    assert second["facts"]["start"] == "1"
    assert "from_step" not in first["facts"]
    assert second["facts"]["from_step"] == str(saved) == str(second["loaded_step"])
    assert second["end"] == "0"
    assert first["end"] in (None, "143"), "where the batch script's own node was lost, its end is not on record"
    assert first["facts"]["nodes"] != second["facts"]["nodes"], "on other nodes than the one that was lost"
    assert second["facts"]["code"] == commit
    assert second["facts"]["data_manifest"].startswith(f"sha256:{listed} ")
    assert "packages_digest" in second["facts"]
    assert kept["log"]["checkpoints"]["kept"][-1]["step"] == state["total_steps"]
    # A program that ends between a save and the line that tells of it leaves a checkpoint that no log knows.
    told = f"successfully saved checkpoint from iteration {saved:7d} "
    logged = told in fmctl.run("logs", "any", "--job", str(submitted["job"]["job"])).stdout
    of_first = [one for one in kept["log"]["checkpoints"]["kept"] if one["step"] == saved and one["start"] == 1]
    assert bool(of_first) is logged
    assert kept["log"]["curves"][-1]["step"] == state["last_step"]
    assert kept["log"]["quality"]["simulated_accuracy"]["value"] == 0.625
    assert kept["log"]["quality"]["validation loss"]["value"] == 2.345678
    assert kept["quality"]["mmlu"]["value"] == 0.652
    assert "SECRET_TOKEN" in kept["variables"]
    # Simulated seconds: what the log's clock says the nodes were held for.
    step_s = kept["row"]["time"]["step_s"]
    trained = (first["last_step"] + state["total_steps"] - saved) * step_s
    assert kept["cost"]["running_s"] == pytest.approx(trained, rel=0.5)
    assert kept["cost"]["usd"] == pytest.approx(kept["row"]["cost"]["usd_per_h"] * kept["cost"]["running_s"] / 3600)
    assert kept["energy"]["basis"].startswith("predicted power")
    assert found["missing"] == ["container digest: a squashfs file or IMAGE@sha256:... in JOB_IMAGE"]
    history = fmctl.run("history").stdout
    assert run in history
    assert "COMPLETED" in history
    page = fmctl.run("report", run, "--offline", "-o", "html").stdout
    assert page.count("<svg") == 3
    assert page.count('class="mark"') == 3, "the second start stands in every curve"
