"""Measured against predicted: each figure of a plan's row with its interval, and whether the run lies inside.

Intervals are the plan's own 80 % intervals where it states them. Where it does not:

- memory: a quarter down and a tenth up. assumed: predictions of published peaks err by 5-10 % at the median, and a
  logger that counts less (allocated for reserved, one rank for the worst) reads lower.
- save stall: from half to twice. assumed: shared file systems, and files that differ in size.
- goodput: the plan's interval and the chance of one run.
- cost: in proportion to the wall time, from its P10 to the plan's P90.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, sqrt
from typing import TYPE_CHECKING, Literal, TypeAlias

from fmctl.domain.logged import Job
from fmctl.frameworks.registry import log_of
from fmctl.perf.run.energy import power_ends
from fmctl.progress.state import Progress

if TYPE_CHECKING:
    from fmctl.domain.rows.progress import Figure
    from fmctl.domain.rows.results import EstimateRow, WholeRunRow

MEMORY_ENDS = (0.75, 1.10)
STALL_ENDS = (0.5, 2.0)
_Z90 = 1.2815515655446004  # of the normal distribution
_MANY = 500.0
Row: TypeAlias = "EstimateRow"
Span = tuple[float | None, float | None, float | None]
NOTHING: Span = (None, None, None)


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of a plan beside what was measured of it."""

    name: str
    unit: str
    predicted: float | None
    low: float | None
    high: float | None
    measured: float | None
    # inside, below or above the interval, or unknown, and then `why`
    verdict: Literal["inside", "below", "above", "unknown"]
    why: str = ""

    def as_dict(self) -> Figure:
        """For documents."""
        return {
            "name": self.name, "unit": self.unit, "predicted": self.predicted, "low": self.low, "high": self.high,
            "measured": self.measured, "verdict": self.verdict, "why": self.why or None,
        }  # fmt: skip


def memory_of(row: Row) -> Mapping[str, float | None]:
    """The terms of memory by name: which of them a log states is the framework's to say."""
    found: Mapping[str, object] = row["memory"]
    return {name: value for name, value in found.items() if isinstance(value, float | int)}


