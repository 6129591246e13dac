"""`explain`, `diff` and saved plans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def saved(cli: Any) -> Any:
    """Two saved plans, `a` on 8 nodes and `b` on 16."""
    for name, nodes in (("a", "8"), ("b", "16")):
        ran = cli.ok("plan", "llama-3.1-70b", "--nodes", nodes, "--tokens", "1T", "--save", name)
        assert f"saved plan {name}" in ran.err
    return cli


def test_explain_shows_every_part_with_value_share_equation_and_source(cli: Any) -> None:
    body = cli.ok("explain", "llama-3.1-70b", "--tokens", "1T", "--json").json()["result"]
    sections = {section["name"]: section for section in body["sections"]}
    assert list(sections) == ["time", "communication", "memory", "money", "flop", "checkpoint", "energy"]
    gemm = next(part for part in sections["time"]["parts"] if part["name"] == "gemm_s")
    assert gemm["parent"] == "step_s"
    assert gemm["unit"] == "s"
    assert gemm["share"] == pytest.approx(gemm["value"] / sections["time"]["total"]["value"])
    assert gemm["equation"]
    assert gemm["source"]
    assert {part["name"] for part in sections["money"]["parts"]} >= {"usd_per_h", "run_usd"}


def test_explain_of_a_saved_plan_is_explain_of_what_was_saved(saved: Any) -> None:
    direct = saved.ok("explain", "llama-3.1-70b", "--nodes", "8", "--tokens", "1T", "--json").json()["result"]
    assert saved.ok("explain", "a", "--json").json()["result"] == direct
    assert saved.ok("explain", "a", "--row", "2", "--json").json()["result"] != direct
    assert "█" in saved.ok("explain", "a").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a", "--row", "99"), "no row 99"),
        (("a", "--tp", "4"), "--tp is for models"),
        (("llama-3.1-70b", "--row", "2"), "--row is for saved plans"),
        (("aa",), "no model or saved plan called 'aa'"),
        (("gone.json",), "cannot read"),
    ],
)
def test_explain_refuses_what_it_cannot_answer(saved: Any, arguments: tuple[str, ...], words: str) -> None:
    ran = saved("explain", *arguments)
    assert ran.code == 2
    assert words in ran.err


def test_explain_that_does_not_fit_still_explains(cli: Any) -> None:
    ran = cli("explain", "llama-3.1-70b", "--instance", "p4d.24xlarge")
    assert ran.code == 3
    assert "Where the memory of a GPU goes" in ran.out


def test_diff_names_what_differs_with_both_differences(saved: Any) -> None:
    body = saved.ok("diff", "a", "b", "--json").json()["result"]
    fields = {field["field"]: field for field in body["fields"]}
    assert fields["nodes"] == {"field": "nodes", "a": 8, "b": 16, "absolute": 8, "relative": 1.0}
    assert "time.step_s" not in fields
    assert body["different"] == len(fields)
    everything = saved.ok("diff", "a", "b", "--all", "--json").json()["result"]
    assert len(everything["fields"]) == everything["compared"] > body["different"]


def test_diff_tells_scripts_when_asked(saved: Any) -> None:
    assert saved("diff", "a", "b", "--exit-code").code == 10
    assert saved("diff", "a", "a", "--exit-code").code == 0
    assert "0 of" in saved.ok("diff", "a", "a").out


def test_diff_reads_estimates_and_plans_from_files(saved: Any, tmp_path: Path) -> None:
    saved.ok("estimate", "llama-3.1-70b", "--json", "-O", "e.json")
    assert saved.ok("diff", "e.json", "a").out.startswith("e.json against a:")
    ran = saved("diff", "a", "c")
    assert ran.code == 2
    assert "no saved plan or file called 'c'" in ran.err


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "-x.", "x" * 65, "a..b", "a\nb", "ü"])
def test_plans_cannot_be_saved_under_path_tricks(cli: Any, name: str) -> None:
    ran = cli("plan", "llama-3.1-70b", f"--save={name}")
    assert ran.code == 2
    assert "cannot be the name of a plan" in ran.err
    assert cli.planner.requests == []


def test_plans_cannot_take_a_models_name(cli: Any) -> None:
    assert "a model has it" in cli("plan", "llama-3.1-70b", "--save", "llama-3.1-8b").err


def test_a_saved_plan_carries_a_digest_of_what_a_launch_relies_on(saved: Any, tmp_path: Path) -> None:
    from fmctl.domain.digest import intact
    from fmctl.operate import store

    document = store.load("a")
    assert document["saved"]["digest"].startswith("sha256:")
    assert document["saved"]["saved_at"] == "2026-11-22T12:00:00+00:00"
    assert intact(document)
    document["result"]["rows"][0]["layout"]["tp"] = 2
    assert not intact(document)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[: len(text) // 2], "not JSON"),
        (lambda text: "[]", "has no schema"),
        (lambda text: text.replace("fmctl.plan/1", "fmctl.plan/9"), "fmctl.plan/9"),
        (lambda text: text.replace('"tp"', '"tq"'), "layout: value error, tp missing"),
        (lambda text: text.replace('"gpus": 64', '"gpus": "many"'), "gpus"),
        (lambda text: "[" * 100_000, "not JSON"),
    ],
)
def test_a_damaged_plan_is_one_clear_error(saved: Any, tmp_path: Path, damage: Any, words: str) -> None:
    path = tmp_path / "data" / "plans" / "a.json"
    path.write_text(damage(path.read_text()))
    ran = saved("explain", "a")
    assert ran.code == 2
    assert ran.err.count("fmctl: error:") == 1
    assert words in ran.err


def test_what_a_later_version_added_does_not_disturb(saved: Any, tmp_path: Path) -> None:
    path = tmp_path / "data" / "plans" / "a.json"
    document = json.loads(path.read_text())
    document["result"]["rows"][0]["later"] = {"x": 1}
    path.write_text(json.dumps(document))
    saved.ok("explain", "a")


def test_a_plan_that_was_edited_shows_and_says_so(saved: Any, tmp_path: Path) -> None:
    path = tmp_path / "data" / "plans" / "a.json"
    path.write_text(path.read_text().replace('"dp": 2', '"dp": 3'))
    assert "was changed after it was saved" in saved.ok("explain", "a").err
    assert "was changed after it was saved" in saved.ok("diff", "a", "b").err
