"""Another kind of file system is one entry of `sizing.OPTIONS` and the price of its item: a run is saved on it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tests.unit.house.added import answered

# Half as dear as the cheapest tier and as fast as the fastest.
ADDED = """
from fmctl.perf.store import sizing
from fmctl.perf.store.lustre import TIERS
made = sizing.Store("made-up/fast", "persistent-2", TIERS["persistent-2", 1000], 2.4, 1000, efa=False)
sizing.OPTIONS = (*sizing.OPTIONS, made)
"""
COLUMNS = "item,region,unit,usd,date,source,note"
PLAN = (
    "plan", "llama-3.1-70b", "--instances", "p5.48xlarge", "--nodes", "8", "--tokens", "1T", "--start", "2027-03-01",
    "--purchase", "on-demand",
)  # fmt: skip


def priced(folder: Path, usd: str) -> Path:
    """A user's folder with a price of the new kind."""
    prices = folder / "prices" / date(2026, 11, 1).isoformat()
    prices.mkdir(parents=True)
    (prices / "storage.csv").write_text(f"{COLUMNS}\nmade-up/fast,us-east-1,GB-month,{usd},2026-11-01,made up,\n")
    return folder


def test_a_run_is_saved_on_it_and_billed(tmp_path: Path) -> None:
    data = priced(tmp_path, "0.07")
    plain, more = (answered(added, *PLAN, data=data)["rows"][0]["whole_run"] for added in ("", ADDED))
    assert more["file_system"] == "made-up/fast" != plain["file_system"]
    lines = {line["item"]: line for line in more["lines"]}
    assert lines["made-up/fast"]["rate_usd"] == 0.07
    assert more["file_system_usd_per_month"] < plain["file_system_usd_per_month"]


def test_without_a_price_it_is_said_that_it_was_not_compared(tmp_path: Path) -> None:
    run = answered(ADDED, *PLAN, data=priced(tmp_path, ""))["rows"][0]["whole_run"]
    assert run["file_system"] != "made-up/fast"
    assert "made-up/fast" in run["not_compared"]
