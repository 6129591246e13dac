"""From the step to the day to the run: where the wall time goes, and what the bill is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmctl.domain.rows.results import ExplainSection, TermPart, Total, WholeRunRow

_DAY_S = 86_400.0
# Equation and source of each part of the wall time, by the name that a run gives it.
_PARTS: Mapping[str, tuple[str, str]] = {
    "kernels": ("steps x (step - exposed communication - bubble and waiting)", "perf.evaluate"),
    "exposed communication": ("steps x communication that nothing hides", "perf.evaluate"),
    "bubble, launches, stragglers": ("steps x (bubble + stragglers + fixed cost + launches)", "perf.evaluate"),
    "saves": ("training / interval x stall", "perf.targets, perf.goodput"),
    "failures": ("wall time at P50 - all other parts: lost work and recovery", "perf.finish"),
    "start": ("boot + requeue + imports + communicators + load", "perf.recovery"),
    "waiting for capacity": ("first block's start - start of the run", "buying.blocks"),
    "between and in blocks": ("ends and starts of Capacity Blocks", "buying.durations"),
}


def run_parts(run: WholeRunRow | None) -> list[ExplainSection]:
    """Sections `day`, `run` and `bill` of an explanation; none where there is no whole run."""
    if not run:
        return []
    whole = run["wall_p50_s"]
    return [
        {"name": "day", "total": _total("day_s", "a day", _DAY_S, "s"), "parts": _times(run, _DAY_S / whole)},
        {"name": "run", "total": _total("wall_p50_s", "wall time at P50", whole, "s"), "parts": _times(run, 1.0)},
        {"name": "bill", "total": _total("total_usd", "cost of the run", run["total_usd"], "usd"), "parts": _bill(run)},
    ]


def _total(name: str, title: str, value: float | None, unit: str) -> Total:
    return {"name": name, "title": title, "value": value, "unit": unit}


def _times(run: WholeRunRow, scale: float) -> list[TermPart]:
    whole = run["wall_p50_s"]
    return [
        {
            "name": _slug(part["name"]) + "_s",
            "title": part["name"],
            "value": part["s"] * scale,
            "unit": "s",
            "share": part["s"] / whole,
            "parent": "wall_p50_s",
            "equation": _PARTS[part["name"]][0],
            "source": _PARTS[part["name"]][1],
        }
        for part in run["parts"]
    ]


def _bill(run: WholeRunRow) -> list[TermPart]:
    total = run["total_usd"]
    lines = sorted(run["lines"], key=lambda line: -(line["usd"] or 0.0))
    return [
        {
            "name": _slug(line["name"]) + "_usd",
            "title": line["name"],
            "value": line["usd"],
            "unit": "usd",
            "share": line["usd"] / total if total and line["usd"] is not None else None,
            "parent": "total_usd",
            "equation": f"{line['quantity']:,.6g} {line['unit']} x {line['rate_usd']} USD of {line['item']}"
            if line["rate_usd"] is not None and line["quantity"] is not None
            else str(line["why"]),
            "source": f"{line['source'] or 'no price is on file'} {line['date'] or ''}".strip(),
        }
        for line in lines
    ]


def _slug(name: str) -> str:
    return name.replace(",", "").replace(" ", "_").lower()
