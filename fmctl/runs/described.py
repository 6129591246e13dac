"""One row as a whole run: its checkpoints, failures, energy, calendar and bill, as plain values."""

from __future__ import annotations

from datetime import timedelta
from math import isfinite, isnan

import numpy as np
from numpy.typing import ArrayLike

from fmctl.buying.blocks import Chain, Need, chain
from fmctl.domain.block import Block
from fmctl.domain.block_end import taken_down
from fmctl.domain.result import Estimate
from fmctl.domain.run import Checkpoints, Energy, Failures, Spread, Way, WholeRun
from fmctl.domain.terms import names
from fmctl.perf.run import carbon, goodput, recovery, reliability, spares
from fmctl.perf.store import sizing
from fmctl.runs.runs import Runs
from fmctl.runs.trained import HOUR_S


def described(runs: Runs, at: int, row: Estimate, ways: tuple[Way, ...]) -> WholeRun:
    """Row `at` of the runs. ways: all ways to buy it."""
    t = runs.trained
    asked = t.setting.request
    walls = tuple(float(x) for x in runs.wall_s[at])
    low, high = goodput.goodput_interval(t.saving.process, t.rate)
    lines = runs.bill.lines(at)
    return WholeRun(
        offer=runs.offer,
        start=asked.start,
        work_s=float(t.rows.work_s[at]),
        wall_s=(walls[0], walls[1], walls[2]),
        finish=tuple(asked.start + timedelta(seconds=wall) for wall in walls),  # type: ignore[arg-type]
        goodput=Spread(float(t.saving.goodput[at]), at_row(low, at), at_row(high, at)),
        checkpoints=_checkpoints(runs, at),
        failures=_failures(runs, at),
        energy=_energy(runs.footprint, at),
        total_usd=number(runs.bill.total_usd, at),
        comparable_usd=number(runs.comparable_usd, at),
        high_usd=number(runs.high_usd, at),
        known_usd=at_row(runs.bill.known_usd, at),
        idle_usd=at_row(runs.bill.known_idle_usd, at),
        lines=lines,
        parts_s=_parts(runs, at, row),
        blocks=_blocks(runs, at),
        ways=ways,
        reading=(t.reading.name(at), at_row(t.reading.share, at)),
        notes=tuple(filter(None, (runs.offer.note,))),
    )


def _checkpoints(runs: Runs, at: int) -> Checkpoints:
    t = runs.trained
    saved, p = t.saving, t.saving.process
    option = int(saved.choice.option[at])
    stall = at_row(p.stall_s, at)
    held = t.saving.disks
    disks = (
        f"local NVMe drained to S3 stalls {at_row(held.stall_s, at):.1f} s per save, drained in "
        f"{at_row(held.drain_s, at):.1f} s: {'better' if bool(saved.disks_win[at]) else 'not better'}"
        if bool(held.works[at])
        else "local NVMe does not hold two checkpoints, or does not drain in time"
    )
    return Checkpoints(
        total_bytes=at_row(t.job.total_bytes, at),
        interval_s=at_row(p.interval_s, at),
        stall_s=stall,
        drain_s=at_row(p.drain_s, at),
        load_s=at_row(saved.load_s, at),
        young_s=float(goodput.young_interval_s(np.asarray(stall), np.asarray(at_row(p.mtbf_s, at)))),
        file_system=saved.choice.config(at),
        item=sizing.OPTIONS[option].item if option >= 0 else "",
        usd_per_month=number(saved.choice.usd_per_month, at),
        disks=disks,
        note=saved.choice.word(),
    )


