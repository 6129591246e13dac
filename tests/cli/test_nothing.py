"""When nothing is found: what stood in the way, by how much, and a next command that finds something."""

from __future__ import annotations

import shlex

import pytest

from fmctl.__main__ import main

P5 = ("--instances", "p5.48xlarge")
LLAMA = ("plan", "llama-3.1-70b", *P5)


@pytest.mark.parametrize(
    ("words", "what", "why"),
    [
        (
            ("plan", "llama-3.1-405b", "--instances", "p4d.24xlarge", "--nodes", "1"),
            "no layout of llama-3.1-405b fits 1 x p4d.24xlarge",
            "is short of",
        ),
        (
            (*LLAMA, "--nodes", "4,8", "--tokens", "15T", "--deadline", "60d"),
            "no layout of llama-3.1-70b meets the deadline on 4 to 8 x p5.48xlarge",
            "past the deadline of 60 d",
        ),
        (
            (*LLAMA, "--nodes", "8", "--tokens", "1.5T", "--budget", "500k"),
            "no layout of llama-3.1-70b meets the budget on 8 x p5.48xlarge",
            "over the budget of $500k",
        ),
        (
            (*LLAMA, "--nodes", "8", "--tokens", "1T", "--budget", "500k", "--deadline", "36h"),
            "meets the deadline and the budget on 8",
            ") and costs $",
        ),
        ((*LLAMA, "--nodes", "8", "--tp", "7"), "no layout of llama-3.1-70b is possible on 8 x p5", "no mesh"),
        (
            ("estimate", "llama-3.1-70b", "--seq-len", "4096", "--nodes", "1", "--precision", "fp8"),
            "no layout of llama-3.1-70b fits 1 x p5.48xlarge",
            "To make room: shard optimizer states",
        ),
        (
            ("explain", "llama-3.1-70b", "--nodes", "2", "--tp", "1", "--pp", "1", "--sharding", "none"),
            "fits 2",
            "short",
        ),
    ],
    ids=lambda words: " ".join(words[2:]) if isinstance(words, tuple) else "",
)
def test_the_next_command_finds_something(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], what: str, why: str
) -> None:
    assert main([*words, "-q"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert what in lines[0]
    assert why in lines[1]
    assert ("deadline" in lines[0]) == ("--deadline" in words)
    command = lines[2].removeprefix("  next: fmctl ")
    assert main([*shlex.split(command), "-q"]) == 0, command
    assert words[1] in capsys.readouterr().out


def test_missed_targets_come_first_among_the_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    main([*LLAMA, "--nodes", "8", "--tokens", "15T", "--deadline", "60d"])
    assert "why: finishes after the deadline (" in capsys.readouterr().err


def test_what_was_stated_about_the_run_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    run = ("--tokens", "1.25T", "--seq-len", "4096", "--global-batch", "2048", "--framework", "torchtitan")
    main([*LLAMA, "--nodes", "1", *run, "--tp", "1"])
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"--nodes 4 {' '.join(run)}")
