"""How a person reads a plan: a ranked table that fits 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fmctl.base.units import significant
from fmctl.report.estimates import title_of
from fmctl.report.runs import run_sections, run_usd, tonnes, wall_s
from fmctl.report.view import Column, Report, Section, Table
from fmctl.report.words import (
    LAYOUT_LEGEND,
    brief_usd,
    closeness,
    compact_layout,
    half_width,
    paid_by,
    plural,
    say,
    short_instance,
    short_layout,
)

if TYPE_CHECKING:
    from fmctl.domain.rows.results import PlanDocument, PlanInputs, PlanResult, PlanRow


COLUMNS = (
    Column("#", "right"),
    Column("instance x nodes", short=short_instance),
    Column("layout", short=short_layout),
    Column("step", "right"),
    Column("MFU", "right", keep=1),
    Column("±", "right", keep=5),
    Column("time", "right"),
    Column("cost", "right"),
    Column("margin", "right", keep=2),
    Column("memory"),
    Column("GPUs", "right", keep=6),
    Column("tokens/s", "right", keep=6),
    Column("rate", "right", keep=7),
    Column("energy/10⁶ tok", "right", keep=8),
    Column("goodput", "right", keep=4),
    Column("CO2e", "right", keep=8),
    Column("schedule", keep=9),
)


def plan_report(document: PlanDocument) -> Report:
    """The whole report of a `fmctl.plan/1` document."""
    result, given = document["result"], document["inputs"]
    rows = result["rows"]
    if not rows:
        return Report(f"{given['model']}: no layout found", (Section("Rejected", rejects_table(result)),))
    first = run_sections(given, rows[0], "Row 1 as a whole run", result.get("levers", ()))
    return Report(_title(given, result), (Section(table=_table(rows)), Section(lines=_legend(rows, result)), *first))


def _title(given: PlanInputs, result: PlanResult) -> str:
    tokens = f", {say('tokens', given['tokens'])} tokens" if given["tokens"] else ""
    run = f"{given['model']}{tokens}, sequences of {given['seq_len']} tokens, {given['framework']}"
    return f"{run}: best by {result['objective']}"


def _row(row: PlanRow) -> tuple[str, ...]:
    cost, run, known = row["cost"], row["run"], row["run"]["run_s"] is not None
    whole = row.get("whole_run")
    return (
        _rank(row),
        f"{row['instance']} x{row['nodes']}",
        compact_layout(row["layout"]),
        _step(row["time"]["step_s"]),
        say("mfu", row["flop"].get("mfu")),
        half_width(row),
        _days(wall_s(row)) if known else say("tokens", run["tokens_per_s"]),
        brief_usd(run_usd(row) if known else cost["usd_per_billion_tokens"]),
        say("_bytes", row["memory"].get("margin_bytes")).replace("iB", "").replace(" ", ""),
        row["fits"],
        str(row["gpus"]),
        say("tokens", run.get("tokens_per_s")),
        say("usd_per_h", cost["usd_per_h"]),
        say("_wh", row["energy"].get("wh_per_million_tokens")),
        f"{whole['goodput']:.1%}" if whole else "",
        tonnes(whole["tco2e"]) if whole else "",
        row["layout"]["schedule"],
    )


def _rank(row: PlanRow) -> str:
    """`2*≈`: * no other row is both cheaper and faster, ≈ the model cannot tell it from the first; numbers align."""
    return f"{row['rank']}{'*' if row['pareto'] else ' '}{'≈' if row.get('told_apart') is False else ' '}"


def _table(rows: Sequence[PlanRow]) -> Table:
    """The ranked rows. Where no tokens were given a run has no time: the throughput takes that column's place."""
    alike = any(row.get("told_apart") is False for row in rows)
    cells = tuple((cells[0] if alike else cells[0].strip(), *cells[1:]) for cells in map(_row, rows))
    if rows[0]["run"]["run_s"] is not None:
        return _without_empty(Table(COLUMNS, cells))
    kept = [i for i, column in enumerate(COLUMNS) if column.title != "tokens/s"]
    columns = (replace(COLUMNS[i], title="tokens/s") if COLUMNS[i].title == "time" else COLUMNS[i] for i in kept)
    return _without_empty(Table(tuple(columns), tuple(tuple(row[i] for i in kept) for row in cells)))


def _without_empty(table: Table) -> Table:
    """The table without columns that hold nothing in any row: what only whole runs have."""
    kept = [i for i in range(len(table.columns)) if any(row[i] for row in table.rows)]
    return Table(tuple(table.columns[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in table.rows))


def term_title(name: str) -> str:
    """What a term is called."""
    from fmctl.domain.terms import TERM_BY_NAME

    return TERM_BY_NAME[name].title if name in TERM_BY_NAME else name


def _step(step_s: float) -> str:
    """One unit all the way down the column: minutes would be read against seconds."""
    return f"{significant(step_s)} s" if step_s >= 1 else say("_s", step_s)


def _days(run_s: float | None) -> str:
    return say("_s", run_s).replace(" ", "")  # one word keeps the column narrow


def _legend(rows: Sequence[PlanRow], result: PlanResult) -> tuple[str, ...]:
    known = rows[0]["run"]["run_s"] is not None
    paid = dict.fromkeys(paid_by(row["cost"]) for row in rows)
    faster = any(row["layout"]["precision"] != "bf16" for row in rows)
    alike = any(row.get("told_apart") is False for row in rows)
    return (
        searched_line(result),
        f"cost {'of the run' if known else 'per 10⁹ tokens'}, {'; '.join(paid)}; "
        "± is the 80 % interval of the step time, margin the GPU memory left in GiB (M: MiB)"
        + ("; MFU is of the bf16 peak in every precision" if faster else ""),
        f"{LAYOUT_LEGEND}; * no other row {_front(rows)}",
        *((f"≈ cannot be told from row 1: {closeness(rows[0])}",) if alike else ()),
    )


def searched_line(result: PlanResult) -> str:
    """How many layouts were looked at, and how long that took."""
    return (
        f"{plural(result['candidates'], 'layout')} tried, {result['evaluated']:,} evaluated, {result['fitting']:,} of "
        f"those fit; {plural(len(result['rows']), 'row')} shown; searched in {say('_s', result['search_s'])}"
    )


def _front(rows: Sequence[PlanRow]) -> str:
    """What a row on the Pareto front is not beaten in."""
    return "is better in cost, time and energy" if rows[0].get("whole_run") else "is both cheaper and faster"


def rejects_table(result: PlanResult) -> Table:
    """Reasons for rejecting candidates, the most frequent first."""
    rows = sorted(result["rejects"], key=lambda r: -r["count"])
    columns = (Column("layouts", "right"), Column("why"))
    return Table(columns, tuple((f"{r['count']:,}", r["sentence"]) for r in rows))


def saved_line(name: str, document: PlanDocument) -> str:
    """What is said after a plan was saved."""
    rows = document["result"]["rows"]
    return f"saved plan {name}: {title_of(rows[0])}" if rows else f"saved plan {name}"
