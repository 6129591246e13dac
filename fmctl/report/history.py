"""What was launched and submitted from a state store, as document, rows and tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from fmctl.operate.records import Record
from fmctl.operate.runs import Run
from fmctl.report.clusters import record_document, usd
from fmctl.report.envelope import envelope
from fmctl.report.record import run_row, runs_section
from fmctl.report.view import Answer, Column, Report, Section, Table

if TYPE_CHECKING:
    from fmctl.domain.rows.operations import HistoryDocument, HistoryRow


def history_answer(
    records: Sequence[Record], runs: Sequence[Run], now: datetime, warnings: Sequence[str] = ()
) -> Answer:
    """What ran, where, from which plan, by whom, and at what cost at most: clusters and their runs, newest first."""
    rows = [
        {
            "cluster": one.name,
            **record_document(one),
            **({"state": "over", "spent_usd": one.spent(one.end)} if one.over(now) else {}),
            "cap_usd": one.cap_usd,
            "same_configuration": [o.name for o in records if o is not one and o.config_digest == one.config_digest],
        }
        for one in records
    ]
    result = {"clusters": rows, "runs": [run_row(run) for run in runs]}
    document: HistoryDocument = envelope("history", result, warnings=warnings)
    said = tuple(document["warnings"])
    return Answer(document, document["result"]["clusters"], lambda: _history_report(document), said)


def _history_report(document: HistoryDocument) -> Report:
    rows = document["result"]["clusters"]
    cells = tuple(
        (
            row["cluster"],
            row["state"],
            f"{row['nodes']} x {row['instance']}",
            row["plan"],
            (row["began"] or "")[:16].replace("T", " "),
            usd(row["spent_usd"] if row["spent_usd"] is not None else row["cap_usd"]),
            row["config_digest"][7:19],
            row["created_by"],
        )
        for row in rows
    )
    columns = (
        Column("cluster"), Column("state"), Column("nodes"), Column("plan", keep=1), Column("began (UTC)"),
        Column("at most", "right"), Column("configuration", keep=2), Column("by", keep=1),
    )  # fmt: skip
    runs = document["result"]["runs"]
    ran = (runs_section(runs),) if runs else ()
    if not rows:
        return Report("history", (Section(lines=("no cluster was launched from this store",)), *ran))
    used = tuple((row["cluster"], ", ".join(_reused(row))) for row in rows if _reused(row))
    lines = (Section("Reused", Table((Column(""), Column("")), used, header=False)),) if used else ()
    return Report("history", (Section(table=Table(columns, cells)), *ran, *lines))


def _reused(row: HistoryRow) -> list[str]:
    return [*row["reused"], *(f"configuration of {name}" for name in row["same_configuration"])]
