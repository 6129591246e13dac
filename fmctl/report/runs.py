"""Whole runs as documents and tables: when it is done, what it costs by line, what goes wrong, what would help."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, TypeAlias

from fmctl.base.units import significant
from fmctl.report.view import Column, Document, Section, Table, facts
from fmctl.report.words import brief_usd, say

if TYPE_CHECKING:
    from fmctl.domain.bill import Line
    from fmctl.domain.block import Block as BoughtBlock
    from fmctl.domain.rows.results import Block, CostLine, EstimateRow, PlanInputs, WholeRunRow
    from fmctl.domain.rows.results import Lever as LeverRow
    from fmctl.domain.run import Lever, Spread, WholeRun

Run: TypeAlias = "WholeRunRow"
NESTED = ("lines", "parts", "blocks", "ways", "run_notes")
_LEVERS_SHOWN = 3
_DAY_S = 86_400.0


def run_document(run: WholeRun) -> Document:
    """`whole_run` of a row: numbers by name, then lines, parts, blocks and ways."""
    p, f, e = run.checkpoints, run.failures, run.energy
    files = p.file_system
    return {
        "start": run.start.isoformat(timespec="seconds"),
        **{f"finish_p{n}": at.isoformat(timespec="seconds") for n, at in zip((10, 50, 90), run.finish, strict=True)},
        **{f"wall_p{n}_s": wall for n, wall in zip((10, 50, 90), run.wall_s, strict=True)},
        "work_s": run.work_s,
        **_spread("goodput", run.goodput),
        **_spread("interruptions", f.count),
        "mtbf_s": f.mtbf_s if isfinite(f.mtbf_s) else None,
        "recovery_s": f.recovery_s,
        "lost_work_s": f.lost_work_s,
        "spares": f.spares,
        "best_spares": f.best_spares,
        "saved_bytes": p.total_bytes,
        "save_interval_s": p.interval_s,
        "save_stall_s": p.stall_s,
        "save_drain_s": p.drain_s,
        "load_s": p.load_s,
        "young_interval_s": p.young_s,
        "file_system": p.item or None,
        "file_system_tib": files.capacity_tib if files else None,
        "file_system_efa": files.efa if files else None,
        "file_system_usd_per_month": p.usd_per_month,
        "local_disks": p.disks,
        "not_compared": p.note or None,
        **_spread("kwh", e.kwh),
        **_spread("tco2e", e.average_t),
        "tco2e_marginal": e.marginal_t,
        "water_l": e.water_l,
        "pue_assumed": e.pue_assumed,
        "total_usd": run.total_usd,
        "comparable_usd": run.comparable_usd,
        "total_p90_usd": run.high_usd,
        "known_usd": run.known_usd,
        "idle_usd": run.idle_usd,
        "reading_limit": run.reading[0],
        "reading_share": run.reading[1],
        "lines": [_line(line) for line in run.lines],
        "parts": [{"name": name, "s": value} for name, value in run.parts_s],
        "blocks": [_block(block) for block in run.blocks],
        "ways": [
            {"option": w.option, "region": w.region, "usd": w.usd, "wall_s": w.wall_s, "tco2e": w.average_t,
             "why": w.why or None}
            for w in run.ways
        ],
        "run_notes": list(run.notes),
    }  # fmt: skip


def levers_document(levers: Sequence[Lever]) -> list[LeverRow]:
    """What would help the first row, best first."""
    return [{"change": one.name, "days": one.days, "usd": one.usd} for one in levers]


def _spread(name: str, found: Spread | None) -> dict[str, float | None]:
    values = (None, None, None) if found is None else (found.value, found.low, found.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def _line(line: Line) -> CostLine:
    return {
        "name": line.name, "item": line.item, "quantity": line.quantity, "unit": line.unit, "rate_usd": line.rate_usd,
        "usd": line.usd, "idle_usd": line.idle_usd, "indicative_usd": line.indicative_usd, "why": line.why or None,
        "date": line.date or None, "source": line.source or None,
    }  # fmt: skip


def _block(block: BoughtBlock) -> Block:
    return {
        "start": block.start.isoformat(), "end": block.end.isoformat(), "save_by": block.save_by.isoformat(),
        "usable_until": block.usable_until.isoformat(), "usable_h": block.usable_h, "sizes": list(block.sizes),
        "buy_from": block.buy_from.isoformat(),
    }  # fmt: skip


# --- for people -------------------------------------------------------------------------------------------------------


def run_sections(
    given: PlanInputs, result: EstimateRow, title: str, levers: Sequence[LeverRow] = ()
) -> tuple[Section, ...]:
    """Everything about one whole run; nothing where there is none."""
    run = result.get("whole_run")
    if not run:
        return ()
    found = (
        Section(title, facts(*_answer(result, run), *_targets(given, run))),
        Section("Cost of the run", _bill(run), _unknown(run)),
        Section("Where the days go", _days(run)),
        Section("Capacity Blocks", _calendar(run)) if run["blocks"] else Section(),
        Section("Ways to buy it", _ways(run)) if len(run["ways"]) > 1 else Section(),
        Section("What would help most", _helps(levers)) if levers else Section(),
    )
    return tuple(one for one in found if (one.table is not None and one.table.rows) or one.lines)


def wall_s(result: EstimateRow) -> float | None:
    """The wall time of a row's run at P50, s; training alone where the whole run was not looked at."""
    run = result.get("whole_run")
    found = run["wall_p50_s"] if run else result["run"]["run_s"]
    return None if found is None else float(found)


