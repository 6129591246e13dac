"""Preflight, launch, status and teardown as documents, rows and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from fmctl.base.errors import FmctlError
from fmctl.base.printing import block
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.ports import Leftover
from fmctl.operate.actions import Action, Money
from fmctl.operate.costs import NODES, CostLine
from fmctl.operate.extension import Extended
from fmctl.operate.launch import Launched
from fmctl.operate.records import Record
from fmctl.operate.status import Status
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Report, Section, Table, facts
from fmctl.report.words import plural
from fmctl.targets.target import Check

if TYPE_CHECKING:
    from fmctl.domain.rows.operations import (
        ActionRow,
        CostLineRow,
        Launch,
        LaunchDocument,
        LaunchLine,
        LeftoverRow,
        PreflightDocument,
        StatusDocument,
        StatusRow,
    )

UNKNOWN = "unknown"


class LaunchMoney(TypedDict):
    """What a launch costs, as its document and its question say it."""

    region: str
    instance: str
    nodes: int
    usd_per_h: float | None
    max_hours: float
    cap_usd: float | None
    end: str | None
    stays: list[str]
    lines: list[LaunchLine]


class RecordRow(TypedDict):
    """The record of a cluster, as documents state it."""

    state: str
    plan: str
    plan_digest: str
    config_digest: str
    region: str
    instance: str
    nodes: int
    usd_per_h: float | None
    max_hours: float
    began: str
    end: str
    created_by: str
    retained: list[str]
    purchase: str | None
    price_date: str | None
    spent_usd: float | None
    reused: list[str]


def usd(value: float | None) -> str:
    """`$1,234.50`, or that it is not known."""
    return UNKNOWN if value is None else f"${value:,.2f}"


def _shown(iso: str | None) -> str:
    """A time of a document as people read it."""
    return "none" if not iso else f"{iso[:16].replace('T', ' ')} UTC"


def _utc(value: datetime) -> str:
    return str(_iso(value))


def _iso(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


# --- preflight --------------------------------------------------------------------------------------------------------


def preflight_answer(spec: ClusterSpec, found: Sequence[Check], worst: str) -> Answer:
    """One row per check; `result.worst` is fail, unknown, warning or ok."""
    rows = [{"check": c.name, "state": c.state, "found": c.found, "next": c.next or None} for c in found]
    result = {"cluster": spec.name, "worst": worst, "checks": rows}
    inputs = {"plan": spec.plan, "instance": spec.instance, "nodes": spec.nodes, "region": spec.site.region}
    document: PreflightDocument = envelope("preflight", result, inputs=inputs)
    return Answer(document, document["result"]["checks"], lambda: _preflight_report(document))


def _preflight_report(document: PreflightDocument) -> Report:
    inputs, checks = document["inputs"], document["result"]["checks"]
    title = f"{document['result']['cluster']}: {inputs['nodes']} x {inputs['instance']} in {inputs['region']}"
    cells = tuple((c["check"], c["state"], c["found"]) for c in checks)
    table = Table((Column("check"), Column("state"), Column("found")), cells)
    todo = tuple((c["check"], c["next"]) for c in checks if c["state"] != "ok" and c["next"])
    counted = {state: sum(c["state"] == state for c in checks) for state in ("fail", "unknown", "warning", "ok")}
    said = ", ".join(f"{n} {state}" for state, n in counted.items() if n)
    next_steps = (Section("Next", Table((Column(""), Column("")), todo, header=False)),) if todo else ()
    return Report(title, (Section(table=table), *next_steps, Section(lines=(f"{said}; nothing was spent or changed",))))


# --- launch -----------------------------------------------------------------------------------------------------------


def actions_answer(kind: str, name: str, steps: Sequence[Action], money: Money | None = None) -> Answer:
    """What a launch or a teardown would do, in order (`--dry-run`)."""
    result: Launch = {"cluster": name, "dry_run": True, "done": False, "actions": action_rows(steps)}
    if money is not None:
        result = {**result, **_money(money)}
    document: LaunchDocument = envelope(kind, result, inputs={"cluster": name})
    title = f"{name}: dry run, nothing is done"
    return Answer(document, document["result"]["actions"], lambda: _actions_report(document, title))


def change_answer(kind: str, name: str, steps: Sequence[Action], *, done: bool, said: str) -> Answer:
    """What an extension or a stop came to: what was done, or that nothing was.

    Args:
        kind: of the document.
        name: the cluster.
        steps: what was to be done.
        done: whether it was.
        said: that it was, as a sentence about the cluster.
    """
    result: Launch = {"cluster": name, "dry_run": False, "done": done, "actions": action_rows(steps)}
    document: LaunchDocument = envelope(kind, result, inputs={"cluster": name})
    title = f"{name} {said}" if done else f"{name} was left as it is, nothing is done"
    return Answer(document, document["result"]["actions"], lambda: _actions_report(document, title))


def extend_answer(found: Extended) -> Answer:
    """An extended cluster, or one that was left with its end."""
    name, end = found.record.name, f"{found.record.end:%Y-%m-%d %H:%M} UTC"
    step = Action("extend", f"{name} ends at {end}")
    return change_answer("launch", name, (step,), done=found.done, said=f"ends at {end} now")


def would_extend_answer(name: str, end: datetime) -> Answer:
    """What an extension would do (`--dry-run`)."""
    return actions_answer("launch", name, (Action("extend", f"{name} would end at {end:%Y-%m-%d %H:%M} UTC"),))


def action_rows(steps: Sequence[Action]) -> list[ActionRow]:
    """Steps as documents state them."""
    return [
        {
            "step": step.name,
            "what": step.what,
            "creates": list(step.creates),
            "destroys": list(step.destroys),
            "keeps": list(step.keeps),
            "usd_per_h": step.usd_per_h,
        }
        for step in steps
    ]


def _actions_report(document: LaunchDocument, title: str) -> Report:
    result = document["result"]
    cells = tuple(
        (str(i), a["step"], a["what"], "; ".join((*a["creates"], *(f"- {d}" for d in a["destroys"]))))
        for i, a in enumerate(result["actions"], 1)
    )
    columns = (Column("#", "right"), Column("step"), Column("what"), Column("creates, - destroys", keep=1))
    sections = [Section(table=Table(columns, cells))]
    if "usd_per_h" in result:
        sections.insert(0, Section(table=facts(*_money_facts(result))))
    return Report(title, tuple(sections))


def _money(money: Money) -> LaunchMoney:
    return {
        "region": money.region,
        "instance": money.instance,
        "nodes": money.nodes,
        "usd_per_h": money.usd_per_h,
        "max_hours": money.max_hours,
        "cap_usd": money.cap_usd,
        "end": _iso(money.end),
        "stays": list(money.stays),
        "lines": [{"name": line.name, "usd_per_h": line.usd_per_h, "why": line.why or None} for line in money.lines],
    }


def _money_facts(found: LaunchMoney | Launch) -> Iterable[tuple[str, str]]:
    yield "cluster", f"{found['nodes']} x {found['instance']} in {found['region']}"
    yield "price", f"{usd(found['usd_per_h'])} an hour for the nodes"
    others = [line for line in found["lines"] if line["name"] != NODES]
    if others:
        yield "beside them", "; ".join(f"{one['name']} {usd(one['usd_per_h'])}" for one in others)
    yield "cap", f"{usd(found['cap_usd'])} in {found['max_hours']:g} h, then AWS deletes it"
    yield "end", _shown(found["end"])
    yield "stays after teardown", "; ".join(found["stays"]) or "nothing"


def confirmation(name: str, money: Money, steps: Sequence[Action], doubts: Sequence[Check] = ()) -> str:
    """What a person reads before a launch: account, money, what stays, and what is not as it should be.

    The account is shown here and nowhere else.
    """
    made = [thing for step in steps for thing in step.creates]
    lines = [f"account {money.account}"]
    lines += [f"{title}: {text}" for title, text in _money_facts(_money(money))]
    lines += [f"{check.state}: {check.name}: {check.found}" for check in doubts]
    return block([*lines, f"creates: {'; '.join(made)}"])


def launch_answer(found: Launched) -> Answer:
    """A launched cluster."""
    record = found.record
    result = {
        "cluster": record.name,
        "dry_run": False,
        "done": found.done,
        "created": found.created,
        **record_document(record),
        "running_nodes": sum(node.role == "compute" for node in found.nodes),
    }
    document: LaunchDocument = envelope("launch", result, inputs={"cluster": record.name}, warnings=found.warnings)
    said = "runs" if found.done else "was not launched"

    def report() -> Report:
        shown = _record_facts(document["result"])
        return Report(f"{record.name} {said}", (Section(table=facts(*shown)),))

    return Answer(document, [document["result"]], report, tuple(document["warnings"]))


def record_document(record: Record) -> RecordRow:
    """The record as documents state it."""
    return {
        "state": record.state,
        "plan": record.plan,
        "plan_digest": record.plan_digest,
        "config_digest": record.config_digest,
        "region": record.region,
        "instance": record.instance,
        "nodes": record.nodes,
        "usd_per_h": record.usd_per_h,
        "max_hours": record.max_hours,
        "began": record.began.isoformat(),
        "end": record.end.isoformat(),
        "created_by": record.created_by,
        "retained": list(record.retained),
        "purchase": record.purchase or None,
        "price_date": record.price_date or None,
        "spent_usd": record.spent_usd,
        "reused": list(record.reused),
    }


def _record_facts(found: Launch) -> Iterable[tuple[str, str]]:
    yield "nodes", f"{found['nodes']} x {found['instance']} in {found['region']}"
    yield "plan", f"{found['plan']} ({(found['plan_digest'] or '')[:19]})"
    yield "price", f"{usd(found['usd_per_h'])} an hour"
    yield "end", _shown(found["end"])


# --- status -----------------------------------------------------------------------------------------------------------


def status_answer(
    found: Sequence[Status], failed: Mapping[str, FmctlError], now: datetime, source: str, warnings: Sequence[str] = ()
) -> Answer:
    """One row per cluster, each with when it was looked at and from where; of one that could not be, why."""
    rows = [_status(one, now, source) for one in found] + [_unseen(*one, now, source) for one in failed.items()]
    doubts = (*warnings, *(warning for one in found for warning in one.warnings))
    document: StatusDocument = envelope("status", {"clusters": rows}, warnings=doubts)
    said = tuple(document["warnings"])
    return Answer(document, document["result"]["clusters"], lambda: _status_report(document), said)


def _unseen(name: str, error: FmctlError, now: datetime, source: str) -> StatusRow:
    return {
        "cluster": name,
        "condition": "unknown",
        "stack_status": None,
        "stack_reason": None,
        "instance": None,
        "wanted_nodes": None,
        "nodes": {},
        "spent_at_most_usd": None,
        "lines": [],
        "cap_usd": None,
        "end": None,
        "end_holds": None,
        "left_h": None,
        "locked_by": None,
        "unsettled": [],
        "trouble": f"{error.what}: {error.why}" if error.why else error.what,
        "next": error.next or f"fmctl status {name}",
        "over": False,
        "leftovers": [],
        "seen_at": _utc(now),
        "seen_from": source,
    }


def _status(one: Status, now: datetime, source: str) -> StatusRow:
    nodes: dict[str, int] = {}
    for node in one.nodes:
        key = f"{node.role} {node.state}"
        nodes[key] = nodes.get(key, 0) + 1
    return {
        "cluster": one.name,
        "condition": one.condition.value,
        "stack_status": one.state.status if one.state else None,
        "stack_reason": one.state.reason if one.state else None,
        "instance": one.record.instance if one.record else None,
        "wanted_nodes": one.record.nodes if one.record else None,
        "nodes": nodes,
        "spent_at_most_usd": one.spent_usd,
        "lines": [_line(line, one.up_h) for line in one.record.lines] if one.record else [],
        "cap_usd": one.cap_usd,
        "end": _iso(_end(one)),
        "end_holds": None if one.end is None else one.end.holds,
        "left_h": _left_h(one, now),
        "locked_by": one.locked_by or None,
        "unsettled": list(one.unsettled),
        "trouble": one.trouble or None,
        "next": one.next,
        "over": one.over,
        "leftovers": [leftover_row(left) for left in one.leftovers],
        "seen_at": _utc(now),
        "seen_from": source,
    }


def _end(one: Status) -> datetime | None:
    """When it is deleted; of one that went by itself when that was to be."""
    if one.end is not None:
        return one.end.at
    return one.record.end if one.over and one.record is not None else None


def _left_h(one: Status, now: datetime) -> float | None:
    at = one.end.at if one.end is not None and one.end.holds else None
    return None if at is None else max((at - now).total_seconds(), 0.0) / 3600.0


def leftover_row(left: Leftover) -> LeftoverRow:
    """Something that outlived its cluster, as documents state it."""
    return {
        "kind": left.kind,
        "id": left.id,
        "usd_per_day": left.usd_per_day,
        "command": left.command,
        "why": left.why or None,
    }


def leftovers_table(rows: Sequence[LeftoverRow]) -> Table | None:
    """What is left, what it costs, how it goes; None where nothing is."""
    cells = tuple((one["kind"], one["id"], usd(one["usd_per_day"]), one["command"]) for one in rows)
    columns = (Column("left"), Column("id"), Column("a day", "right"), Column("to remove it", keep=1))
    return Table(columns, cells) if rows else None


def _line(line: CostLine, up_h: float) -> CostLineRow:
    spent = None if line.usd_per_h is None else line.usd_per_h * up_h
    return {"name": line.name, "usd_per_h": line.usd_per_h, "spent_at_most_usd": spent, "why": line.why or None}


def _status_report(document: StatusDocument) -> Report:
    rows = document["result"]["clusters"]
    cells = tuple(
        (
            row["cluster"],
            "over" if row["over"] else row["condition"],
            ", ".join(f"{n} {what}" for what, n in row["nodes"].items()) or "none",
            usd(row["spent_at_most_usd"]),
            usd(row["cap_usd"]),
            (row["end"] or "none")[:16].replace("T", " "),
            "" if row["left_h"] is None else f"{row['left_h']:.1f} h",
            row["next"],
        )
        for row in rows
    )
    columns = (
        Column("cluster"),
        Column("state"),
        Column("nodes", keep=1),
        Column("spent at most", "right"),
        Column("cap", "right", keep=1),
        Column("ends (UTC)", keep=3),
        Column("left", "right", keep=2),
        Column("next", keep=4),
    )
    sections = [Section(table=Table(columns, cells))] if rows else [Section(lines=("no clusters",))]
    if len(rows) == 1 and rows[0]["lines"]:
        sections.append(_cost_lines(rows[0]["lines"]))
    trouble = tuple(f"{row['cluster']}: {row['trouble']}" for row in rows if row["trouble"])
    sections += [Section("Trouble", lines=trouble)] if trouble else []
    sections += [Section(table=table) for row in rows if (table := leftovers_table(row["leftovers"])) is not None]
    seen = rows[0]["seen_at"][:19].replace("T", " ") if rows else ""
    if rows:
        sections.append(Section(lines=(f"seen {seen} UTC, {rows[0]['seen_from']}",)))
    return Report(plural(len(rows), "cluster"), tuple(sections))


def _cost_lines(lines: Sequence[CostLineRow]) -> Section:
    """What each line costs; one without a price says why and is in no sum."""
    cells = tuple(
        (one["name"], usd(one["usd_per_h"]), usd(one["spent_at_most_usd"]), one["why"] or "") for one in lines
    )
    columns = (Column("cost"), Column("an hour", "right"), Column("at most so far", "right"), Column("", keep=1))
    return Section(table=Table(columns, cells))
