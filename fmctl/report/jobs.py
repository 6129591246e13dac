"""Jobs as documents, rows and tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from fmctl.domain.job import Job, SlurmNode
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Report, Section, Table, facts
from fmctl.report.words import plural
from fmctl.targets.slurm.jobs import told, trouble

if TYPE_CHECKING:
    from fmctl.domain.rows.jobs import CancelDocument, JobRow, Jobs, JobsDocument, LostNode, SubmitDocument, Submitted


def submit_answer(
    cluster: str,
    folder: str,
    files: Sequence[str],
    job: Job | None,
    made: bool,
    warnings: Sequence[str] = (),
    run: str | None = None,
) -> Answer:
    """A submitted job, or what would be submitted (`job` None). run: the name of its record."""
    result: Submitted = {
        "cluster": cluster,
        "folder": folder,
        "files": list(files),
        "dry_run": job is None,
        "submitted": made,
        "run": run,
        "job": None if job is None else job_document(job, ()),
    }
    document: SubmitDocument = envelope("submit", result, inputs={"cluster": cluster}, warnings=warnings)

    def report() -> Report:
        found = document["result"]["job"]
        if found is None:
            return Report(f"{cluster}: dry run, nothing is submitted", (Section(table=_placed(document)),))
        said = "submitted" if made else "was submitted before, and is not over"
        job_of = f"fmctl jobs {cluster}; fmctl logs {cluster} --job {found['job']} --follow"
        next_step = Section(lines=(f"next: {job_of}; fmctl report {run}",))
        return Report(f"job {found['job']} of {cluster} {said}", (Section(table=_placed(document)), next_step))

    return Answer(document, [document["result"]], report, tuple(warnings))


def _placed(document: SubmitDocument) -> Table:
    result = document["result"]
    return facts(("run", result["run"] or ""), ("folder", result["folder"]), ("files", ", ".join(result["files"])))


def jobs_answer(
    cluster: str | None, jobs: Sequence[Job], nodes: Sequence[SlurmNode], now: datetime, source: str
) -> Answer:
    """One row per job, newest first, and the nodes that are out."""
    rows = [job_document(job, nodes) for job in sorted(jobs, key=lambda job: -job.id)]
    lost: list[LostNode] = [
        {
            "node": node.name,
            "state": node.state,
            "flags": list(node.flags),
            "said": said.text,
            "next": said.next or None,
        }
        for node in nodes
        if (said := trouble(node)).text
    ]
    counts: dict[str, int] = {}
    for node in nodes:
        counts[node.state] = counts.get(node.state, 0) + 1
    result: Jobs = {
        "cluster": cluster, "jobs": rows, "nodes": counts, "trouble": lost,
        "seen_at": now.isoformat(timespec="seconds"), "seen_from": source,
    }  # fmt: skip
    document: JobsDocument = envelope("jobs", result, inputs={"cluster": cluster})
    return Answer(document, document["result"]["jobs"], lambda: _jobs_report(document))


def job_document(job: Job, nodes: Sequence[SlurmNode]) -> JobRow:
    """One job."""
    said = told(job, nodes)
    return {
        "job": job.id, "name": job.name, "state": job.state, "nodes": job.nodes or None, "node_count": job.node_count,
        "user": job.user, "submitted": _iso(job.submitted), "started": _iso(job.started), "ended": _iso(job.ended),
        "restarts": job.restarts, "exit_code": job.exit_code, "said": said.text, "next": said.next or None,
    }  # fmt: skip


def cancel_answer(cluster: str, job: Job, done: bool) -> Answer:
    """A job that was to end."""
    result = {"cluster": cluster, "cancelled": done, "job": job_document(job, ())}
    document: CancelDocument = envelope("cancel", result, inputs={"cluster": cluster, "job": job.id})
    said = "was asked to end" if done else "is over" if job.over else "was left alone"
    return Answer(document, [document["result"]["job"]], lambda: Report(f"job {job.id} {said}", ()))


def _jobs_report(document: JobsDocument) -> Report:
    result = document["result"]
    cells = tuple(
        (str(j["job"]), j["name"], j["state"].lower(), str(j["node_count"]), (j["started"] or j["submitted"] or "")[:16]
         .replace("T", " "), str(j["restarts"] or ""), j["said"], j["next"] or "")
        for j in result["jobs"]
    )  # fmt: skip
    columns = (
        Column("job", "right"), Column("name", keep=2), Column("state"), Column("nodes", "right", keep=1),
        Column("since (UTC)", keep=1), Column("restarts", "right", keep=3), Column(""), Column("next", keep=1),
    )  # fmt: skip
    found = Section(table=Table(columns, cells)) if cells else Section(lines=("no jobs",))
    out = tuple((t["node"], t["said"], t["next"] or "") for t in result["trouble"])
    lost = (
        (Section("Nodes that are out", Table((Column(""), Column(""), Column("", keep=1)), out, header=False)),)
        if out
        else ()
    )
    counted = ", ".join(f"{n} {state.lower()}" for state, n in sorted(result["nodes"].items())) or "none"
    seen = f"nodes: {counted}; seen {result['seen_at'][:19].replace('T', ' ')} UTC, {result['seen_from']}"
    title = plural(len(cells), "job") + (f" of {result['cluster']}" if result["cluster"] else "")
    return Report(title, (found, *lost, Section(lines=(seen,))))


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