def run_usd(result: EstimateRow) -> float | None:
    """What a row's run costs, USD: what it is ranked by."""
    run = result.get("whole_run")
    found = run["comparable_usd"] if run else result["cost"]["run_usd"]
    return None if found is None else float(found)


def days(seconds: float | None) -> str:
    """`39.5 d`: one unit down a column."""
    return "unknown" if seconds is None else f"{significant(seconds / _DAY_S)} d"


def _date(text: str) -> str:
    return text[:16].replace("T", " ")


def _answer(result: EstimateRow, run: Run) -> list[tuple[str, ...]]:
    cost = result["cost"]
    ends = f"P10 {run['finish_p10'][:10]}, P90 {run['finish_p90'][:10]}; starts {_date(run['start'])}"
    walls = f"{days(run['wall_p10_s'])} to {days(run['wall_p90_s'])}, {days(run['work_s'])} of it training"
    high = "" if run["total_p90_usd"] is None else f"{_usd(run['total_p90_usd'])} at P90; "
    bought = f"{high}{cost['price_option']} in {cost['price_region']}"
    each = f"one every {say('_s', run['mtbf_s'])}, {say('_s', run['recovery_s'])} each, {say('_s', run['lost_work_s'])}"
    each = each if run["mtbf_s"] is not None else "as was said"
    fails = f"{run['interruptions_low']:.0f} to {run['interruptions_high']:.0f}; {each} lost"
    stall = f"stall {say('_s', run['save_stall_s'])}, durable after {say('_s', run['save_drain_s'])}"
    saved = f"{say('_bytes', run['saved_bytes'])}, {stall}, load {say('_s', run['load_s'])}"
    return [
        ("finish", f"{_date(run['finish_p50'])} UTC", ends),
        ("time", days(run["wall_p50_s"]), walls),
        ("cost", _usd(run["total_usd"]), bought),
        ("goodput", f"{run['goodput']:.1%}", f"{run['goodput_low']:.1%} to {run['goodput_high']:.1%} (80 %)"),
        ("failures", f"{run['interruptions']:.0f}", fails),
        ("checkpoints", f"every {say('_s', run['save_interval_s'])}", saved),
        ("file system", _file_system(run), _month(run)),
        ("", " " if run["not_compared"] else "", run["not_compared"] or ""),
        ("local disks", " ", run["local_disks"]),
        ("data", f"{run['reading_share']:.1%}", f"of {run['reading_limit']}, reading training data out of S3"),
        *_energy(run),
        ("spares", str(run["spares"]), f"{run['best_spares']} would be best"),
    ]


def _targets(given: PlanInputs, run: Run) -> list[tuple[str, ...]]:
    """What is left to the deadline and the budget, and what takes most of the time."""
    rows = []
    deadline_s, budget_usd = given.get("deadline_s"), given.get("budget_usd")
    if deadline_s is not None:
        held = "held" if run["wall_p90_s"] <= deadline_s else "missed"
        rows.append(("deadline", f"{days(deadline_s - run['wall_p50_s'])} to spare", f"{held} at P90"))
    if budget_usd is not None and run["comparable_usd"] is not None:
        high = run["total_p90_usd"]
        held = "held" if high is not None and high <= budget_usd else "missed"
        rows.append(("budget", f"{_usd(budget_usd - run['comparable_usd'])} left", f"{held} at P90"))
    most = sorted(run["parts"], key=lambda part: -part["s"])[:3]
    shares = [f"{part['name']} {part['s'] / run['wall_p50_s']:.0%}" for part in most]
    return [*rows, ("bound by", shares[0], "then " + ", ".join(shares[1:]) if shares[1:] else "")]


