"""An existing Slurm cluster of CPU nodes as a target: jobs go there, nothing is launched."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fmctl.__main__ import main
from fmctl.base.errors import CannotRun, UsageError
from fmctl.domain.cluster import SlurmSite
from fmctl.targets.sites import read_site, site_of
from fmctl.targets.slurm.target import SlurmCluster
from fmctl.targets.target import Condition

RECORDED = Path(__file__).parents[2] / "data" / "slurm"


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """A site of a Slurm on this machine, whose programs print what they once printed; commands in this process."""
    shared, programs = tmp_path / "shared", tmp_path / "bin"
    shared.mkdir()
    programs.mkdir()
    said = {name: RECORDED / f"{name}_24.11_v0.0.42{end}.json" for name, end in (("squeue", ""), ("sinfo", "_down"))}
    for name, text in {"sbatch": "echo 1", **{name: f"cat {path}" for name, path in said.items()}}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    for name in ("data", "store", "settings"):
        monkeypatch.setenv({"settings": "XDG_CONFIG_HOME"}.get(name, f"FMCTL_{name.upper()}"), str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    site = f"target: slurm\nfolder: {shared}\nslurm: {{queue: cpu, head: local, gpus: false}}\n"
    (tmp_path / "site.yaml").write_text(site)

    def run(*words: str, code: int = 0) -> str:
        found = main(list(words))
        out, err = capsys.readouterr()
        assert found == code, err
        return out + err

    run("plan", "llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "2", "--save", "r1")
    return run


def test_its_job_asks_for_its_queue_and_no_gpus(there: Any) -> None:
    files = json.loads(there("render", "r1", "--site", "site.yaml", "--json"))["result"]["files"]
    texts = {one["name"]: one["text"] for one in files}
    assert set(texts) == {"job.sbatch", "job.env"}
    assert "#SBATCH --partition=cpu\n" in texts["job.sbatch"] and "#SBATCH --gpus-per-node" not in texts["job.sbatch"]
    assert "JOB_HEALTH=0\n" in texts["job.env"]


def test_a_job_is_submitted_and_seen(there: Any, tmp_path: Path) -> None:
    found = json.loads(there("submit", "r1", "--site", "site.yaml", "--json"))["result"]
    assert (found["submitted"], found["job"]["job"]) == (True, 1)
    assert (tmp_path / "shared" / "fmctl" / "r1" / "job.sbatch").is_file()
    assert json.loads(there("jobs", "r1", "--head", "local", "--json"))["result"]["jobs"]
    assert "nodes answer" in there("preflight", "r1", "--site", "site.yaml")
    away = (tmp_path / "site.yaml").read_text().replace("head: local", "head: ssh://nowhere.invalid")
    (tmp_path / "away.yaml").write_text(away)
    (tmp_path / "bin" / "ssh").write_text("#!/bin/sh\necho 'ssh: Could not resolve hostname' >&2\nexit 255\n")
    (tmp_path / "bin" / "ssh").chmod(0o755)
    said = there("preflight", "r1", "--site", "away.yaml", code=4)
    assert "ssh could not reach the head node" in " ".join(said.split())


def test_what_is_there_already_is_neither_launched_nor_taken_down(there: Any) -> None:
    said = there("launch", "r1", "--site", "site.yaml", "--yes", "--max-hours", "2", code=2)
    assert "cannot be launched" in said and "fmctl submit" in said
    cluster = SlurmCluster(SlurmSite("cpu"))
    assert cluster.state("any") is not None
    assert cluster.state("any").condition == Condition.READY  # type: ignore[union-attr]
    for change in (cluster.delete, cluster.stop):
        with pytest.raises(CannotRun):
            change("any", "")


def test_its_site_says_what_it_needs_and_nothing_of_a_cloud(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("target: slurm\nslurm: {queue: gpu, head: ssh://login.example.org}\n")
    site = read_site(path)
    assert (site.target, site.slurm) == ("slurm", SlurmSite("gpu", "ssh://login.example.org"))
    for wrong in ({"queue": "a b"}, {"queue": "a", "head": "telnet://x"}, {"queue": "a", "more": 1}, {}):
        with pytest.raises(UsageError):
            site_of({"target": "slurm", "slurm": wrong}, "site")
    with pytest.raises(UsageError):
        site_of({"target": "slurm", "slurm": {"queue": "a"}, "compute_subnet": "subnet-0123456789abcdef0"}, "site")
    for near, meant in (({"foldr": "/x"}, "did you mean folder?"), ({"region": "us-east-1"}, None)):
        with pytest.raises(UsageError, match="no site field called") as caught:
            site_of({"target": "slurm", "slurm": {"queue": "a"}, **near}, "site")
        assert caught.value.why == meant
    with pytest.raises(UsageError, match="site: folder 'x;y' cannot be used"):
        site_of({"target": "slurm", "slurm": {"queue": "a"}, "folder": "x;y"}, "site")
