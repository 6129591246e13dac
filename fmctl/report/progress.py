"""A run against its plan: figures with their predicted intervals, and the likeliest reasons where they are outside."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fmctl.domain.hardware import Instance
from fmctl.progress.compare import outside
from fmctl.progress.diagnose import diagnose
from fmctl.progress.state import Progress
from fmctl.report.envelope import envelope
from fmctl.report.known import NOTHING, Known, evidence, figures_of
from fmctl.report.view import Answer, Column, Report, Section, Table, by_name, facts, numbers
from fmctl.report.words import say

if TYPE_CHECKING:
    from fmctl.domain.rows.progress import Figure, NodeMetrics, ProgressDocument, ProgressResult, Reason, State
    from fmctl.domain.rows.results import EstimateRow

_MORE_IS_BETTER = ("tokens_per_s", "mfu", "goodput")
_NO_METRICS = "the log shows no reason; metrics of the nodes may (--prometheus URL)"
_NO_REASON = "neither the log nor the metrics of the nodes show a reason"
_TITLES = {
    "step_s": "step", "tokens_per_s": "tokens", "mfu": "MFU", "memory_bytes": "memory", "power_w": "power",
    "save_stall_s": "stall per save", "goodput": "goodput", "wall_s": "whole run", "total_usd": "cost of the run",
}  # fmt: skip


def progress_answer(
    plan: str, row: EstimateRow, found: Progress, instance: Instance, source: str, known: Known = NOTHING
) -> Answer:
    """A run so far, each figure beside its prediction; reasons only where something is outside its interval."""
    figures = figures_of(row, found, instance, known)
    off = outside(figures)
    worse = [one.name for one in off if (one.verdict == "below") == (one.name in _MORE_IS_BETTER)]
    reasons = diagnose(evidence(row, found, known)) if worse or found.errors or found.nan_steps else ()
    state = dataclasses.asdict(found)
    state["finished"] = found.finished
    state["late_s"] = {str(rank): late for rank, late in found.late_s.items()}
    result = {
        "plan": plan,
        "source": source,
        "state": state,
        "figures": [one.as_dict() for one in figures],
        "outside": [one.name for one in off],
        "worse": worse,
        "reasons": [one.as_dict() for one in reasons],
        "metrics": None if known.measured is None else known.measured.as_dict(),
        "spent_usd": known.spent_usd,
    }
    warnings = known.all_warnings()
    document: ProgressDocument = envelope(
        "progress", result, inputs={"plan": plan, "source": source}, warnings=warnings
    )
    return Answer(document, document["result"]["figures"], lambda: _report(document), tuple(document["warnings"]))


def _report(document: ProgressDocument) -> Report:
    result, state = document["result"], document["result"]["state"]
    sections = (Section(table=facts(*_facts(state))), *against_the_plan(result))
    return Report(f"{result['plan']}: {result['source']}", sections)


def against_the_plan(result: ProgressResult) -> list[Section]:
    """Each figure beside its prediction, and why where something is outside; of a document's result."""
    rows = tuple(
        (_TITLES.get(f["name"], f["name"]), _said(f, "measured"), _said(f, "predicted"), _interval(f), _verdict(f))
        for f in result["figures"]
    )
    titles = (Column(""), Column("measured", "right"), Column("predicted", "right"))
    columns = (*titles, Column("80 %", keep=1), Column(""))
    sections = [Section("Against the plan", Table(columns, rows))]
    metrics = result.get("metrics")  # older records have none
    if result["reasons"]:
        sections.append(Section("Why", _reasons(result["reasons"], metrics)))
    elif result["worse"]:
        sections.append(Section(lines=(_NO_REASON if metrics and metrics["values"] else _NO_METRICS,)))
    return sections


def _reasons(found: Sequence[Reason], metrics: NodeMetrics | None) -> Table:
    where = {} if metrics is None else metrics["where"]
    rows = tuple((r["name"], f"{r['score']:.0%}", _because(r, where), r["advice"]) for r in found)
    why = (Column("likeliest reason"), Column("of the time", "right"), Column("because", keep=2), Column("try", keep=1))
    return Table(why, rows)


def _because(reason: Reason, where: Mapping[str, str]) -> str:
    return ", ".join(
        f"{value['name']} {value['measured']:.4g}" + (f" ({where[value['name']]})" if value["name"] in where else "")
        for value in reason["values"]
    )


def _facts(state: State) -> list[tuple[str, ...]]:
    whole = "" if state["total_steps"] is None else f" of {state['total_steps']:,}"
    done = "none yet" if state["last_step"] is None else f"{state['last_step']:,}{whole}"
    rows: list[tuple[str, ...]] = [("step", done, f"{state['records']:,} records read")]
    if state["loss"] is not None:
        rows.append(("loss", f"{state['loss']:.4g}", f"lowest {state['lowest_loss']:.4g}"))
    rows.append(("saves", str(state["saves"]), "" if not state["restarts"] else f"{state['restarts']} restarts"))
    if state["errors"]:
        kinds = ", ".join(f"{n} {kind}" for kind, n in state["errors"].items())
        rows.append(("errors", str(sum(state["errors"].values())), kinds))
    if by_name(state).get("finished"):
        rows.append(("finished", "" if state["last_at"] is None else _moment(state["last_at"]), ""))
    elif state["finish_s"] is not None:
        rows.append(("finish", _moment(state["finish_s"]), "at this pace"))
    return rows


def _moment(at: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):  # at this pace in no year that has a number
        return "never"


def _said(figure: Figure, which: str) -> str:
    return _valued(figure, numbers(figure)[which])


def _valued(figure: Figure, value: float | None) -> str:
    return "" if value is None else say(figure["name"], value) if figure["name"] != "goodput" else f"{value:.1%}"


def _interval(figure: Figure) -> str:
    if figure["low"] is None or figure["high"] is None:
        return ""
    low, high = (_valued(figure, numbers(figure)[end]) for end in ("low", "high"))
    return f"{low} to {high}"


def _verdict(figure: Figure) -> str:
    why = figure["why"] or ""
    return why if figure["verdict"] == "unknown" else f"{figure['verdict']}; {why}" if why else str(figure["verdict"])
