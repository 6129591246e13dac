"""What a plan is ranked by, and whether two of its rows lie further apart than the model can resolve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `diff` needs none of what results import
    from fmctl.domain.result import Estimate


@dataclass(frozen=True, slots=True)
class Objective:
    """What is compared, None where it is not known (a price), and whether the least of it is best."""

    value: Callable[[Estimate], float | None]
    least: bool = True


def _usd(e: Estimate) -> float | None:
    return e.usd_per_billion_tokens if e.whole is None else e.whole.comparable_usd


def _wall_s(e: Estimate) -> float:
    return 1.0 / e.terms["tokens_per_s"] if e.whole is None else e.whole.wall_s[1]


def _energy(e: Estimate) -> float:
    return e.terms["wh_per_million_tokens"] if e.whole is None else e.whole.energy.kwh.value


# Of whole runs where there is one, else of tokens.
OBJECTIVES: Mapping[str, Objective] = {
    "cost": Objective(_usd),
    "time": Objective(_wall_s),
    "energy": Objective(_energy),
    "goodput": Objective(lambda e: None if e.whole is None else e.whole.goodput.value, least=False),
    "throughput": Objective(lambda e: e.terms["tokens_per_s_per_gpu"], least=False),
}


def sort_key(objective: str) -> Callable[[Estimate], tuple[float, ...]]:
    """What rows are sorted by: best first, the unknown last, then the faster, then the fewer nodes."""
    chosen = OBJECTIVES[objective]

    def key(e: Estimate) -> tuple[float, ...]:
        value = chosen.value(e)
        if value is None:
            return (float("inf"), -e.terms["tokens_per_s"], float(e.nodes))
        return (value if chosen.least else -value, -e.terms["tokens_per_s"], float(e.nodes))

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


def told_apart(rows: Sequence[Estimate], objective: str) -> tuple[bool | None, ...]:
    """For each row whether its objective differs from the first row's by more than the model resolves.

    None for the first row itself, and where a price that the objective needs is not known.
    """
    value = OBJECTIVES[objective].value
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
