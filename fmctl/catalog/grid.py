"""Power grid and data centres by AWS region, from `fmctl/hardware/grid.csv`: newest figures, or a stated unknown.

A row has the newest year of its region. `average_low_g_per_kwh` and `average_high_g_per_kwh` are the lowest and highest
averages that any year from 2021 on (consumption or production) or another source gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from fmctl.catalog.names import PACKAGE
from fmctl.catalog.store import read_csv
from fmctl.domain.grid import Grid

FILE = Path(PACKAGE) / "hardware" / "grid.csv"


@cache
def grids() -> Mapping[str, Grid]:
    """Every region with figures, by name."""
    return {row["region"]: _grid(row) for row in read_csv(FILE)}


def find_grid(region: str) -> Grid:
    """The figures of a region; all None, with a note, where nothing is published (new regions, Local Zones)."""
    known = grids().get(region)
    if known is not None:
        return known
    unknown = dict.fromkeys(("pue", "wue_l_per_kwh", "marginal_g_per_kwh", "market_g_per_kwh"))
    averages = dict.fromkeys(("average_g_per_kwh", "average_low_g_per_kwh", "average_high_g_per_kwh"))
    return Grid(region, "", "", "", **unknown, **averages, source="", note=f"no figures published for {region}")


def _grid(row: Mapping[str, str]) -> Grid:
    def number(name: str) -> float | None:
        return float(row[name]) if row[name] else None

    return Grid(
        region=row["region"],
        location=row["location"],
        zone=row["grid_zone"],
        year=row["year"],
        pue=number("pue"),
        wue_l_per_kwh=number("wue_l_per_kwh"),
        average_g_per_kwh=number("average_g_per_kwh"),
        average_low_g_per_kwh=number("average_low_g_per_kwh"),
        average_high_g_per_kwh=number("average_high_g_per_kwh"),
        marginal_g_per_kwh=number("marginal_g_per_kwh"),
        market_g_per_kwh=number("market_g_per_kwh"),
        source=row["source"],
        note=row["note"],
    )
