"""A stack's timeline as rows and a table: which resource takes the time, and which one is stuck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from fmctl.domain.rows.base import Envelope
from fmctl.operate.timeline import Span
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Report, Section, Table
from fmctl.report.words import plural

_BARS = 24
_LONGEST = 30  # characters of a resource's name, where there is no room
STUCK, UNDER_WAY, FAILED, DONE = "stuck", "now", "failed", "done"
_FIRST = (STUCK, FAILED, UNDER_WAY, DONE)


class SpanRow(TypedDict):
    """A resource of a stack: what became of it, and when, in seconds since the stack began."""

    resource: str
    type: str
    state: str
    status: str
    reason: str
    began_s: float
    took_s: float
    usual_s: float
    over: bool
    slow: bool


class Timeline(TypedDict):
    """All resources of a cluster's stack."""

    cluster: str
    resources: list[SpanRow]


class TimelineDocument(Envelope):
    """A stack's timeline; only the screens have it."""

    schema: str
    result: Timeline


def timeline_answer(cluster: str, found: Sequence[Span]) -> Answer:
    """One row per resource: what is stuck, failed or under way first, then the newest; the worst is said above."""
    rows: list[SpanRow] = [_row(span) for span in found]
    rows.sort(key=lambda row: (_FIRST.index(row["state"]), -row["began_s"]))
    document: TimelineDocument = envelope(
        "timeline", {"cluster": cluster, "resources": rows}, inputs={"cluster": cluster}
    )
    return Answer(document, document["result"]["resources"], lambda: _report(document))


def _row(span: Span) -> SpanRow:
    return {
        "resource": span.resource, "type": span.type, "status": span.status, "began_s": span.began_s,
        "took_s": span.took_s, "usual_s": span.usual_s, "over": span.over, "slow": span.slow,
        "reason": span.reason, "state": _state(span),
    }  # fmt: skip


def _state(span: Span) -> str:
    if span.slow:
        return STUCK
    if not span.over:
        return UNDER_WAY
    return FAILED if span.status.endswith("FAILED") else DONE


def _report(document: TimelineDocument) -> Report:
    rows = document["result"]["resources"]
    whole = max((row["began_s"] + row["took_s"] for row in rows), default=0.0) or 1.0
    cells = tuple(
        (row["state"], row["resource"], row["type"].removeprefix("AWS::"), f"{row['took_s']:,.0f} s",
         _bar(row["began_s"] / whole, row["took_s"] / whole), row["reason"])
        for row in rows
    )  # fmt: skip
    columns = (
        Column("state"), Column("resource", short=_brief), Column("type", keep=2), Column("took", "right"),
        Column("when", keep=1), Column("said", keep=3),
    )  # fmt: skip
    said = tuple(
        f"{row['resource']} ({row['type']}) is stuck: {row['took_s']:,.0f} s so far, usually {row['usual_s']:,.0f} s"
        if row["state"] == STUCK
        else f"{row['resource']} ({row['type']}) failed: {row['reason'] or row['status']}"
        for row in rows
        if row["state"] in (STUCK, FAILED)
    )
    under_way = sum(row["state"] in (STUCK, UNDER_WAY) for row in rows)
    title = f"{plural(len(rows), 'resource')}, {under_way} under way" if rows else "no stack"
    return Report(title, ((Section(lines=said),) if said else ()) + (Section(table=Table(columns, cells)),))


def _brief(name: str) -> str:
    """A long name without its middle: what tells two of them apart stands at its ends."""
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[:half]}…{name[-half:]}"


def _bar(begin: float, took: float) -> str:
    start = min(int(begin * _BARS), _BARS - 1)
    return " " * start + "━" * max(1, min(round(took * _BARS), _BARS - start))
