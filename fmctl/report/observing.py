"""`observe render` as document, rows and text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fmctl.observe.rules import alerts
from fmctl.observe.watched import Watched
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Report, Section, Table

if TYPE_CHECKING:
    from fmctl.domain.rows.observe import ObserveDocument, ObserveResult


def observe_answer(files: Mapping[str, str], seen: Watched, plan: str, rank: int, warnings: tuple[str, ...]) -> Answer:
    """The files and the alerts in them; one row per alert. What the plan does not know is a warning."""
    inputs = {"plan": plan, "rank": rank, "cluster": seen.cluster, "run": seen.settings.run,
              "cap_usd": seen.settings.cap_usd, "efa_devices": seen.settings.efa_devices}  # fmt: skip
    document: ObserveDocument = envelope(
        "observe", _result(files, seen), inputs=inputs, warnings=(*warnings, *seen.expected.unknown)
    )
    return Answer(document, document["result"]["alerts"], lambda: _report(document), tuple(document["warnings"]))


def _result(files: Mapping[str, str], seen: Watched) -> ObserveResult:
    return {
        "cluster": seen.cluster,
        "model": seen.expected.model,
        "nodes": seen.expected.nodes,
        "gpus": seen.expected.gpus,
        "alerts": [
            {"name": one.name, "severity": one.severity, "component": one.component, "wait_s": float(one.wait_s),
             "expression": one.expression, "summary": one.summary, "next": one.next}
            for one in alerts(seen)
        ],
        "files": [{"name": name, "text": text} for name, text in files.items()],
    }  # fmt: skip


def _report(document: ObserveDocument) -> Report:
    result = document["result"]
    columns = (Column("alert"), Column("severity"), Column("about"), Column("what to do next", keep=1))
    rows = tuple((one["name"], one["severity"], one["component"], one["next"]) for one in result["alerts"])
    sections = (Section(one["name"], code=one["text"]) for one in result["files"])
    title = f"{result['cluster']}: {len(rows)} alerts for {result['model']} on {result['gpus']} GPUs"
    return Report(title, (Section("alerts", Table(columns, rows)), *sections))
