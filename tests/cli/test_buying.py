"""`prices refresh` and `capacity`: what is asked, what is kept, and with which code they leave."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fmctl.__main__ import main
from fmctl.adapters.aws.capacity import Answer
from fmctl.adapters.aws.pricing import head_instances
from fmctl.base.errors import PermissionDenied
from fmctl.buying import rates
from fmctl.catalog import price_files
from fmctl.usecases.services import Services
from tests.cli.conftest import NOW, FakeMarket

HEAD = head_instances()[-1]
NOTHING: Answer[Any] = Answer(())
REFUSED: Answer[Any] = Answer((), "AWS refuses it: UnauthorizedOperation", "ask for the right", True)


@pytest.fixture(autouse=True)
def forgotten() -> Any:
    """No snapshot of another test is remembered."""
    for forget in (price_files.forget, rates.forget):
        forget()
    yield
    for forget in (price_files.forget, rates.forget):
        forget()


# --- prices refresh ---------------------------------------------------------------------------------------------------


def test_what_is_asked_by_default(cli: Any) -> None:
    cli.ok("prices", "refresh")
    ((profile, types, regions),) = cli.services.market.asked
    assert (profile, regions) == (None, ["us-east-1"])
    assert types == ["p5.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge", "p4d.24xlarge", *head_instances()]


def test_what_is_named_is_asked(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMCTL_REGION", "us-west-2")
    cli.ok("prices", "refresh", "--instances", f"p5.48xlarge, p5.48xlarge,{HEAD}", "--profile", "work")
    cli.ok("prices", "refresh", "--region", "eu-north-1,eu-west-3")
    (first, second) = cli.services.market.asked
    assert first == ("work", ["p5.48xlarge", HEAD], ["us-west-2"])
    assert second[2] == ["eu-north-1", "eu-west-3"]


def test_what_was_found_and_where_it_lies(cli: Any, tmp_path: Path) -> None:
    ran = cli.ok("prices", "refresh", "--instances", "p5.48xlarge", "--regions", "us-east-1,eu-west-3")
    path = tmp_path / "data" / "prices" / NOW.date().isoformat() / "instances.csv"
    assert ran.out.startswith("2 prices of 2026-11-22\n")
    assert ["on-demand", "2", "1"] in [line.split() for line in ran.out.splitlines()]
    assert str(path) in ran.out
    assert "prices of S3 in us-east-1  AWS refuses it; ask" in ran.out
    assert ran.err == "fmctl: warning: 1 question not answered\n"
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3


def real(market: FakeMarket, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """A command on the real catalogue and search, on the fake's market and day."""
    assert main([*words, "--json"], services=Services(market=market, now=lambda: NOW)) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)["result"]


