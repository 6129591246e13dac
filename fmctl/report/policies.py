"""`policy` as document, rows and text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.policy import Granted, Statement, size
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Document, Report, Section, Table, facts
from fmctl.report.words import plural

if TYPE_CHECKING:
    from fmctl.domain.rows.policy import PolicyDocument, PolicyStatement

_WHO = {
    "operator": "whoever runs fmctl for it",
    "end": "the role that deletes it at its end",
    "head": "its head node",
    "compute": "its compute nodes",
}


def policy_answer(who: str, spec: ClusterSpec, granted: Granted, warnings: tuple[str, ...]) -> Answer:
    """The policies, one row per statement."""
    document: PolicyDocument = envelope(
        "policy",
        {
            "cluster": spec.name,
            "region": spec.site.region,
            "account": str(spec.site.account),
            "documents": list(granted.documents()),
            "managed": list(granted.managed),
            "statements": [_statement(one) for one in granted.statements],
            "notes": list(granted.notes),
        },
        inputs={"plan": spec.plan, "plan_digest": spec.plan_digest, "who": who, "cluster": spec.name},
        provenance={},
        warnings=warnings,
    )
    rows = document["result"]["statements"]
    return Answer(document, rows, lambda: _report(document, granted), tuple(document["warnings"]))


def _statement(one: Statement) -> Document:
    made = one.as_document()
    return {
        "sid": one.sid,
        "why": one.why,
        "steps": list(one.steps),
        "actions": made["Action"],
        "resources": made["Resource"],
        "condition": made.get("Condition"),
    }


def _report(document: PolicyDocument, granted: Granted) -> Report:
    result, who = document["result"], document["inputs"]["who"]
    sizes = [f"{size(one):,}" for one in granted.documents()]
    said = facts(
        ("who", _WHO[who]),
        ("account", result["account"]),
        ("region", result["region"]),
        ("policies", f"{plural(len(sizes), 'document')} of {', '.join(sizes)} characters (-o json: result.documents)"),
        *(("beside", one) for one in result["managed"]),
    )
    sections = (Section(table=said, lines=granted.notes), *(_section(one) for one in result["statements"]))
    return Report(f"{result['cluster']}: what {who} may do", sections)


def _section(one: PolicyStatement) -> Section:
    words: Table = facts(
        ("for", one["why"]),
        *([("steps", ", ".join(one["steps"]))] if one["steps"] else []),
        ("may", " ".join(one["actions"])),
        *(("on", each) for each in one["resources"]),
        *([("where", json.dumps(one["condition"]))] if one["condition"] else []),
    )
    return Section(one["sid"], table=words)