def job_of(row: Row) -> Job:
    """What a plan's row says of the job whose logs are read. Peak of all GPUs: model FLOP / (MFU x step)."""
    work, flop = row["workload"], row["flop"]
    per_step, tokens = work["tokens_per_step"], work.get("tokens")
    full_s = flop["mfu"] * row["time"]["step_s"]
    return Job(
        gpus=row["gpus"],
        seq_len=work["seq_len"],
        tokens_per_step=per_step,
        total_steps=-(-int(tokens) // int(per_step)) if tokens else None,
        model_flop=flop["model_flop"],
        peak_flop_per_s=flop["model_flop"] / full_s if full_s else None,
    )


def compare(
    row: Row,
    progress: Progress,
    power_w: float | None = None,
    spent_usd: float | None = None,
    architecture: str = "",
    usd_per_h: float | None = None,
) -> tuple[Compared, ...]:
    """Every figure of a row that a run can be held against.

    power_w: mean of all nodes together. spent_usd: on the whole cluster until the last record; usd_per_h: what it costs
    on. Where they are not on record, the nodes' price x time stands for both. architecture: GPU generation, for the
    interval of power.
    """
    step, p = _step(row), progress
    memory = memory_of(row).get(f"{log_of(row['framework']).memory}_bytes")
    low_w, high_w = power_ends(architecture)
    run = row.get("whole_run")
    wall: Span = NOTHING if run is None else (run["wall_p50_s"], run["wall_p10_s"], run["wall_p90_s"])
    stall_s = None if run is None else run["save_stall_s"]
    unplanned = "" if run else "the plan is of no whole run"
    unpaced = "the length of the run or its pace is not known"
    memory_why = "the log states no memory"
    return (
        _compared("step_s", "s", step, p.step_s, "the log states no step times"),
        _compared("tokens_per_s", "tokens/s", _inverse(row["run"]["tokens_per_s"], step), p.tokens_per_s, "no rate"),
        _compared("mfu", "", _inverse(row["flop"]["mfu"], step), p.mfu, "the log states no step times"),
        _compared("memory_bytes", "B", _scaled(memory, MEMORY_ENDS), p.memory_bytes, memory_why),
        _compared("power_w", "W", _scaled(row["energy"]["power_w"], (low_w, high_w)), power_w, "power was not metered"),
        _compared("save_stall_s", "s", _scaled(stall_s, STALL_ENDS), p.stall_s, unplanned or "no save as yet"),
        _compared("goodput", "", _goodput(run), p.goodput, unplanned or "the log has no clock, or too few steps"),
        _compared("wall_s", "s", wall, p.wall_s, unplanned or unpaced),
        _compared(
            "total_usd", "USD", _cost(run, wall), _forecast_usd(row, p, spent_usd, usd_per_h), unplanned or unpaced
        ),
    )


def outside(compared: tuple[Compared, ...]) -> tuple[Compared, ...]:
    """Those that lie outside their interval."""
    return tuple(one for one in compared if one.verdict in ("below", "above"))


def _compared(name: str, unit: str, span: Span, measured: float | None, why: str) -> Compared:
    predicted, low, high = span
    if measured is None or predicted is None or low is None or high is None:
        said = why if measured is None or predicted is None else "the plan states no interval"
        return Compared(name, unit, predicted, low, high, measured, "unknown", said)
    verdict: Literal["below", "above", "inside"] = (
        "below" if measured < low else "above" if measured > high else "inside"
    )
    return Compared(name, unit, predicted, low, high, measured, verdict)


def _step(row: Row) -> Span:
    time = row["time"]
    return time["step_s"], time.get("step_low_s"), time.get("step_high_s")


def _inverse(value: float | None, step: Span) -> Span:
    """The interval of what falls as the step grows: value x step / end of the step's interval."""
    step_s, low_s, high_s = step
    if value is None or not step_s or not low_s or not high_s:
        return NOTHING
    return value, value * step_s / high_s, value * step_s / low_s


def _scaled(value: float | None, ends: tuple[float, float]) -> Span:
    return NOTHING if value is None else (value, value * ends[0], value * ends[1])


def _goodput(run: WholeRunRow | None) -> Span:
    """The plan's interval, which is of rates, with the chance of one run put on it.

    A run of a few expected interruptions has none or twice as many: the tenth and ninetieth percentile of a Poisson
    number, each worth recovery and lost work over the wall time.
    """
    if run is None:
        return NOTHING
    middle, low, high = run["goodput"], run["goodput_low"], run["goodput_high"]
    mean, wall_s = run["interruptions"], run["wall_p50_s"]
    if not wall_s:
        return middle, low, high
    each = (run.get("recovery_s", 0.0) + run.get("lost_work_s", 0.0)) / wall_s
    fewest, most = (poisson_quantile(mean, share) for share in (0.1, 0.9))
    return (
        middle,
        max(min(low, middle - (most - mean) * each), 0.0),
        min(max(high, middle + (mean - fewest) * each), 1.0),
    )


def poisson_quantile(mean: float, share: float) -> float:
    """The least number of events whose cumulated Poisson probability reaches a share; of many events the normal one.

    Above 500 events: mean + z sqrt(mean), z = 1.2816 for 10 and 90 %. Valid there: share of 0.1 or 0.9.
    """
    if mean > _MANY:
        return max(mean + (_Z90 if share > 0.5 else -_Z90) * sqrt(mean), 0.0)
    chance = total = exp(-mean)
    number = 0
    while total < share:
        number += 1
        chance *= mean / number
        total += chance
    return float(number)


def _cost(run: WholeRunRow | None, wall: Span) -> Span:
    if run is None:
        return NOTHING
    total, high, (middle_s, low_s, _) = run["total_usd"], run["total_p90_usd"], wall
    if total is None or not middle_s or low_s is None:
        return NOTHING
    return total, total * low_s / middle_s, high


def _forecast_usd(row: Row, p: Progress, spent_usd: float | None, usd_per_h: float | None) -> float | None:
    """Spent so far + price x wall time that is left; of the whole wall time, where nobody counts what was spent."""
    price = row["cost"].get("usd_per_h") if usd_per_h is None else usd_per_h
    if price is None or p.wall_s is None or p.finish_s is None or p.last_at is None:
        return None
    if spent_usd is None:
        return float(price * p.wall_s / 3600.0)
    return float(spent_usd + price * (p.finish_s - p.last_at) / 3600.0)
