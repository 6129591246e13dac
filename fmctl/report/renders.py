"""`render` as document, rows and text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fmctl.domain.cluster import ClusterSpec
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Document, Report, Section
from fmctl.report.words import plural
from fmctl.targets.rendering import Rendering

if TYPE_CHECKING:
    from fmctl.domain.rows.render import RenderDocument


def render_answer(rendering: Rendering, spec: ClusterSpec, rank: int, warnings: tuple[str, ...]) -> Answer:
    """The files with their digest; one row per file."""
    document: RenderDocument = envelope(
        "render", _result(rendering, spec), inputs=_inputs(spec, rank),
        provenance={"price_date": spec.price_date or None}, warnings=(*warnings, *rendering.warnings),
    )  # fmt: skip
    rows = document["result"]["files"]
    return Answer(document, rows, lambda: _report(document), tuple(document["warnings"]))


def file_text(files: Mapping[str, str]) -> str:
    """All files one after another, each under a comment with its name."""
    return "\n".join(f"# ==> {name} <==\n{text}" for name, text in files.items())


def written_line(rendering: Rendering, spec: ClusterSpec, folder: str) -> str:
    """What was written, in a line."""
    return f"wrote {', '.join(rendering.files)} for {spec.name} to {folder} ({rendering.digest[:19]})"


def _inputs(spec: ClusterSpec, rank: int) -> Document:
    return {
        "plan": spec.plan,
        "plan_digest": spec.plan_digest,
        "rank": rank,
        "cluster": spec.name,
        "region": spec.site.region,
        "purchase": spec.capacity.purchase,
        "reservation": spec.capacity.reservation_id,
        "max_hours": spec.max_hours,
        "idle_minutes": spec.idle_minutes,
        "static": spec.capacity.static,
        "efa": spec.efa,
    }


def _result(rendering: Rendering, spec: ClusterSpec) -> dict[str, object]:
    return {
        "cluster": spec.name,
        "region": spec.site.region,
        "model": spec.row["model"],
        "framework": spec.row["framework"],
        "instance": spec.instance,
        "nodes": spec.nodes,
        "usd_per_h": spec.usd_per_h,
        "files": [{"name": name, "text": text} for name, text in rendering.files.items()],
        "digest": rendering.digest,
    }


def _report(document: RenderDocument) -> Report:
    result = document["result"]
    title = f"{result['cluster']}: {plural(result['nodes'], 'node')} of {result['instance']} in {result['region']}"
    sections = (Section(one["name"], code=one["text"]) for one in result["files"])
    return Report(title, tuple(sections))
