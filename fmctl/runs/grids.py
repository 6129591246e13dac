"""What a run's electricity is: the catalogue's grid of a region, with the user's own figures in its place."""

from __future__ import annotations

from dataclasses import replace

from fmctl.catalog import find_grid
from fmctl.domain.grid import Grid
from fmctl.domain.run import RunRequest


def grid_of(region: str, run: RunRequest | None) -> Grid:
    """The region's grid and data centres, with the user's own overhead and intensity where they are given."""
    grid = find_grid(region)
    if run is not None and run.pue is not None:
        grid = replace(grid, pue=run.pue)
    if run is not None and run.g_per_kwh is not None:
        own = run.g_per_kwh
        grid = replace(grid, average_g_per_kwh=own, average_low_g_per_kwh=own, average_high_g_per_kwh=own)
    return grid
