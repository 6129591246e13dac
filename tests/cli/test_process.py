"""Whole processes on the real catalogue: pipes, closed streams, no home, a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

FMCTL = [sys.executable, "-m", "fmctl"]
COMMANDS = [
    ("--version",),
    ("--help",),
    ("estimate", "llama-3.1-8b"),
    ("plan", "llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "1"),
    ("explain", "llama-3.1-8b"),
    ("models", "list"),
    ("models", "show", "deepseek-v3"),
    ("instances", "list"),
    ("prices", "list"),
    ("config", "list"),
    ("schema", "plan"),
    ("spec",),
    ("completion", "zsh"),
    ("__complete", "models"),
]


def run(*args: str, env: Mapping[str, str] | None = None, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FMCTL, *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **(env or {})},
        **more,
    )  # type: ignore[call-overload,no-any-return]


def shell(line: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-o", "pipefail", "-c", line.replace("FMCTL", " ".join(FMCTL))]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **(env or {})}
    )


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_reader_that_goes_away_is_a_quiet_success(words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*FMCTL, *words], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", COMMANDS[2:-1], ids=" ".join)
@pytest.mark.parametrize("target", [">&-", "> /dev/full"])
def test_a_closed_or_full_stdout_is_one_error(words: tuple[str, ...], target: str) -> None:
    done = shell(f"FMCTL {' '.join(words)} {target}")
    assert done.returncode == 1
    assert done.stderr.startswith("fmctl: error: cannot write to stdout")
    assert done.stderr.count("fmctl: error") == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_errors_to_a_closed_stderr_keep_the_exit_code() -> None:
    assert shell("FMCTL models show no 2>&-").returncode == 2


@pytest.mark.parametrize("words", COMMANDS[2:], ids=" ".join)
def test_nobody_needs_a_home(words: tuple[str, ...]) -> None:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "VIRTUAL_ENV")}
    done = subprocess.run(
        [*FMCTL, *words], capture_output=True, text=True, check=False, timeout=120, env={**kept, "HOME": "/nonexistent"}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_an_ascii_world_gets_an_answer_too() -> None:
    done = run("estimate", "llama-3.1-8b", env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_plan_and_estimate_answer_for_real(tmp_path: Path) -> None:
    env = {"FMCTL_DATA": str(tmp_path)}
    done = run(
        "plan", "llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "1,2", "--save", "mine", "--json", env=env
    )
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["result"]["rows"][0]["fits"] in ("ok", "tight")
    assert json.loads(run("explain", "mine", "--json", env=env).stdout)["schema"] == "fmctl.explain/1"
    assert run("diff", "mine", "mine", "--exit-code", env=env).returncode == 0
    row = plan["result"]["rows"][0]
    fixed = [f"--{name.replace('_', '-')}={row['layout'][name]}" for name in ("tp", "pp", "cp", "dp", "micro_batch")]
    done = run("estimate", "llama-3.1-8b", "--nodes", str(row["nodes"]), *fixed, "--json", env=env)
    assert done.returncode == 0, done.stderr
    names = run("__complete", "plans", env=env).stdout
    assert names == "mine\n"


def test_real_documents_obey_their_schemas(tmp_path: Path) -> None:
    import jsonschema

    from fmctl.documents import json_schema

    for words in (
        ("estimate", "deepseek-v3", "--instance", "p6-b200.48xlarge", "--nodes", "32"),
        ("plan", "llama-3.1-8b", "--instances", "p5.48xlarge,p5en.48xlarge", "--nodes", "1..4", "--tokens", "1T"),
        ("explain", "llama-3.1-8b"),
        ("models", "list"),
        ("models", "show", "deepseek-v3"),
        ("instances", "list"),
        ("instances", "show", "p5.48xlarge"),
        ("instances", "show", "p6e-gb300.36xlarge"),
        ("prices", "list"),
        ("config", "list"),
    ):
        done = run(*words, "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        jsonschema.Draft202012Validator(json_schema(document["schema"])).validate(document)


def test_a_huge_batch_needs_no_huge_memory() -> None:
    command = f"FMCTL plan llama-3.1-8b --instances p5.48xlarge --nodes 1 --global-batch {2**32} -o json"
    done = shell(f"ulimit -v 3000000; {command}")
    assert done.returncode == 0, done.stderr


def test_what_cannot_fit_says_why_and_exits_3() -> None:
    done = run("plan", "llama-3.1-405b", "--instances", "p4d.24xlarge", "--nodes", "1")
    assert (done.returncode, done.stdout) == (3, "")
    assert "does not fit in device memory" in done.stderr
    assert "nearest: " in done.stderr


def on_terminal(*args: str, columns: int = 80, env: Mapping[str, str] | None = None) -> str:
    """What a terminal of that width would get, escape codes included."""
    child, fd = pty.fork()
    if child == 0:
        os.execve(FMCTL[0], [*FMCTL, *args], {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", **(env or {})})
    shown = b""
    while True:
        try:
            block = os.read(fd, 65536)
        except OSError:
            break
        if not block:
            break
        shown += block
    os.waitpid(child, 0)
    os.close(fd)
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "llama-3.1-70b", "--nodes", "8..32", "--tokens", "15T", "-q"),
        ("plan", "deepseek-v3", "--nodes", "32", "-q"),
        ("estimate", "llama-3.1-70b"),
        ("explain", "llama-3.1-8b"),
        ("instances", "list"),
        ("models", "list"),
        ("prices", "show", "p5.48xlarge"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_eighty_columns_are_enough(words: tuple[str, ...]) -> None:
    shown = on_terminal(*words)
    assert "\x1b[1m" in shown
    bare = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(map(len, bare.splitlines())) <= 80


def test_colour_can_be_switched_off_and_forced() -> None:
    assert "\x1b" not in on_terminal("models", "list", env={"NO_COLOR": "1"})
    assert "\x1b" not in on_terminal("models", "list", "--no-color")
    assert "\x1b" not in run("models", "list").stdout
    assert "\x1b" in run("models", "list", env={"CLICOLOR_FORCE": "1"}).stdout


def test_wide_terminals_get_more_columns() -> None:
    words = ("plan", "llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "1", "-q")
    assert "schedule" in on_terminal(*words, columns=200)
    assert "schedule" not in on_terminal(*words, columns=80)


_README = Path(__file__).parents[2] / "README.md"
_SHOWN = [
    line.partition("#")[0][8:].split() for line in _README.read_text().splitlines() if line.startswith("$ fmctl ")
]
_NAMES = ("plan", "estimate", "explain", "prices", "instances")
_ALONE = [words for words in _SHOWN if words[0] in _NAMES and not {"--calibration", "refresh"} & set(words)]


@pytest.mark.parametrize("words", _ALONE, ids=" ".join)
def test_what_the_readme_shows_works(words: list[str], tmp_path: Path) -> None:
    done = run(*words, env={"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)})
    assert (done.returncode, done.stdout != "") == (0, True), done.stderr


def test_a_member_of_an_ultraserver_is_not_planned_alone() -> None:
    done = run("plan", "llama-3.1-8b", "--instances", "p6e-gb200.36xlarge")
    assert done.returncode == 2
    assert "sold only as part of an UltraServer" in done.stderr