def _energy(run: Run) -> list[tuple[str, ...]]:
    kwh = [f"{significant(run[name] / 1000)} MWh" for name in ("kwh", "kwh_low", "kwh_high")]
    meter = f"{kwh[1]} to {kwh[2]} at the meter" + ("; PUE assumed" if run["pue_assumed"] else "")
    t = [tonnes(run[name]) for name in ("tco2e", "tco2e_low", "tco2e_high", "tco2e_marginal")]
    grid = f"{t[1]} to {t[2]} CO2e by the grid's average; marginal {t[3]}"
    water = "" if run["water_l"] is None else f"{significant(run['water_l'] / 1000)} m3"
    return [
        ("energy", kwh[0], meter),
        ("carbon", t[0], "" if run["tco2e"] is None else grid),
        ("water", water, "at the data centre"),
    ]


def _usd(value: float | None) -> str:
    return "unknown" if value is None else say("usd", value)


def tonnes(value: float | None) -> str:
    """`122 t`."""
    return "unknown" if value is None else f"{significant(value)} t"


def _file_system(run: Run) -> str:
    if run["file_system"] is None:
        return "none on sale is fast enough"
    efa = ", EFA" if run["file_system_efa"] else ""
    return f"{run['file_system'].removeprefix('fsx-lustre/')}, {run['file_system_tib']:g} TiB{efa}"


def _month(run: Run) -> str:
    usd = run["file_system_usd_per_month"]
    return "FSx for Lustre" + ("" if usd is None else f", {_usd(usd)} a month")


def _bill(run: Run) -> Table:
    """One row per line, the dearest first; what has no price says why."""
    lines = sorted(run["lines"], key=lambda line: -(line["usd"] or 0.0))
    rows = tuple((line["name"], _usd(line["usd"]), _quantity(line), line["why"] or _rate(line)) for line in lines)
    idle = "" if run["total_usd"] is None else f"{_usd(run['idle_usd'])} of it while nothing is trained"
    total = (("total", _usd(run["total_usd"]), "", idle),)
    columns = (Column("line"), Column("USD", "right"), Column("quantity", "right", keep=2), Column("", keep=1))
    return Table(columns, rows + total)


def _quantity(line: CostLine) -> str:
    return "" if line["quantity"] is None else f"{significant(line['quantity'])} {line['unit']}"


def _rate(line: CostLine) -> str:
    return f"{line['item']} at ${line['rate_usd']:g}" + (f" of {line['date']}" if line["date"] else "")


def _unknown(run: Run) -> tuple[str, ...]:
    lacking = [line["name"] for line in run["lines"] if line["usd"] is None]
    return (f"without a price, and in no sum: {', '.join(dict.fromkeys(lacking))}",) if lacking else ()


def _days(run: Run) -> Table:
    whole = run["wall_p50_s"]
    rows = tuple((part["name"], days(part["s"]), f"{part['s'] / whole:.1%}") for part in run["parts"])
    return Table(
        (Column("part"), Column("days", "right"), Column("share", "right")), (*rows, ("in all", days(whole), ""))
    )


def _calendar(run: Run) -> Table:
    cells = []
    for b in run["blocks"]:
        sizes = " + ".join(str(n) for n in b["sizes"])
        cells.append((_date(b["start"]), _date(b["end"]), _date(b["save_by"]), sizes, b["buy_from"][:10]))
    titles = ("start (UTC)", "end", "last save by", "instances", "on sale from")
    return Table(tuple(Column(title) for title in titles), tuple(cells))


def _ways(run: Run) -> Table:
    rows = tuple(
        (w["option"], w["region"], _usd(w["usd"]), days(w["wall_s"]), tonnes(w["tco2e"]), w["why"] or "")
        for w in run["ways"]
    )
    columns = (
        Column("bought"), Column("region"), Column("USD", "right"), Column("time", "right"),
        Column("CO2e", "right", keep=1), Column("", keep=2),
    )  # fmt: skip
    return Table(columns, rows)


def _helps(levers: Sequence[LeverRow]) -> Table:
    rows = tuple((one["change"], _change(one["days"], "d"), _change_usd(one["usd"])) for one in levers[:_LEVERS_SHOWN])
    return Table((Column("change"), Column("days", "right"), Column("USD", "right")), rows)


def _change(value: float, unit: str) -> str:
    return "" if abs(value) < 0.005 else f"{'-' if value < 0 else '+'}{significant(abs(value))} {unit}"


def _change_usd(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{'-' if value < 0 else '+'}{brief_usd(abs(value))}"
