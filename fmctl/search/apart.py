"""What a plan is ranked by, and whether two of its rows lie further apart than the model can resolve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `diff` needs none of what results import
    from fmctl.domain.result import Estimate

# What each objective compares; None where a price is not known.
OBJECTIVES: Mapping[str, Callable[[Estimate], float | None]] = {
    "cost": lambda e: e.usd_per_billion_tokens,
    "time": lambda e: e.terms["tokens_per_s"],
    "throughput": lambda e: e.terms["tokens_per_s_per_gpu"],
}


def threshold(same_hardware: bool, resolutions: Sequence[float], half_widths: Sequence[float]) -> float:
    """Natural log of the ratio up to which two predictions cannot be told apart.

    Layouts on one instance type share most of their error: the resolution. Across instance types they need not: the
    80 % interval, the wider of the two where they differ.

    same_hardware: whether both run on one instance type; resolutions: natural logs, one per prediction; half_widths:
    of the intervals, relative.
    """
    return max(resolutions) if same_hardware else max(log(1.0 + half) for half in half_widths)


def differ(a: float, b: float, least: float) -> bool:
    """Whether two positive predictions differ by more than `least`, the natural log of their ratio."""
    return abs(log(a / b)) > least


def told_apart(rows: Sequence[Estimate], objective: str) -> tuple[bool | None, ...]:
    """For each row whether its objective differs from the first row's by more than the model resolves.

    None for the first row itself, and where a price that the objective needs is not known.
    """
    value = OBJECTIVES[objective]
    return tuple(None if i == 0 else _pair(rows[0], row, value) for i, row in enumerate(rows))


def _pair(best: Estimate, row: Estimate, value: Callable[[Estimate], float | None]) -> bool | None:
    ours, theirs = value(best), value(row)
    if ours is None or theirs is None:
        return None
    same = best.instance.name == row.instance.name
    least = threshold(same, [e.resolution for e in (best, row)], [_half_width(e) for e in (best, row)])
    return differ(ours, theirs, least)


def _half_width(e: Estimate) -> float:
    return e.terms["step_high_s"] / e.terms["step_s"] - 1.0
