"""A rehearsed launch as document and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmctl.domain.cluster import ClusterSpec
from fmctl.operate.launch import Launched
from fmctl.operate.teardown import Torn
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Report, Section, Table, facts
from fmctl.targets.registry import kind

if TYPE_CHECKING:
    from fmctl.domain.rows.operations import Launch, LaunchDocument


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rehearsal:
    """What a rehearsal saw."""

    spec: ClusterSpec
    digest: str
    kinds: Mapping[str, int]  # resources by type
    launched: Launched
    status: str  # of the stack
    events: int
    took_s: float  # simulated seconds
    torn: Torn


def rehearsal_answer(seen: Rehearsal, cannot: Sequence[str], notes: Sequence[str] = ()) -> Answer:
    """What a launch would make, by type of resource, and what a rehearsal cannot prove."""
    spec = seen.spec
    cap = None if spec.usd_per_h is None else spec.usd_per_h * spec.max_hours
    result: Launch = {
        "cluster": spec.name,
        "rehearsed": True,
        "condition": str(seen.status),
        "instance": spec.instance,
        "nodes": spec.nodes,
        "usd_per_h": spec.usd_per_h,
        "cap_usd": cap,
        "config_digest": seen.digest,
        "resources": [{"type": kind, "count": count} for kind, count in sorted(seen.kinds.items())],
        "stack_events": seen.events,
        "simulated_s": seen.took_s,
        "torn_down": seen.torn.done,
        "leftovers": [f"{one.kind} {one.id}" for one in seen.torn.leftovers if "apacity" not in one.kind],
        "cannot_prove": list(cannot),
    }
    document: LaunchDocument = envelope(
        "launch", result, inputs={"cluster": spec.name}, warnings=(*notes, *seen.launched.warnings)
    )
    return Answer(document, document["result"]["resources"], lambda: _report(document), tuple(document["warnings"]))


def rehearsal_read(document: LaunchDocument) -> Answer:
    """The answer that another process gave, by its document."""
    rows = document["result"]["resources"]
    return Answer(document, rows, lambda: _report(document), tuple(document["warnings"]))


def _report(document: LaunchDocument) -> Report:
    found = document["result"]
    counts = tuple((one["type"], str(one["count"])) for one in found["resources"])
    price = "unknown" if found["usd_per_h"] is None else f"${found['usd_per_h']:,.2f} an hour"
    cap = "unknown" if found["cap_usd"] is None else f"${found['cap_usd']:,.0f}"
    head = facts(
        ("nodes", f"{found['nodes']} x {found['instance']}"),
        ("price", f"{price}; {cap} at most"),
        ("stack", f"{found['condition']}, {found['stack_events']} events, {found['simulated_s']:,.0f} simulated s"),
        ("torn down", "yes" if found["torn_down"] else "no"),
        ("left", "; ".join(found["leftovers"]) or "nothing"),
    )
    return Report(
        f"{found['cluster']}: rehearsed with the real {kind().title} in a local AWS",
        (
            Section(table=head),
            Section("Resources", Table((Column("type"), Column("count", "right")), counts)),
            Section("What a rehearsal cannot prove", lines=tuple(found["cannot_prove"])),
        ),
    )
