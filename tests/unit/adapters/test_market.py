"""AWS's market as the commands reach it: credentials first, no local AWS's prices, and moto's answers end to end."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import moto
import pytest

from fmctl.__main__ import main
from fmctl.adapters.aws import market
from fmctl.base.errors import PermissionDenied, UsageError
from fmctl.catalog import find_price, price_files
from fmctl.usecases.services import Services

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def silent(done: int, total: int) -> None:
    """Nobody looks."""


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FMCTL_DATA", str(tmp_path))
    price_files.forget()
    yield tmp_path
    price_files.forget()


def test_bad_credentials_are_one_error_before_any_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for ask in (
        lambda: market.prices(None, ["p5.48xlarge"], ["us-east-1"], NOW, silent),
        lambda: market.capacity(None, ["us-east-1"]),
        lambda: market.capacity("nobody", ["us-east-1"]),
    ):
        with pytest.raises(PermissionDenied):
            ask()


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:5005", "http://localhost:4566", "http://[::1]:5005"])
def test_a_local_aws_is_not_asked_for_prices(keys: None, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(UsageError) as error:
        market.prices(None, ["p5.48xlarge"], ["us-east-1"], NOW, silent)
    assert endpoint in error.value.what


def test_what_moto_knows_is_kept(keys: None, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Spot prices of a region, through the command; moto has no Price List, which is said."""
    words = ["prices", "refresh", "--instances", "p5", "--regions", "us-east-1", "--json"]
    with moto.mock_aws():
        assert main(words, services=Services(market=market, now=lambda: NOW)) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    found = {row["what"]: (row["rows"], row["without_price"]) for row in result["found"]}
    assert found == {"spot": (1, 0), "spot-min": (1, 0), "spot-max": (1, 0)}
    assert [one["what"] for one in result["not_asked"]] == [
        "list prices of p5.48xlarge", "prices of EBS in us-east-1", "prices of S3 in us-east-1",
        "prices of FSx for Lustre in us-east-1",
    ]  # fmt: skip
    assert result["files"] == [str(data / "prices" / "2026-11-23" / "instances.csv")]
    live = find_price("p5", "us-east-1", "spot", NOW.date())
    assert (live.date, live.source) == ("2026-11-23", "EC2 Spot price history 2026-11-23")
