"""What a person agrees to is what it costs and gets now; without one, each doubt is agreed to by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import FakeCatalogue
from tests.cli.test_operations import CAPPED, SITE, made, type_in

NOW = "$440.32"  # of eight nodes, by the price list of the moment


@pytest.fixture
def ops(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "site.yaml").write_text(SITE)
    monkeypatch.setenv("FMCTL_SITE", str(tmp_path / "site.yaml"))
    cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "a1")
    return cli


def edited(tmp_path: Path, change: Any, *, sealed: bool = True) -> None:
    """The saved plan as somebody edited it; not `sealed`: one of an fmctl that did not seal what things cost."""
    path = tmp_path / "data" / "plans" / "a1.json"
    plan = json.loads(path.read_text())
    if not sealed:
        del plan["saved"]["seal"]
    change(plan["result"]["rows"][0])
    path.write_text(json.dumps(plan))


def price(usd: float | None) -> Any:
    return lambda row: row["cost"].update(usd_per_h=usd)


@pytest.mark.parametrize(
    "change",
    [price(0.01), lambda row: row["run"].update(run_s=1.0), lambda row: row["cost"].update(price_date="x")],
)  # fmt: skip
def test_a_plan_whose_prices_or_hours_were_edited_is_no_longer_what_was_saved(
    ops: Any, tmp_path: Path, change: Any
) -> None:
    edited(tmp_path, change)
    ran = ops("launch", "a1", *CAPPED)
    assert (ran.code, made(ops)) == (6, [])
    assert "was changed after it was saved" in ran.err


def test_the_question_has_the_price_of_the_moment_and_not_the_plan_s(
    ops: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited(tmp_path, price(0.01), sealed=False)
    type_in(monkeypatch, "a1\n")
    ran = ops.ok("launch", "a1", "--max-hours", "2")
    assert f"price: {NOW} an hour" in ran.err and "$0.01 an hour" not in ran.err
    assert "warning: price: $0.01/h of" in ran.err and "now $440.32/h" in ran.err
    assert "cap: $882" in ran.err
    row = next(row for row in ops.ok("history", "-o", "json").json()["result"]["clusters"] if row["cluster"] == "a1")
    assert row["usd_per_h"] == 440.32


def test_without_a_person_a_changed_price_is_agreed_to_by_name(ops: Any, tmp_path: Path) -> None:
    edited(tmp_path, price(0.01), sealed=False)
    ran = ops("launch", "a1", *CAPPED)
    assert (ran.code, made(ops)) == (2, [])
    assert "price: $0.01/h" in ran.err and "next: --accept price" in ran.err
    assert ops("launch", "a1", *CAPPED, "--accept", "quota").code == 2
    ran = ops.ok("launch", "a1", *CAPPED, "--accept", "price")
    assert NOW in ran.err and made(ops)


@pytest.mark.parametrize(("usd", "code"), [(-50.0, 1), (0.0, 1)])
def test_a_price_that_is_none_is_agreed_to_by_nobody(ops: Any, tmp_path: Path, usd: float, code: int) -> None:
    edited(tmp_path, price(usd), sealed=False)
    for words in ((), ("--skip-preflight",), ("--accept", "price")):
        ran = ops("launch", "a1", *CAPPED, *words)
        assert (ran.code != 0, made(ops)) == (True, [])
        assert "internal" not in ran.err


def test_a_price_that_rose_since_is_agreed_to_by_name(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = FakeCatalogue.find_price

    def dearer(self: Any, *given: Any) -> Any:
        found = real(self, *given)
        return replace(found, usd_per_h=found.usd_per_h and found.usd_per_h * 1.2)

    monkeypatch.setattr(FakeCatalogue, "find_price", dearer)
    ran = ops("launch", "a1", *CAPPED)
    assert (ran.code, made(ops)) == (2, []) and "+20.0%" in ran.err
    assert ops("launch", "a1", *CAPPED, "--skip-preflight").code == 2, "what it costs is looked at all the same"
    ran = ops.ok("launch", "a1", *CAPPED, "--accept", "price")
    assert "$528.38 an hour" in ran.err


def test_a_price_that_nobody_knows_is_agreed_to_by_name(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = FakeCatalogue.find_price
    monkeypatch.setattr(FakeCatalogue, "find_price", lambda self, *given: replace(real(self, *given), usd_per_h=None))
    assert "--accept price" in ops("launch", "a1", *CAPPED).err
    ran = ops.ok("launch", "a1", *CAPPED, "--accept", "price")
    assert "unknown: price: no price is known" in ran.err


def test_capacity_that_nobody_knows_is_agreed_to_by_name(ops: Any) -> None:
    survey = ops.services.operations.survey_answers
    survey.limit = None
    ran = ops("launch", "a1", *CAPPED)
    assert (ran.code, made(ops)) == (2, [])
    assert "next: --accept quota" in ran.err
    assert ops.ok("launch", "a1", *CAPPED, "--accept", "quota").code == 0


def test_a_person_sees_every_doubt_and_types_the_name(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ops.services.operations.survey_answers.limit = None
    type_in(monkeypatch, "no\n")
    ran = ops("launch", "a1", "--max-hours", "2")
    assert "unknown: quota: " in ran.err and made(ops) == []
    type_in(monkeypatch, "a1\n")
    assert made(ops) == []
    ops.ok("launch", "a1", "--max-hours", "2")
    assert made(ops)


@pytest.mark.parametrize("name", ["nonsense", "permissions", "account", "validators", ""])
def test_what_cannot_be_agreed_to_is_said(ops: Any, name: str) -> None:
    ran = ops("launch", "a1", *CAPPED, "--accept", name)
    assert (ran.code, made(ops)) == (2, [])
    assert "check to accept" in ran.err
