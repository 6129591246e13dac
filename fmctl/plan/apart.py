"""How rows are ordered, and whether two of them lie further apart than the model can resolve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `diff` needs none of what results import
    from fmctl.domain.result import Estimate
    from fmctl.plan.planner import Planner


def sort_key(planner: Planner, objective: str) -> Callable[[Estimate], tuple[float, ...]]:
    """What rows are sorted by: best first, the unknown last, then the faster, then the fewer nodes."""
    chosen = planner.objectives[objective]

    def key(e: Estimate) -> tuple[float, ...]:
        value = chosen.value(e)
        if value is None:
            return (float("inf"), -planner.speed(e), float(e.nodes))
        return (value if chosen.least else -value, -planner.speed(e), float(e.nodes))

    return key


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


def told_apart(planner: Planner, rows: Sequence[Estimate], objective: str) -> tuple[bool | None, ...]:
    """For each row whether its objective differs from the first row's by more than the model resolves.

    None for the first row itself, and where a price that the objective needs is not known.
    """
    value = planner.objectives[objective].value

    def pair(best: Estimate, row: Estimate) -> bool | None:
        ours, theirs = value(best), value(row)
        if ours is None or theirs is None:
            return None
        same = best.instance.name == row.instance.name
        halves = [planner.half_width(e) for e in (best, row)]
        return differ(ours, theirs, threshold(same, [e.resolution for e in (best, row)], halves))

    return tuple(None if i == 0 else pair(rows[0], row) for i, row in enumerate(rows))
