"""Energy of a run at the meter of the data centre, its carbon dioxide and its water, with 80 % intervals.

What a grid does not publish is NaN, and so is what follows from it. Making the hardware is not in it.

Source: Greenhouse Gas Protocol scope 2 (location-based: average intensity; marginal apart); The Green Grid (PUE, WUE).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.grid import Grid
from fmctl.domain.result import FloatArray

JOULES_PER_KWH = 3.6e6
GRAMS_PER_TONNE = 1e6
# All data centres of AWS, 2024 (AWS sustainability pages); taken where a region publishes none. Best sites: 1.04-1.07.
FLEET_PUE = 1.15


@dataclass(slots=True, eq=False, repr=False)
class Range:
    """A value with the ends of its 80 % interval, each shape [n]."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(slots=True, eq=False, repr=False)
class Footprint:
    """What a run takes: it_kwh at the nodes, kwh at the meter, average_t and marginal_t of CO2e, water_l litres."""

    it_kwh: Range
    kwh: Range
    average_t: Range
    marginal_t: FloatArray
    water_l: FloatArray
    pue_assumed: bool  # the region publishes no PUE and the fleet's was taken


def known(value: float | None) -> float:
    """A published figure, NaN where there is none: it spreads to all that follows from it."""
    return float("nan") if value is None else value


def spread(value: FloatArray, *ends: tuple[FloatArray | float, FloatArray | float]) -> Range:
    """A product with the interval of its independent factors: v e^-r, v e^+r, r = sqrt(sum of ln(end)^2) on each side.

    ends: low and high end of each factor over its value, low at most 1, high at least 1. Source: errors of logarithms.
    """
    below: FloatArray = np.sqrt(sum((np.log(low) * np.log(low) for low, _ in ends), start=np.asarray(0.0)))
    above: FloatArray = np.sqrt(sum((np.log(high) * np.log(high) for _, high in ends), start=np.asarray(0.0)))
    return Range(np.asarray(value), np.asarray(value * np.exp(-below)), np.asarray(value * np.exp(above)))


def kwh(power_w: FloatArray, run_s: FloatArray) -> FloatArray:
    """Energy, kWh: power x time / 3.6e6."""
    return power_w * run_s / JOULES_PER_KWH


def tonnes(energy_kwh: FloatArray, g_per_kwh: FloatArray | float) -> FloatArray:
    """Emissions, t: energy x intensity / 10^6."""
    return energy_kwh * g_per_kwh / GRAMS_PER_TONNE


def footprint(power: Range, run: Range, grid: Grid) -> Footprint:
    """Energy, emissions and water of a run: kWh = P T, at the meter x PUE, CO2e = kWh x intensity, water = kWh x WUE.

    power: of all nodes over the run, W. run: wall time, s. Both shape [n]. Water counts the energy of the nodes (WUE).
    """
    ends = [(part.low / part.value, part.high / part.value) for part in (power, run)]
    pue = FLEET_PUE if grid.pue is None else grid.pue
    it_kwh = kwh(power.value, run.value)
    average = known(grid.average_g_per_kwh)
    grid_ends = (known(grid.average_low_g_per_kwh) / average, known(grid.average_high_g_per_kwh) / average)
    return Footprint(
        it_kwh=spread(it_kwh, *ends),
        kwh=spread(it_kwh * pue, *ends),
        average_t=spread(tonnes(it_kwh * pue, average), *ends, grid_ends),
        marginal_t=tonnes(it_kwh * pue, known(grid.marginal_g_per_kwh)),
        water_l=it_kwh * known(grid.wue_l_per_kwh),
        pue_assumed=grid.pue is None,
    )