def _failures(runs: Runs, at: int) -> Failures:
    t = runs.trained
    hours = np.asarray(t.train_s[at, 1] / HOUR_S)
    rate = reliability.Rate(*(np.asarray(at_row(part, at)) for part in (
        t.rate.per_h, t.rate.low_per_h, t.rate.high_per_h, t.rate.shape)))  # fmt: skip
    p = t.saving.process
    if float(rate.per_h) == 0.0:
        return Failures(Spread(0.0, 0.0, 0.0), float("inf"), at_row(p.recovery_s, at), 0.0, t.setting.request.spares, 0)
    mean, low, high = reliability.interruptions(rate, hours)
    short = goodput.Process(*(np.asarray(at_row(x, at)) for x in (
        p.interval_s, p.stall_s, p.drain_s, p.mtbf_s, t.saving.short_s)))  # fmt: skip
    value = spares.value(short, np.asarray(recovery.REPLACEMENT_S), np.asarray(t.rows.nodes[at]), np.asarray(np.nan))
    return Failures(
        count=Spread(float(mean), float(low), float(high)),
        mtbf_s=at_row(p.mtbf_s, at),
        recovery_s=at_row(p.recovery_s, at),
        lost_work_s=float(goodput.lost_work_s(short)),
        spares=t.setting.request.spares,
        best_spares=int(value.best),
    )


def _energy(found: carbon.Footprint, at: int) -> Energy:
    def spread(part: carbon.Range) -> Spread | None:
        values = [at_row(end, at) for end in (part.value, part.low, part.high)]
        return None if any(isnan(value) for value in values) else Spread(*values)

    kwh = spread(found.kwh)
    assert kwh is not None
    return Energy(
        kwh, spread(found.average_t), number(found.marginal_t, at), number(found.water_l, at), found.pue_assumed
    )


def _parts(runs: Runs, at: int, row: Estimate) -> tuple[tuple[str, float], ...]:
    """Where the wall time goes at P50, s, by name; the parts add up to it."""
    t = runs.trained
    work, wall = float(t.rows.work_s[at]), float(runs.wall_s[at, 1])
    steps = float(t.rows.steps[at])
    exposed = steps * sum(row.terms.get(name, 0.0) for name in names("exchange", "reduce", "send"))
    waiting = steps * sum(row.terms.get(name, 0.0) for name in names("wait", "fixed", "host"))
    p = t.saving.process
    saves = work / at_row(p.interval_s, at) * at_row(p.stall_s, at)
    start = at_row(t.start_s, at)
    failures = max(float(t.train_s[at, 1]) - work - saves - start, 0.0)
    found = [
        ("kernels", work - exposed - waiting), ("exposed communication", exposed),
        ("bubble, launches, stragglers", waiting), ("saves", saves), ("failures", failures), ("start", start),
        ("waiting for capacity", runs.ready_s),
    ]  # fmt: skip
    rest = wall - sum(value for _, value in found)
    return tuple((name, value) for name, value in [*found, ("between and in blocks", rest)] if abs(value) >= 0.5)


def _blocks(runs: Runs, at: int) -> tuple[Block, ...]:
    """The calendar of the blocks that hold the run at P90; empty where none are bought."""
    t = runs.trained
    if runs.chains is None:
        return ()
    p = t.saving.process
    need = Need(
        instances=int(t.rows.nodes[at]), work_h=_work_h(runs, at), members=t.setting.instance.member_count,
        save_h=(at_row(p.stall_s, at) + at_row(p.drain_s, at)) / HOUR_S, restart_h=at_row(t.start_s, at) / HOUR_S,
        buy_later=True,
    )  # fmt: skip
    found = chain(need, t.setting.request.start)
    return found.blocks if isinstance(found, Chain) else ()


def _work_h(runs: Runs, at: int) -> float:
    """Hours that the blocks must hold beside start and save: the run at P90."""
    t = runs.trained
    assert runs.chains is not None
    p = t.saving.process
    spent = (at_row(t.start_s, at) + at_row(p.stall_s, at) + at_row(p.drain_s, at)) / HOUR_S
    down = taken_down(t.setting.instance.member_count > 1).total_seconds() / HOUR_S
    held = float(runs.chains.days[at]) * 24.0 - float(runs.chains.blocks[at]) * (spent + down)
    return held - float(runs.chains.idle_h[at])


def at_row(column: ArrayLike, at: int) -> float:
    """A value of a column, or the one that holds for all rows."""
    values = np.asarray(column)
    return float(values if values.ndim == 0 else values[at])


def number(column: ArrayLike, at: int) -> float | None:
    """The same, None where it is not known."""
    value = at_row(column, at)
    return value if isfinite(value) else None
