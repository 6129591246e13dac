"""A folder is not trusted: its settings run no program, send no secret, move no store and satisfy no consent."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fmctl.base import config, settings_files
from fmctl.base.config import not_taken, resolve
from fmctl.base.errors import UsageError
from fmctl.base.settings import SETTINGS

OWN = {
    "region": "eu-west-1", "profile": "theirs", "max_hours": 8000, "pcluster_python": "./evil.sh", "site": "site.yaml",
    "store": "empty", "head": "ssh://evil", "prometheus_url": "http://127.0.0.1:1", "ui_keys": ["view.copy=d"],
    "read_only": False, "job_user": "root",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where somebody works; the user's own settings are beside it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    (tmp_path / "work" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "deep")
    return tmp_path / "work"


def toml(**values: object) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def mine(tmp: Path, text: str) -> Path:
    path = tmp / "xdg" / "fmctl" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_what_a_folder_may_not_decide_is_one_table() -> None:
    assert {name for name, setting in SETTINGS.items() if setting.own} == set(OWN)


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("file", ["fmctl.toml", "pyproject.toml"])
def test_it_counts_from_the_users_own_file_and_the_environment_alone(folder: Path, name: str, file: str) -> None:
    text = toml(**{name: OWN[name]})
    (folder / file).write_text(text if file == "fmctl.toml" else f"[tool.fmctl]\n{text}")
    found = resolve(env={})
    assert found[name].origin == "default"
    (said,) = not_taken(found)
    assert said.startswith(f"not taken from {folder / file}: {name} (")
    assert f"FMCTL_{name.upper()}" in said and "config.toml" in said
    own = mine(folder.parent, text)
    assert resolve(env={})[name].origin == f"user {own}"
    given = {True: "1", False: "0"}.get(OWN[name], OWN[name]) if isinstance(OWN[name], bool) else OWN[name]
    variable = {f"FMCTL_{name.upper()}": ",".join(given) if isinstance(given, list) else str(given)}
    assert resolve(env=variable)[name].origin == f"environment FMCTL_{name.upper()}"


def test_all_of_a_folder_are_named_in_one_warning_and_the_rest_counts(folder: Path) -> None:
    (folder / "fmctl.toml").write_text(toml(**OWN, precision="fp8", output="csv"))
    found = resolve(env={})
    assert (found.text("precision"), found.text("output")) == ("fp8", "csv")
    (said,) = not_taken(found)
    assert all(name in said for name in OWN)


def test_a_folder_may_still_refuse_that_money_is_spent(folder: Path) -> None:
    (folder / "fmctl.toml").write_text("read_only = true\n")
    found = resolve(env={})
    assert found.switch("read_only") is True
    assert not not_taken(found)


@pytest.mark.parametrize("value", ['["a"]', "{x = 1}", "nan", "99999999999999999999"])
def test_what_is_not_taken_is_not_even_looked_at(folder: Path, value: str) -> None:
    (folder / "fmctl.toml").write_text(f"store = {value}\n")
    assert len(not_taken(resolve(env={}))) == 1


@pytest.mark.parametrize("name", OWN)
def test_config_set_does_not_write_it_into_a_folder(folder: Path, name: str) -> None:
    value = OWN[name]
    with pytest.raises(UsageError, match="not taken from a folder") as caught:
        config.set_value(name, ",".join(value) if isinstance(value, list) else str(value).lower(), "project")
    assert caught.value.next == f"fmctl config set {name} VALUE"
    assert not (folder / "deep" / "fmctl.toml").exists()


def test_config_list_says_what_was_not_taken(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "fmctl.toml").write_text(toml(store="empty", precision="fp8"))
    ran = cli.ok("config", "list", "-o", "json")
    found = ran.json()["result"]
    assert found["not_taken"] == [{"file": str(tmp_path / "fmctl.toml"), "settings": ["store"], "why": None}]
    assert {row["name"] for row in found["settings"] if row["own"]} == set(OWN)
    assert "fmctl: warning: not taken from" in ran.err
    assert cli.ok("config", "list", "--quiet").err == ""
    assert cli("config", "set", "store", "x", "--project").code == 2


def test_a_folder_runs_no_program(cli: Any, tmp_path: Path) -> None:
    evil = tmp_path / "evil.sh"
    evil.write_text("#!/bin/sh\ntouch ran\n")
    evil.chmod(0o755)
    (tmp_path / "fmctl.toml").write_text(toml(pcluster_python="./evil.sh"))
    ran = cli.ok("pcluster", "status")
    assert "not taken" in ran.err
    assert "named" not in ran.out
    assert not (tmp_path / "ran").exists()


def test_a_folder_satisfies_no_cap(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "fmctl.toml").write_text("max_hours = 8000\n")
    cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "a1")
    ran = cli("launch", "a1", "--yes")
    assert ran.code == 2
    assert "--yes needs a cap" in ran.err


def test_a_folder_moves_no_store(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "fmctl.toml").write_text(toml(store=str(tmp_path / "empty")))
    ran = cli.ok("status")
    assert "live" in ran.out and "store" in ran.err


@pytest.mark.parametrize("text", ["[[[", "a = 1\na = 2", "regoin = 1", "precision = 7", "x = " + "[" * 3000])
def test_nothing_in_a_folder_stands_before_a_teardown(cli: Any, tmp_path: Path, text: str) -> None:
    (tmp_path / "fmctl.toml").write_text(text)
    assert cli("plan", "llama-3.1-70b").code == 2
    assert "fmctl.toml is not read" in cli.ok("status").err
    ran = cli.ok("teardown", "live", "--yes")
    assert "fmctl.toml is not read" in ran.err


def _fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    "make", [_fifo, Path.mkdir, lambda p: p.symlink_to("/dev/zero")], ids=["fifo", "folder", "zero"]
)
@pytest.mark.parametrize("name", ["fmctl.toml", "pyproject.toml"])
def test_what_is_no_file_is_passed_over_at_once(folder: Path, make: Any, name: str) -> None:
    make(folder / "deep" / name)
    (folder / "fmctl.toml").write_text("precision = 'fp8'\n")
    found = resolve(env={})
    assert found.text("precision") == "fp8"
    assert len(not_taken(found)) == (name == "fmctl.toml")


def test_what_everybody_may_write_is_passed_over(folder: Path) -> None:
    file = folder / "fmctl.toml"
    file.write_text("precision = 'fp8'\n")
    file.chmod(0o666)
    found = resolve(env={})
    assert found.text("precision") == "bf16"
    assert not_taken(found) == (f"{file} is not read: everybody may write to it",)
    own = mine(folder.parent, "max_hours = 8000\n")
    own.chmod(0o606)
    assert resolve(env={})["max_hours"].origin == "default"
    assert str(own) in not_taken(resolve(env={}))[0]


@pytest.mark.parametrize("which", ["file", "link"])
def test_what_belongs_to_somebody_else_is_passed_over(
    folder: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only root may give files away: what the system says of the owner is made up."""
    file = folder / "fmctl.toml"
    file.write_text("precision = 'fp8'\n")
    real, real_link = Path.stat, Path.lstat

    def owned(found: os.stat_result, uid: int) -> os.stat_result:
        return os.stat_result((*found[:4], uid, *found[5:]))

    def other(path: Path, ask: Any, about: str) -> os.stat_result:
        found: os.stat_result = ask(path)
        return owned(found, 4242) if path == file and about == which else found

    monkeypatch.setattr(Path, "stat", lambda path, **kw: other(path, real, "file"))
    monkeypatch.setattr(Path, "lstat", lambda path: other(path, real_link, "link"))
    found = resolve(env={})
    assert found.text("precision") == "bf16"
    assert not_taken(found) == (f"{file} is not read: it belongs to somebody else",)