def test_prices_and_plans_use_it_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One long-lived process: what was looked up before the refresh is looked up again."""
    monkeypatch.setenv("FMCTL_DATA", str(tmp_path))
    market, head = FakeMarket(), HEAD
    wanted = ("plan", "llama-3.1-8b", "--instances", "p5", "--nodes", "1", "--purchase", "on-demand")
    before = real(market, capsys, *wanted)["rows"][0]["cost"]
    assert before["usd_per_h"] == 55.04
    stale = rates.cached_rate("node", head, "us-east-1", NOW.date())
    assert stale.usd != 57.5
    real(market, capsys, "prices", "refresh", "--instances", f"p5,{head}")
    listed = real(market, capsys, "prices", "list", "--instance", "p5")["prices"]
    assert ("us-east-1", "on-demand", 57.5) in [(row["region"], row["option"], row["usd_per_h"]) for row in listed]
    after = real(market, capsys, *wanted)["rows"][0]["cost"]
    assert (after["usd_per_h"], after["price_date"]) == (57.5, "2026-11-22")
    assert rates.cached_rate("node", head, "us-east-1", NOW.date()).usd == 57.5


def test_of_an_ultraserver_there_is_no_list_price(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FMCTL_DATA", str(tmp_path))
    found = real(FakeMarket(), capsys, "prices", "refresh", "--instances", "u-p6e-gb200x72,p5")
    assert {"what": "list prices of u-p6e-gb200x72", "next": "fmctl capacity u-p6e-gb200x72"}.items() <= {
        key: value for key, value in found["not_asked"][-1].items() if key != "why"
    }.items()
    market = FakeMarket()
    real(market, capsys, "prices", "refresh")
    assert not [name for name in market.asked[0][1] if name.startswith("u-")]


def test_without_credentials_it_is_one_error(cli: Any, tmp_path: Path) -> None:
    cli.services.market.refused = PermissionDenied("there are no AWS credentials", next="aws sso login")
    for words in (("prices", "refresh"), ("capacity", "p5.48xlarge")):
        ran = cli(*words)
        assert (ran.code, ran.out) == (4, "")
        assert ran.err == "fmctl: error: there are no AWS credentials\n  next: aws sso login\n"
    assert not (tmp_path / "data" / "prices").exists()


@pytest.mark.parametrize(("denied", "code"), [(True, 4), (False, 1)])
def test_a_refresh_that_learnt_nothing_fails(cli: Any, tmp_path: Path, denied: bool, code: int) -> None:
    market = cli.services.market
    market.found, market.missing = False, [replace(market.missing[0], denied=denied)]
    ran = cli("prices", "refresh")
    assert (ran.code, ran.out) == (code, "")
    assert "AWS gave no prices at all" in ran.err
    assert "prices of S3 in us-east-1: AWS refuses it" in ran.err
    assert not (tmp_path / "data" / "prices").exists()


def test_a_snapshot_that_cannot_be_written_is_one_error(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prices").write_text("a file where the folder should be")
    ran = cli("prices", "refresh")
    assert ran.code == 1
    assert ran.err.count("fmctl: error: ") == 1
    assert "prices" in ran.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("prices", "refresh", "--regions", "us-east-1a"), "is a zone, not a region"),
        (("capacity", "p5.48xlarge", "--regions", "us-east-1-dfw-2a"), "--regions us-east-1"),
        (("prices", "refresh", "--instances", "p5.48xlarg"), "did you mean p5.48xlarge"),
        (("capacity", "p5.48xlarge", "--days", "15"), "--days 21"),
        (("capacity", "p5.48xlarge", "--days", "183"), "--days 182"),
        (("capacity", "p5.48xlarge", "--start", "2026-11-21"), "is over"),
        (("capacity", "p5.48xlarge", "--start", "9w"), "within 8 weeks"),
        (("capacity", "p5.48xlarge", "--start", "1e18d"), "within 8 weeks"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anybody_is_asked(cli: Any, words: tuple[str, ...], says: str) -> None:
    ran = cli(*words)
    assert ran.code == 2
    assert says in ran.err
    assert cli.services.market.asked == []


# --- capacity ---------------------------------------------------------------------------------------------------------


def answers(cli: Any, **more: Answer[Any]) -> None:
    cli.services.market.region.answers |= more


def test_what_there_is(cli: Any) -> None:
    ran = cli.ok("capacity", "p5.48xlarge", "--count", "4", "--days", "2", "--start", "7d")
    assert ran.out.startswith("4 x p5.48xlarge for 2 days in us-east-1, asked 2026-11-22 12:00 UTC\n")
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert "us-east-1 reservation no none has 4 free; cr-1 has 3" in lines
    # 8064 / (4 x 48 h) = 42.
    assert "cb-24 us-east-1a 4 2026-11-24 11:30 2026-11-26 11:30 2026-11-26 11:00 $8,064.00 $42.00" in lines
    assert "us-east-1: use1-az6 3" in lines
    assert "us-east-1: use1-az1, use1-az6" in lines
    asked = cli.services.market.region.asked
    assert asked["blocks"] == ("p5.48xlarge", 4, 2, NOW.replace(day=29))
    assert cli.services.market.asked == [(None, ["us-east-1"])]


def test_a_date_is_a_start_and_today_is_now(cli: Any) -> None:
    for text, moment in (("2026-12-01", NOW.replace(month=12, day=1, hour=0)), ("2026-11-22", NOW)):
        cli.ok("capacity", "p5.48xlarge", "--start", text)
        assert cli.services.market.region.asked["blocks"][3] == moment


def test_nothing_to_be_had_is_5_with_the_answer(cli: Any) -> None:
    answers(cli, blocks=NOTHING, reservations=NOTHING, quota=Answer((191.0,)))
    ran = cli("capacity", "p5.48xlarge", "--json")
    assert ran.code == 5
    result = ran.json()["result"]
    assert result["available"] == "no"
    assert {way["way"]: way["state"] for way in result["ways"]} == {
        "reservation": "no", "capacity-block": "no", "on-demand": "no", "spot": "no",
    }  # fmt: skip
    assert "--desired-value 384" in next(one for one in result["quotas"] if one["purchase"] == "on-demand")["next"]


@pytest.mark.parametrize(("answer", "code"), [(REFUSED, 4), (replace(REFUSED, denied=False), 1)])
def test_what_nobody_could_ask_is_no_no(cli: Any, answer: Answer[Any], code: int) -> None:
    answers(cli, blocks=answer, reservations=NOTHING, quota=Answer((191.0,)))
    ran = cli("capacity", "p5.48xlarge")
    assert ran.code == code
    assert "blocks, us-east-1  AWS refuses it: UnauthorizedOperation; ask for the right" in ran.out
    assert "question not answered" in ran.err


def test_an_unknown_fee_is_no_zero(cli: Any) -> None:
    ran = cli.ok("capacity", "p5.48xlarge", "--json")
    assert [(one["fee_usd"], one["usd_per_h"], one["currency"]) for one in ran.json()["result"]["blocks"]] == [
        (8064.0, 42.0, "USD"), (None, None, "EUR"),
    ]  # fmt: skip
    assert "unknown: EUR" in cli.ok("capacity", "p5.48xlarge").out


def test_rows_say_what_they_are(cli: Any) -> None:
    rows = [json.loads(line) for line in cli.ok("capacity", "p5.48xlarge", "-o", "jsonl").out.splitlines()]
    assert {row["row"] for row in rows} == {"block", "reservation", "quota", "way"}
    assert cli.ok("capacity", "p5.48xlarge", "-o", "csv").out.startswith("row,region,id,")


def test_several_regions_are_each_asked(cli: Any) -> None:
    result = cli.ok("capacity", "p5.48xlarge", "--regions", "us-east-1,us-west-2", "--json").json()["result"]
    assert [one["region"] for one in result["zones"]] == ["us-east-1"] * 2 + ["us-west-2"] * 2
    assert cli.services.market.asked == [(None, ["us-east-1", "us-west-2"])]


def test_no_answer_goes_unsaid() -> None:
    """Every answer of a region has a section of its own name in the document."""
    from fmctl.documents.capacity import Capacity
    from fmctl.operate.availability import Region

    sections = {field.name for field in dataclasses.fields(Region)} - {"name"}
    assert {{"spot": "spot_scores"}.get(name, name) for name in sections} <= set(Capacity.model_fields)
