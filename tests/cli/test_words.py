"""What every command that changes something says of it: that it was done, or that nothing was, as text and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SITE = """\
region: us-east-1
compute_subnet: subnet-0123456789abcdef0
head_subnet: subnet-0123456789abcdef1
"""
CAPPED = ("--yes", "--max-hours", "2", "--skip-preflight")


@pytest.fixture
def ops(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A saved plan `a1`, and a site."""
    (tmp_path / "site.yaml").write_text(SITE)
    monkeypatch.setenv("FMCTL_SITE", str(tmp_path / "site.yaml"))
    cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "a1")
    return cli


def result(ops: Any, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = ops.ok(*words, "--json").json()["result"]
    return found


# Words, what stands in the text, and fields of the result; `before` is done first.
Case = tuple[tuple[tuple[str, ...], ...], tuple[str, ...], tuple[str, ...], dict[str, Any]]
LAUNCHED = (("launch", "a1", *CAPPED),)
CASES: dict[str, Case] = {
    "launch": ((), ("launch", "a1", *CAPPED), ("a1 runs", "8 x p5.48xlarge"), {"dry_run": False, "done": True}),
    "launch --dry-run": (
        (), ("launch", "a1", *CAPPED, "--dry-run"), ("a1: dry run, nothing is done", "create the cluster"),
        {"dry_run": True, "done": False},
    ),
    "launch of what runs": (LAUNCHED, ("launch", "a1", *CAPPED), ("a1 runs",), {"done": True, "created": False}),
    "extend": (
        LAUNCHED, ("extend", "a1", "1", "--yes"), ("a1 ends at", "now"), {"dry_run": False, "done": True},
    ),
    "extend --dry-run": (
        LAUNCHED, ("extend", "a1", "1", "--dry-run"), ("a1: dry run, nothing is done", "a1 would end at"),
        {"dry_run": True, "done": False},
    ),
    "submit": (
        LAUNCHED, ("submit", "a1"), ("job 1 of a1 submitted", "run     a1-"), {"dry_run": False, "submitted": True},
    ),
    "submit --dry-run": (
        LAUNCHED, ("submit", "a1", "--dry-run"), ("a1: dry run, nothing is submitted",),
        {"dry_run": True, "submitted": False, "run": None},
    ),
    "cancel": (LAUNCHED, ("cancel", "a1", "1", "--yes"), ("job 1 was asked to end",), {"cancelled": True}),
    "cancel --dry-run": (LAUNCHED, ("cancel", "a1", "1", "--dry-run"), ("job 1 was left alone",), {"cancelled": False}),
    "note": (
        (*LAUNCHED, ("submit", "a1")), ("note", "a1-1", "--text", "good"), ("a1-1: noted", "good"), {"run": "a1-1"},
    ),
    "teardown": ((*LAUNCHED,), ("teardown", "a1", "--yes"), ("a1 is gone",), {}),
    "teardown of nothing": (
        (*LAUNCHED, ("teardown", "a1", "--yes")), ("teardown", "a1", "--yes"), ("a1 was gone already",), {},
    ),
    "teardown --dry-run": (
        LAUNCHED, ("teardown", "a1", "--dry-run"), ("a1: dry run, nothing is done", "- stack a1"),
        {"dry_run": True, "done": False},
    ),
    "teardown --all --dry-run": (
        LAUNCHED, ("teardown", "--all", "--dry-run"),
        ("2 clusters: dry run, nothing is done", "stack a1", "stack live"), {"dry_run": True, "done": False},
    ),
    "teardown --all --dry-run of nothing": (
        (("teardown", "--all", "--yes"),), ("teardown", "--all", "--dry-run"),
        ("0 clusters: dry run, nothing is done",), {"actions": []},
    ),
    "prices refresh": ((), ("prices", "refresh"), ("prices of 2026-11-22", "Kept in"), {"day": "2026-11-22"}),
    "lab start": ((), ("lab", "start"), ("A local AWS", "endpoint"), {"running": True}),
    "lab stop": ((("lab", "start"),), ("lab", "stop"), ("The lab at", "is gone"), {"running": False}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_command_says_what_it_did(ops: Any, case: str) -> None:
    before, words, said, _ = CASES[case]
    for earlier in before:
        ops.ok(*earlier)
    out = ops.ok(*words).out
    for text in said:
        assert text in out
    if "--dry-run" not in words:
        assert "dry run" not in out and "nothing is done" not in out


@pytest.mark.parametrize("case", [name for name, (_, _, _, fields) in CASES.items() if fields])
def test_its_document_says_the_same(ops: Any, case: str) -> None:
    before, words, _, fields = CASES[case]
    for earlier in before:
        ops.ok(*earlier)
    found = result(ops, *words)
    assert {name: found[name] for name in fields} == fields


def test_a_teardown_says_of_each_cluster_whether_it_was_there(ops: Any) -> None:
    ops.ok(*LAUNCHED[0])
    (row,) = result(ops, "teardown", "a1", "--yes")["clusters"]
    assert (row["cluster"], row["done"], row["was"]) == ("a1", True, True)
    (row,) = result(ops, "teardown", "a1", "--yes")["clusters"]
    assert (row["done"], row["was"]) == (True, False)


def test_what_is_kept_on_disk_is_said_with_its_place(ops: Any, tmp_path: Path) -> None:
    assert "saved plan a2: llama-3.1-70b on 8 x p5.48xlarge" in ops.ok(
        "plan", "llama-3.1-70b", "--nodes", "8", "--save", "a2"
    ).err  # fmt: skip
    assert str(tmp_path) in ops.ok("config", "set", "region", "us-west-2").err
    assert "region is no longer set" in ops.ok("config", "unset", "region").err
    assert "region is not set" in ops.ok("config", "unset", "region").err
