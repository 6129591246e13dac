"""What cannot be told apart is marked: in the table, in the document, in a difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PLAN = ("plan", "llama-3.1-70b", "--nodes", "8,16", "--instances", "p5.48xlarge,p5en.48xlarge")
MARKED = "≈ cannot be told from row 1: under 18% apart; between types, under ±"


def test_rows_too_close_to_the_first_are_marked(cli: Any) -> None:
    # One price per type and equal tokens/s per node: 8 and 16 nodes cost the same; p5en is 15 % dearer, its ± 10 %.
    ran = cli.ok(*PLAN, "--objective", "cost")
    lines = [line.split() for line in ran.out.splitlines() if "x8 " in line or "x16 " in line]
    assert [line[0] for line in lines] == ["1*", "2", "3", "4"]
    assert [line[1] == "≈" for line in lines] == [False, True, False, False]
    assert MARKED in ran.out.splitlines()
    assert len(MARKED) <= 80


def test_the_document_says_it_by_row(cli: Any) -> None:
    rows = cli.ok(*PLAN, "--objective", "cost", "--json").json()["result"]["rows"]
    assert [row["told_apart"] for row in rows] == [None, False, True, True]
    assert {row["resolution"] for row in rows} == {0.163}
    table = cli.ok(*PLAN, "--objective", "cost", "--fields", "rank,told_apart", "-o", "csv").out.split()
    assert table[:3] == ["rank,told_apart", "1,", "2,false"]


def test_nothing_is_marked_where_all_are_told_apart(cli: Any) -> None:
    # Twice the nodes are twice as fast: more than any resolution.
    out = cli.ok(*PLAN[:4], "--instances", "p5.48xlarge", "--objective", "time").out
    assert "≈" not in out


def test_a_difference_says_so(cli: Any) -> None:
    for name, nodes in (("a", "8"), ("b", "16")):
        cli.ok("plan", "llama-3.1-70b", "--nodes", nodes, "--instances", "p5.48xlarge", "--save", name, "-q")
    assert cli.ok("diff", "a", "b", "--json").json()["result"]["told_apart"] is False
    assert "≈ the model cannot tell a from b: under 18% apart" in cli.ok("diff", "a", "b").out
    assert "≈" not in cli.ok("diff", "a", "a").out


def test_plans_ranked_by_different_things_are_not_compared(cli: Any) -> None:
    for name, objective in (("a", "time"), ("b", "cost")):
        cli.ok(*PLAN, "--objective", objective, "--save", name, "-q")
    assert cli.ok("diff", "a", "b", "--json").json()["result"]["told_apart"] is None


def test_a_plan_from_before_has_no_word_on_it(cli: Any, tmp_path: Path) -> None:
    document = cli.ok(*PLAN, "--json").json()
    for row in document["result"]["rows"]:
        del row["told_apart"], row["resolution"]
    for name in ("old.json", "new.json"):
        Path(name).write_text(json.dumps(document), encoding="utf-8")
    assert cli.ok("diff", "old.json", "new.json", "--json").json()["result"]["told_apart"] is None
