"""What a region's data centres and power grid are, as published: with None for what is not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Grid:
    """Overheads of a region's data centres and carbon intensity of its grid."""

    region: str
    location: str
    zone: str
    year: str
    pue: float | None  # facility energy over that of the computers
    wue_l_per_kwh: float | None  # water per kWh of the computers
    # CO2e of the grid's mean kWh (location-based), with the lowest and highest that other years and sources give
    average_g_per_kwh: float | None
    average_low_g_per_kwh: float | None
    average_high_g_per_kwh: float | None
    marginal_g_per_kwh: float | None  # of one kWh more; another question, never mixed with the average
    market_g_per_kwh: float | None  # after the provider's contracts (market-based), a matter of accounting
    source: str
    note: str = ""
