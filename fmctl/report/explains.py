"""Where time, memory and money go: the parts as they were computed, with share, equation and source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from fmctl.domain.terms import TERM_BY_NAME, TERMS
from fmctl.report.envelope import envelope
from fmctl.report.estimates import Titled, title_of
from fmctl.report.view import Answer, Column, Report, Row, Section, Table, by_name, numbers, terms_of
from fmctl.report.waterfall import run_parts
from fmctl.report.words import paid_by, say

if TYPE_CHECKING:
    from fmctl.domain.rows.results import (
        EstimateDocument,
        EstimateRow,
        ExplainDocument,
        ExplainSection,
        PlanDocument,
        TermPart,
        Total,
    )

_TITLES = {
    "time": "Where the step time goes",
    "communication": "Communication, hidden part included",
    "memory": "Where the memory of a GPU goes",
    "money": "Where the money goes",
    "flop": "FLOPs and utilisation",
    "energy": "Energy",
    "checkpoint": "Checkpoint",
    "day": "Where a day of the run goes",
    "run": "Where the run goes, at P50",
    "bill": "What the run is billed for",
}
_TOTALS = {"time": "step_s", "memory": "used_bytes"}
_MONEY = (
    ("price_usd_per_h", "one instance", "price list", ""),
    ("usd_per_h", "all instances", "price of one x instances", "price_usd_per_h"),
    ("usd_per_billion_tokens", "per 10⁹ tokens", "price of all / tokens per second", "usd_per_h"),
    ("run_usd", "the run", "price of all x time of the run", "usd_per_h"),
)
_BAR = 24


def explain_document(source: PlanDocument | EstimateDocument, result: EstimateRow) -> ExplainDocument:
    """`fmctl.explain/1` of one row of an estimate or plan document."""
    sections: list[ExplainSection] = [
        {"name": name, "total": _total(result, name), "parts": _parts(result, name)}
        for name in ("time", "communication", "memory", "flop", "checkpoint", "energy")
    ]
    sections.insert(3, {"name": "money", "total": None, "parts": _money(result)})
    sections[1:1] = run_parts(result.get("whole_run"))
    subject = {
        key: by_name(result)[key]
        for key in ("model", "framework", "instance", "nodes", "gpus", "fits", "layout", "workload")
    }
    warnings = [*source["warnings"]]
    if not any(TERM_BY_NAME[n].parent for n in result["time"] if n in TERM_BY_NAME):
        warnings.append("this document holds only the total of the step time, not its parts")
    body = {"subject": subject, "sections": [s for s in sections if s["parts"]], "chosen": result["chosen"]}
    found: ExplainDocument = envelope(
        "explain", body, inputs=source["inputs"], provenance=source["provenance"], warnings=warnings
    )
    return found


def explain_answer(source: PlanDocument | EstimateDocument, result: EstimateRow) -> Answer:
    """The explanation as document, rows and report."""
    document = explain_document(source, result)
    rows: list[Row] = [
        {"section": section["name"], **part} for section in document["result"]["sections"] for part in section["parts"]
    ]
    return Answer(document, rows, lambda: explain_report(document), tuple(document["warnings"]))


def explain_report(document: ExplainDocument) -> Report:
    """Bars for time and memory, then every part with its equation and source."""
    body = document["result"]
    sections = [_section(section) for section in body["sections"]]
    equations = Section("Equations and sources", _equations(body["sections"]))
    return Report("Explained: " + title_of(cast("Titled", body["subject"])), (*sections, equations))


def _parts(result: EstimateRow, group: str) -> list[TermPart]:
    values = terms_of(result, group)
    whole = values.get(_TOTALS.get(group, ""))
    return [
        {
            "name": term.name,
            "title": term.title,
            "value": values[term.name],
            "unit": unit_of(term.name),
            "share": _share(values[term.name], whole, term.name, group),
            "parent": term.parent,
            "equation": term.equation,
            "source": term.source,
        }
        for term in TERMS
        if term.group == group and term.name in values
    ]


def _share(value: float | None, whole: float | None, name: str, group: str) -> float | None:
    """The display share of the group's total; a total and what does not add up to it have none."""
    adds_up = bool(TERM_BY_NAME[name].parent) or _beside(name)
    return value / whole if adds_up and whole and value is not None else None


def _beside(name: str) -> bool:
    """Whether a term is a part of what is in use, beside what is allocated."""
    return name in TERM_BY_NAME and TERM_BY_NAME[name].kind == "context"


def _total(result: EstimateRow, group: str) -> Total | None:
    name = _TOTALS.get(group)
    values = terms_of(result, group)
    if name is None or name not in values:
        return None
    return {"name": name, "title": TERM_BY_NAME[name].title, "value": values[name], "unit": unit_of(name)}


def _money(result: EstimateRow) -> list[TermPart]:
    cost = result["cost"]
    source = paid_by(cost)
    return [
        {
            "name": name,
            "title": title,
            "value": numbers(cost)[name],
            "unit": unit_of(name),
            "share": None,
            "parent": parent,
            "equation": equation,
            "source": source,
        }
        for name, title, equation, parent in _MONEY
    ]


def unit_of(name: str) -> str:
    """The unit that a name ends in, as it is written: "bytes", "s", "usd/h", "" for a ratio."""
    for suffix, unit in _UNITS:
        if name.endswith(suffix):
            return unit
    return ""


_UNITS = (
    ("usd_per_billion_tokens", "usd/10⁹ tok"),
    ("wh_per_million_tokens", "Wh/10⁶ tok"),
    ("tokens_per_s_per_gpu", "tok/s"),
    ("tokens_per_s", "tok/s"),
    ("usd_per_h", "usd/h"),
    ("_bytes", "bytes"),
    ("_flop", "flop"),
    ("_usd", "usd"),
    ("_wh", "Wh"),
    ("_w", "W"),
    ("_s", "s"),
)


def _section(section: ExplainSection) -> Section:
    parts = section["parts"]
    if section["name"] in _TOTALS:
        parts = sorted(parts, key=lambda p: (p["share"] is None, _beside(p["name"]), -(p["share"] or 0)))
    rows = tuple(
        (part["title"], say(part["name"], part["value"]), _percent(part["share"]), _bar(part["share"]))
        for part in parts
        if part["value"] or part["share"] is None
    )
    columns = (Column(""), Column("", "right"), Column("", "right"), Column("", keep=1))
    lines = ("Instances are paid by time: money goes where the step time goes.",) if section["name"] == "money" else ()
    return Section(_TITLES[section["name"]], Table(columns, rows, header=False), lines)


def _equations(sections: Sequence[ExplainSection]) -> Table:
    rows = tuple((p["name"], p["equation"], p["source"]) for section in sections for p in section["parts"])
    return Table((Column("term"), Column("equation"), Column("source", keep=1)), rows)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _bar(share: float | None) -> str:
    return "" if share is None else "█" * round(min(max(share, 0.0), 1.0) * _BAR)
