"""Teardowns as documents, rows and tables: what a person is asked, what went, and what still costs money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fmctl.base.errors import FmctlError
from fmctl.base.printing import block
from fmctl.operate.actions import Action, Actual
from fmctl.operate.teardown import Torn
from fmctl.report.clusters import action_rows, leftover_row, leftovers_table
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Report, Section, Table
from fmctl.report.words import plural
from fmctl.targets.target import State

if TYPE_CHECKING:
    from datetime import datetime

    from fmctl.domain.rows.operations import TeardownDocument, TeardownRow

_MAKER = "fmctl:created-by"


def teardown_text(name: str, steps: Sequence[Action], actual: Actual, region: str, now: datetime) -> str:
    """What a person reads before a teardown: what it is, who made it and when, what goes and what stays."""
    goes = [thing for step in steps for thing in step.destroys]
    stays = [thing for step in steps for thing in step.keeps]
    lines = [f"teardown of {name} in {region}"]
    if actual.state is not None:
        lines += _identity(actual.state, now)
    elif actual.end is not None:
        when = f" at {actual.end.at:%Y-%m-%d %H:%M} UTC" if actual.end.at is not None else ""
        lines.append(f"its stack is not there; an end is scheduled{when}: somebody may be launching it")
    lines.append(f"goes: {'; '.join(dict.fromkeys(goes)) or 'nothing'}")
    lines.append(f"stays: {'; '.join(dict.fromkeys(stays)) or 'nothing'}")
    if any(node.role == "compute" for node in actual.nodes):
        lines.append("jobs that run are ended; what was not checkpointed is lost")
    return block(lines)


def _identity(state: State, now: datetime) -> list[str]:
    """Who made a cluster, how old it is, and its tags."""
    hours = max((now - state.created).total_seconds(), 0.0) / 3600.0
    age = f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} h"
    tags = "; ".join(f"{key}={value}" for key, value in sorted(state.tags.items()))
    made = f"made by {state.tags.get(_MAKER) or 'nobody who is named'}, {state.created:%Y-%m-%d %H:%M} UTC, {age} ago"
    return [f"{made}; {state.status}", f"tags: {tags or 'none'}"]


def removals_answer(planned: Mapping[str, Sequence[Action] | FmctlError], warnings: Sequence[str] = ()) -> Answer:
    """What a teardown of several would do, cluster by cluster (`--dry-run`)."""
    rows: list[TeardownRow] = [
        {**_row(name), "error": _said(found), "next": found.next}
        if isinstance(found, FmctlError)
        else {**_row(name), "was": bool(found), "actions": action_rows(found)}
        for name, found in planned.items()
    ]
    steps = [step for found in planned.values() if not isinstance(found, FmctlError) for step in action_rows(found)]
    result = {"clusters": rows, "cluster": ", ".join(planned), "dry_run": True, "done": False, "actions": steps}
    document: TeardownDocument = envelope("teardown", result, warnings=warnings)
    said = tuple(document["warnings"])
    return Answer(document, document["result"]["clusters"], lambda: _planned_report(document), said)


def _planned_report(document: TeardownDocument) -> Report:
    rows = document["result"]["clusters"]
    cells = tuple((row["cluster"], _would(row)) for row in rows)
    table = Table((Column("cluster"), Column("would go", keep=1)), cells)
    section = Section(table=table) if rows else Section(lines=("no clusters",))
    return Report(f"{plural(len(rows), 'cluster')}: dry run, nothing is done", (section,))


def _would(row: TeardownRow) -> str:
    if row.get("error"):
        return f"cannot be looked at: {row['error']}"
    goes = dict.fromkeys(thing for step in row.get("actions", ()) for thing in step["destroys"])
    return "; ".join(goes) or "nothing, it is gone"


def teardown_answer(found: Mapping[str, Torn | FmctlError], passed: Sequence[str] = ()) -> Answer:
    """One row per cluster, and what still costs money with the command that removes it."""
    rows: list[TeardownRow] = [
        {**_row(name), "error": _said(one), "next": one.next}
        if isinstance(one, FmctlError)
        else {
            **_row(name),
            "done": one.done,
            "was": one.was,
            "retained": list(one.retained),
            "leftovers": [leftover_row(left) for left in one.leftovers],
        }
        for name, one in found.items()
    ]
    warnings = [*passed]
    warnings += [warning for one in found.values() if isinstance(one, Torn) for warning in one.warnings]
    document: TeardownDocument = envelope("teardown", {"clusters": rows}, warnings=warnings)
    return Answer(document, rows, lambda: _teardown_report(document), tuple(document["warnings"]))


def _row(name: str) -> TeardownRow:
    return {"cluster": name, "done": False, "was": True, "retained": [], "leftovers": []}


def _said(error: FmctlError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what


def _teardown_report(document: TeardownDocument) -> Report:
    sections = []
    for row in document["result"]["clusters"]:
        lines: tuple[str, ...] = (f"{row['cluster']} {_came_to(row)}",)
        if row.get("next"):
            lines += (f"  next: {row['next']}",)
        sections.append(Section(lines=lines, table=leftovers_table(row["leftovers"])))
    return Report("teardown", tuple(sections) or (Section(lines=("no clusters",)),))


def _came_to(row: TeardownRow) -> str:
    if row.get("error"):
        return f"was not removed: {row['error']}"
    return "is gone" if row["done"] and row["was"] else "was gone already" if row["done"] else "was left as it is"
