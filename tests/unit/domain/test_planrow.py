"""Row N of a plan is asked for in one way, and refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmctl.base.errors import UnreadableFile, UsageError
from fmctl.domain.planrow import row_named, rows_of

PLAN: dict[str, Any] = {"schema": "fmctl.plan/1", "result": {"rows": [{"nodes": 1}, {"nodes": 2}]}}
ESTIMATE: dict[str, Any] = {"schema": "fmctl.estimate/1", "result": {"nodes": 4}}


@pytest.mark.parametrize(("text", "nodes"), [(None, 1), ("1", 1), ("2", 2)])
def test_rows_are_counted_from_one_and_the_first_is_meant_where_none_is_named(text: str | None, nodes: int) -> None:
    assert row_named(PLAN, text)["nodes"] == nodes


def test_an_estimate_has_one_row() -> None:
    assert row_named(ESTIMATE, None)["nodes"] == 4
    with pytest.raises(UsageError, match="there is no row 2"):
        row_named(ESTIMATE, "2")


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", ""])
def test_what_is_no_row_is_refused_by_the_name_of_the_option(text: str) -> None:
    with pytest.raises(UsageError, match="--row"):
        row_named(PLAN, text)


def test_a_row_that_is_not_there_names_the_last_one() -> None:
    with pytest.raises(UsageError) as error:
        row_named(PLAN, "3")
    assert (error.value.what, error.value.why, error.value.next) == ("there is no row 3", "the plan has 2", "--row 2")
    with pytest.raises(UsageError) as error:
        row_named(PLAN, "3", "llama-b")
    assert error.value.why == "llama-b has 2"


@pytest.mark.parametrize("document", [{**PLAN, "result": {"rows": []}}, {**ESTIMATE, "result": None}])
def test_without_rows_nothing_can_be_chosen(document: dict[str, Any]) -> None:
    with pytest.raises(UnreadableFile, match="no rows"):
        rows_of(document)


def test_no_command_calls_it_otherwise() -> None:
    package = Path(__file__).parents[3] / "fmctl"
    spelled = [p.name for p in package.rglob("*.py") if '"--rank"' in p.read_text(encoding="utf-8")]
    assert spelled == ["usage.py"], "which says what it is called now"