def test_under_sudo_the_files_of_the_caller_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", "4242")
    assert settings_files._trusted() == {0, 4242}
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert settings_files._trusted() == {0, 1000}


def test_no_module_of_a_folder_is_run_by_the_children_of_fmctl(tmp_path: Path) -> None:
    """`python -m` and `python -c` look into the working folder first."""

    for name in ("csv.py", "email.py", "zipfile.py", "json.py", "fmctl.py", "yaml.py", "venv.py", "pip.py"):
        (tmp_path / name).write_text("import pathlib; pathlib.Path('ran').touch(); raise SystemExit(3)\n")
    text = (
        f"import os; os.chdir({str(tmp_path)!r})\n"
        "from fmctl.adapters.parallelcluster import environments as e\n"
        "from fmctl.adapters.itself import answered\n"
        f"e._probed({sys.executable!r}); e._run([{sys.executable!r}, '-m', 'venv', '--help'], 'x')\n"
        "answered(['config', 'path'], print)\n"
    )
    subprocess.run([sys.executable, "-P", "-c", text], cwd="/", check=True, timeout=60, stdin=subprocess.DEVNULL)
    assert not (tmp_path / "ran").exists()


def test_the_users_own_file_is_written_for_the_user_alone(folder: Path) -> None:
    old = os.umask(0)
    try:
        path = config.set_value("store", "s3://bucket/clusters")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
