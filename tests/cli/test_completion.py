"""Completion scripts stand in step with the commands, and the dynamic values answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fmctl.__main__ import main
from fmctl.base.outputs import OUTPUTS
from fmctl.cli.app import build
from fmctl.cli.completion import script
from fmctl.cli.values import FIELDS, KINDS
from fmctl.documents.results import WholeRun
from fmctl.domain.layout import CODES
from fmctl.report.runs import NESTED
from fmctl.usecases.choices import CHOICES, FRAMEWORKS, OBJECTIVES, PURCHASES, SHELLS

SCRIPTS = Path(__file__).parent.parent.parent / "completions"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shipped_scripts_are_what_the_generator_makes(shell: str) -> None:
    assert (SCRIPTS / f"fmctl.{shell}").read_text(encoding="utf-8") == script(shell, build())


@pytest.mark.parametrize(
    "shell", [pytest.param(shell, marks=() if shell == "bash" else pytest.mark.real(shell)) for shell in SHELLS]
)
def test_the_scripts_parse(shell: str) -> None:
    subprocess.run([shell, "-n", str(SCRIPTS / f"fmctl.{shell}")], check=True)


def complete(tmp_path: Path, *words: str) -> list[str]:
    """What bash would offer after these words."""
    stub = tmp_path / "fmctl"
    stub.write_text(f'#!/bin/sh\nexec {sys.executable} -m fmctl "$@"\n')
    stub.chmod(0o755)
    setup = f"PATH={tmp_path}:$PATH; source {SCRIPTS}/fmctl.bash"
    line = f'{setup}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fmctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", line, "bash", *words], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("fmctl", "mo"), ["models"]),
        (("fmctl", "models", ""), ["list", "show", "import"]),
        (("fmctl", "models", "show", "llama-3.1-4"), ["llama-3.1-405b"]),
        (("fmctl", "estimate", "x", "--seq"), ["--seq-len", "--sequence-parallel"]),
        (("fmctl", "plan", "x", "-o", "js"), ["json", "jsonl"]),
        (("fmctl", "plan", "x", "--purchase", "spot,on"), ["spot,on-demand"]),
        (("fmctl", "plan", "x", "--instances", "p4d.24xlarge,p4de"), ["p4d.24xlarge,p4de.24xlarge"]),
        (("fmctl", "config", "get", "reg"), ["region"]),
        (("fmctl", "completion", "f"), ["fish"]),
        (("fmctl", "plan", "x", "--tp", ""), []),
    ],
)
def test_bash_offers(tmp_path: Path, words: tuple[str, ...], offered: list[str]) -> None:
    assert complete(tmp_path, *words) == offered


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_answers_quietly(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["__complete", kind]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out or kind in ("plans", "runs")
    assert main(["__complete", kind, "zzz"]) == 0
    assert capsys.readouterr().out == ""


def test_unknown_kinds_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["__complete"]) == main(["__complete", "nothing"]) == 0
    assert capsys.readouterr().out == ""


def test_the_static_values_are_those_of_the_core(cli: Any) -> None:
    from fmctl.base.settings import SETTINGS
    from fmctl.domain.purchase import PURCHASES as OPTIONS
    from fmctl.frameworks.registry import FRAMEWORKS as PROFILES

    for name, codes in CODES.items():
        assert CHOICES[name] == codes.labels()
    assert set(FRAMEWORKS) == set(PROFILES)
    assert tuple(OPTIONS) == PURCHASES
    assert CHOICES["output"] == tuple(OUTPUTS) == tuple(SETTINGS["output"].choices)
    assert SETTINGS["objective"].choices == OBJECTIVES


def test_the_fields_are_those_of_a_row(cli: Any) -> None:
    """Those of a row, then those of its whole run, which is there where a number of tokens was given."""
    row = cli.ok("plan", "llama-3.1-70b", "--top", "1", "-o", "csv").out.splitlines()[0].split(",")
    assert tuple(row) == FIELDS[: len(row)]
    run = [name for name in WholeRun.model_fields if name not in NESTED]
    assert FIELDS[len(row) :] == tuple(run)
