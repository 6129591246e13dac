"""What a job says of itself, run by bash: digests by hand, hostile names, and nothing that ends the job."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from fmctl.targets.slurm.record import RECORD, packages

FRAME = "set -euo pipefail\nhelpers=()\nnvidia-smi() { return 9; }\n" + RECORD + "record_start\nwait\nrecord end 0\n"


def told(folder: Path, **env: str) -> dict[str, str]:
    base = {
        "PATH": "/usr/bin:/bin",
        "SLURM_JOB_NODELIST": "gpu-[1-2]",
        "JOB_CHECKPOINTS": "/fsx/c",
        "JOB_FOLDER": str(folder),
    }
    ran = subprocess.run(
        ["bash", "-c", FRAME], env=base | env, capture_output=True, text=True, timeout=60, check=True, cwd=folder
    )
    facts = {}
    for line in ran.stdout.splitlines():
        head, _, name, *value = line.split(" ", 3)
        assert head == "fmctl-record:", line
        facts[name] = value[0] if value else ""
    return facts


def test_a_bare_job_tells_what_there_is(tmp_path: Path) -> None:
    found = told(tmp_path, newest="400", SLURM_RESTART_COUNT="2")
    assert {name: found[name] for name in ("start", "nodes", "checkpoints", "from_step", "end")} == {
        "start": "2", "nodes": "gpu-[1-2]", "checkpoints": "/fsx/c", "from_step": "400", "end": "0",
    }  # fmt: skip
    assert not {"code", "image", "data", "driver"} & set(found)


def test_code_is_a_commit_and_what_differs_from_it(tmp_path: Path) -> None:
    git = ("git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=n@example.org")
    (tmp_path / "a.py").write_text("1\n")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "one")):
        subprocess.run([*git, *words], check=True)
    clean = told(tmp_path)
    assert len(clean["code"]) == 40
    assert "code_changes" not in clean
    (tmp_path / "a.py").write_text("2\n")
    changed = told(tmp_path)
    assert changed["code"] == clean["code"]
    assert changed["code_changes"].startswith("sha256:")
    (tmp_path / "a.py").write_text("3\n")
    assert told(tmp_path)["code_changes"] != changed["code_changes"]


@pytest.mark.parametrize("name", ["plain", "two words", "$(touch owned)", "'; touch owned; '", "a\nb", "%s%n", "ü"])
def test_image_and_data_by_digest_whatever_they_are_called(tmp_path: Path, name: str) -> None:
    image, data = tmp_path / f"{name}.sqsh", tmp_path / f"{name}.d"
    image.write_bytes(b"image")
    data.mkdir()
    (data / "one").write_bytes(b"12345")
    found = told(tmp_path, JOB_IMAGE=str(image), JOB_DATA=str(data))
    assert found["image_digest"] == "sha256:" + hashlib.sha256(b"image").hexdigest()
    assert found["data"] == str(data).replace("\n", " ")
    assert found["data_files"].endswith("names with sizes, 5 bytes")
    assert not (tmp_path / "owned").exists()
    (data / "two").write_bytes(b"6")
    assert told(tmp_path, JOB_DATA=str(data))["data_files"] != found["data_files"]


def test_an_image_of_a_registry_is_known_by_its_digest_alone(tmp_path: Path) -> None:
    digest = "0" * 64
    assert told(tmp_path, JOB_IMAGE=f"r.io#a/b@sha256:{digest}")["image_digest"] == f"sha256:{digest}"
    assert "image_digest" not in told(tmp_path, JOB_IMAGE="r.io#a/b:latest"), "a tag may point elsewhere tomorrow"


def test_data_may_be_a_prefix_or_a_list_of_digests(tmp_path: Path) -> None:
    (tmp_path / "text.bin").write_bytes(b"123")
    (tmp_path / "text.idx").write_bytes(b"4")
    found = told(tmp_path, JOB_DATA=str(tmp_path / "text"), JOB_MANIFEST=str(tmp_path / "text.idx"))
    assert " of 2 names with sizes, 4 bytes" in found["data_files"]
    assert found["data_manifest"].startswith("sha256:" + hashlib.sha256(b"4").hexdigest())
    assert "data_files" not in told(tmp_path, JOB_DATA="/nowhere/at/all")


def test_packages_are_those_of_the_python_that_trains() -> None:
    text = packages(["megatron"]) + 'python3 -c "$record_packages"'
    ran = subprocess.run(["bash", "-c", text], capture_output=True, text=True, timeout=60, check=True)
    assert "packages_digest sha256:" in ran.stdout
