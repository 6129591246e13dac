"""Another way to buy is one entry of the table and rows of prices: plan, its bill and its errors follow."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fmctl.__main__ import main
from fmctl.buying.offers import offers
from fmctl.catalog.price_files import snapshot_file
from fmctl.domain.offer import Offer
from fmctl.domain.purchase import PURCHASES, Purchase
from fmctl.domain.quotas import quota_code

ROOT = Path(__file__).parents[3]
LEASE = Purchase("lease-2y", "on-demand", "term", sold_as="on-demand", term_h=17520.0, note="a made-up lease")
ROWS = "instance,region,option,usd_per_h,date,source,note\np5.48xlarge,us-east-1,lease-2y,20.5,2026-11-01,made up,\n"


@pytest.fixture
def lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Purchase:
    """A lease of two years, sold where hours are, at a rate of its own."""
    monkeypatch.setenv("FMCTL_DATA", str(tmp_path))
    monkeypatch.setitem(PURCHASES, LEASE.name, LEASE)
    path = snapshot_file(date(2026, 11, 1), "instances.csv")
    path.parent.mkdir(parents=True)
    path.write_text(ROWS)
    return LEASE


def planned(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    words = ("plan", "llama-3.1-8b", "--nodes", "2", "--tokens", "100B", "--start", "2027-03-01", *more, "-o", "json")
    with pytest.raises(SystemExit) as left:
        raise SystemExit(main(list(words)))
    out, err = capsys.readouterr()
    assert not left.value.code, err
    found: dict[str, Any] = json.loads(out)["result"]
    return found


def test_it_is_offered_at_its_rate(lease: Purchase) -> None:
    found = next(one for one in offers("p5.48xlarge", "us-east-1", date(2026, 12, 1)) if one.option == lease.name)
    assert isinstance(found, Offer)
    assert (found.usd_per_h, found.billed, found.term_h, found.note) == (20.5, "term", 17520.0, "a made-up lease")
    assert quota_code("p5.48xlarge", lease.name) == quota_code("p5.48xlarge", "on-demand")


def test_a_run_is_bought_so(lease: Purchase, capsys: pytest.CaptureFixture[str]) -> None:
    row = planned(capsys, "--instances", "p5.48xlarge", "--purchase", f"on-demand,{lease.name}")["rows"][0]
    ways = {one["option"]: one for one in row["whole_run"]["ways"]}
    assert set(ways) >= {"on-demand", lease.name}
    # Every hour of the term is paid for: 2 nodes x 17,520 h x $20.5.
    assert ways[lease.name]["usd"] > 2 * 17520 * 20.5 > ways["on-demand"]["usd"]
    only = planned(capsys, "--instances", "p5.48xlarge", "--purchase", lease.name)["rows"][0]
    assert only["cost"]["price_option"] == lease.name


def test_errors_name_it(lease: Purchase, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "llama-3.1-8b", "--purchase", "leese-2y"]) == 2
    assert lease.name in capsys.readouterr().err


def test_nothing_but_the_table_knows_the_options_by_their_words() -> None:
    """Adapters say AWS's words, documents publish theirs; a doc string may name what it explains."""
    said = re.compile(r"""["'](capacity-block|odcr|reserved-[13]y|savings-plan-1y)["']""")
    free = {"domain/purchase.py"}
    found = {
        str(path.relative_to(ROOT / "fmctl"))
        for path in (ROOT / "fmctl").rglob("*.py")
        if said.search(path.read_text()) and not {"adapters", "documents", "rows"} & set(path.parts)
    }
    assert found - free == {"targets/parallelcluster/capacity.py"}  # its words for the markets
