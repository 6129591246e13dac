"""The record of a training run as document, tables and plots: what ran, who, when, from what, at what cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from fmctl.operate.runs import Run
from fmctl.report.diffs import diff_answer
from fmctl.report.envelope import envelope
from fmctl.report.progress import against_the_plan
from fmctl.report.view import Answer, Column, Plot, Report, Section, Table, by_name, facts, numbers
from fmctl.report.words import compact_layout, say

if TYPE_CHECKING:
    from fmctl.domain.rows.operations import RunRow
    from fmctl.domain.rows.progress import ProgressResult
    from fmctl.domain.rows.results import EstimateRow
    from fmctl.domain.rows.run import (
        Artefact,
        Note,
        NoteDocument,
        Quality,
        ReportDocument,
        ReportResult,
        RunLog,
        RunRecord,
        Saves,
        Start,
    )
    from fmctl.report.diffs import Side

# What a start records, as people call it; those of the first part are what the run is made of.
_MADE_OF = {
    "image": "container image", "image_digest": "container digest", "code": "code (commit)",
    "code_changes": "changes since that commit", "data": "data", "data_manifest": "data manifest",
    "data_files": "data files", "packages": "packages", "packages_digest": "all packages", "driver": "GPU driver",
    "efa_installer": "EFA installer",
}  # fmt: skip
# What an auditor asks, and how to have it recorded next time.
_ASKED = {
    "image_digest": "container digest: a squashfs file or IMAGE@sha256:... in JOB_IMAGE",
    "code": "code version: a git checkout in JOB_FOLDER",
    "data_manifest": "digest of the data's content: a list of digests in JOB_MANIFEST",
    "packages_digest": "packages: a Python on the nodes that can list them",
}
_MADE_WITH = ("image_digest", "code", "code_changes", "packages_digest")
_CURVES = (("loss", "loss"), ("step_s", "step time"), ("mfu", "MFU"), ("memory_bytes", "peak memory"))
_MOST_SAVES = 8


def report_answer(run: Run, others: Sequence[Run], warnings: Sequence[str] = ()) -> Answer:
    """Everything that is kept of a run, and what follows from it beside the other runs of its store."""
    log = run.log
    starts = [] if log is None else log["starts"]
    result = {
        "run": run.as_dict(),
        "artefacts": list(_artefacts(run, starts)),
        "same_artefacts": [one.name for one in others if one.name != run.name and _same(one, run)],
        "children": [one.name for one in others if one.parent == run.name],
        "missing": [said for name, said in _ASKED.items() if starts and not any(name in s["facts"] for s in starts)],
    }
    document: ReportDocument = envelope("report", result, inputs={"run": run.name}, warnings=warnings)
    return Answer(document, [_row(document["result"]["run"])], lambda: report_of(document), tuple(warnings))


def note_answer(run: Run) -> Answer:
    """A run's figures and words."""
    result = {"run": run.name, "quality": run.quality, "notes": list(run.notes)}
    document: NoteDocument = envelope("note", result, inputs={"run": run.name})

    def report() -> Report:
        return Report(f"{run.name}: noted", tuple(_quality(document["result"]["quality"], document["result"]["notes"])))

    return Answer(document, [document["result"]], report)


# What differs between any two runs and says nothing, or is too long to compare.
_OWN = frozenset({"name", "token", "seen_at", "submitted_at", "folder", "log", "measured", "row", "inputs", "notes"})


def runs_diff_answer(runs: tuple[Run, Run], *, every: bool = False) -> Answer:
    """What two runs were made of, what came of them, and what was measured, field by field."""
    sides: list[Side] = [
        {
            "warnings": (),
            "inputs": one.inputs,
            "result": {
                **{name: value for name, value in one.as_dict().items() if name not in _OWN},
                **{
                    f"row.{name}": by_name(one.row)[name]
                    for name in ("model", "instance", "nodes", "framework", "layout")
                },
                "last_start": one.starts[-1]["facts"] if one.starts else {},
                "starts": len(one.starts),
                "measured": {f["name"]: f["measured"] for f in (one.measured["figures"] if one.measured else ())},
                "quality": {name: each["value"] for name, each in _figures(one.as_dict()).items()},
            },
        }
        for one in runs
    ]
    return diff_answer((runs[0].name, runs[1].name), (sides[0], sides[1]), every=every, ranked=False)


def run_row(run: Run) -> RunRow:
    """A run as one flat row, for lists."""
    return {**_row(run.as_dict()), "state": run.state}


def _row(run: RunRecord) -> RunRow:
    """The same of a document's run."""
    job, cost = run["job"], run["cost"]
    state = run["measured"]["state"] if run["measured"] else None
    return {
        "run": run["name"], "state": job.get("state", "not submitted") if job else "not submitted",
        "cluster": run["cluster"], "job": job.get("id") if job else None, "plan": run["plan"],
        "model": run["row"]["model"], "instance": run["row"]["instance"], "nodes": run["row"]["nodes"],
        "submitted_at": run["submitted_at"], "submitted_by": run["submitted_by"],
        "step": state.get("last_step") if state else None,
        "total_steps": state.get("total_steps") if state else None, "loss": state.get("loss") if state else None,
        "starts": len(run["log"]["starts"]) if run["log"] else None, "usd": cost["usd"] if cost else None,
        "config_digest": run["config_digest"], "parent": run["parent"], "seen_at": run["seen_at"],
    }  # fmt: skip


def runs_section(rows: Sequence[RunRow]) -> Section:
    """A table of runs, newest first."""
    cells = tuple(
        (
            row["run"], row["state"], f"{row['nodes']} x {row['instance']}", row["plan"], _minute(row["submitted_at"]),
            _steps(row["step"], row["total_steps"]),
            "" if row["usd"] is None else f"${row['usd']:,.2f}", row["submitted_by"],
        )
        for row in rows
    )  # fmt: skip
    columns = (
        Column("run"), Column("state"), Column("nodes", keep=2), Column("plan", keep=1), Column("submitted (UTC)"),
        Column("step", "right"), Column("at most", "right", keep=1), Column("by", keep=1),
    )  # fmt: skip
    return Section("Runs", Table(columns, cells))


def report_of(document: ReportDocument) -> Report:
    """The record for people."""
    result = document["result"]
    run = result["run"]
    row, log, measured = run["row"], run["log"], run["measured"]
    sections = [Section(table=facts(*_head(run)))]
    if measured is not None:
        sections += against_the_plan(measured)
    if log is not None:
        sections += [Section("Curves", plots=tuple(_plots(row, log, measured)))] if log["curves"] else []
        sections += list(_starts(log["starts"]))
        sections += list(_saves(log["checkpoints"]))
    sections.append(Section("Money and energy", facts(*_money(run))))
    sections += list(_quality(_figures(run), run["notes"]))
    sections.append(Section("What it was made of", _made_of(result)))
    if run["variables"]:
        names = ", ".join(run["variables"])
        sections.append(Section(lines=(f"set by hand, values not kept since they may be secret: {names}",)))
    sections.append(Section("What was reused", facts(*_reused(result))))
    if result["missing"]:
        sections.append(Section("Not on record", lines=tuple(result["missing"])))
    return Report(f"{run['name']}: {row['model']} on {row['nodes']} x {row['instance']}", tuple(sections))


def _head(run: RunRecord) -> Iterator[tuple[str, ...]]:
    job, state = run["job"], run["measured"]["state"] if run["measured"] else None
    code = f"exit status {job['exit_code']}" if job and job.get("exit_code") else ""
    yield "state", job.get("state", "not submitted") if job else "not submitted", code
    yield "submitted", f"{_minute(run['submitted_at'])} UTC", f"by {run['submitted_by'] or 'somebody'}"
    if job:
        where = [run["cluster"], run["region"], f"account {run['account']}" if run["account"] else ""]
        yield "job", str(job["id"]), f"of user {job['user']} on {', '.join(filter(None, where))}"
        yield "nodes", job["nodes"] or "none yet", ""
    if state and state.get("last_step") is not None:
        yield "step", _steps(state["last_step"], state["total_steps"]), ""
    yield "plan", run["plan"], f"row {run['rank']}"
    yield "layout", compact_layout(run["row"]["layout"]), run["row"]["framework"]
    if run["seen_at"]:
        yield "brought up to date", f"{_minute(run['seen_at'])} UTC", ""


def _starts(starts: Sequence[Start]) -> Iterator[Section]:
    if not starts:
        return
    cells = tuple(
        (
            str(i), _moment(one["began_at"]), one["facts"].get("nodes", ""), _went_on(one), _number(one["last_step"]),
            _end(one, i == len(starts)),
        )
        for i, one in enumerate(starts, 1)
    )  # fmt: skip
    columns = (
        Column("start", "right"), Column("began (UTC)"), Column("nodes", keep=1), Column("went on from", "right"),
        Column("last step", "right"), Column("end"),
    )  # fmt: skip
    yield Section("Starts", Table(columns, cells))


def _end(start: Start, newest: bool) -> str:
    if start["end"] is None:
        return "" if newest else "broke off"
    return "done" if start["end"] == "0" else f"exit status {start['end']}"


def _went_on(start: Start) -> str:
    step = start["loaded_step"] if start["loaded_step"] is not None else start["facts"].get("from_step")
    return "the beginning" if step is None else f"step {int(step):,}" if str(step).isdigit() else str(step)


def _saves(saves: Saves) -> Iterator[Section]:
    if not saves["count"]:
        return
    newest = saves["kept"][-_MOST_SAVES:]
    cells = tuple((_number(one["step"]), _moment(one["at"]), str(one["start"])) for one in newest)
    columns = (Column("step", "right"), Column("written (UTC)"), Column("by start", "right"))
    shown = f", the last {len(newest)} of them" if saves["count"] > len(newest) else ""
    yield Section(f"Checkpoints: {saves['count']:,} written whole{shown}", Table(columns, cells))


def _money(run: RunRecord) -> Iterator[tuple[str, ...]]:
    cost, energy = run["cost"], run["energy"]
    if cost is not None:
        yield "running time", f"{cost['running_s'] / 3600:,.2f} h", "all starts together"
        unknown = "unknown" if cost["usd"] is None else f"${cost['usd']:,.2f}"
        yield "spent at most", unknown, f"{cost['basis']}, prices of {cost['price_date'] or 'an unknown day'}"
        if cost["predicted_usd"] is not None:
            high = cost["predicted_p90_usd"]
            upper = "" if high is None else f"to ${high:,.2f} (P90), "
            yield "planned for the whole run", f"${cost['predicted_usd']:,.2f}", f"{upper}with storage and idle time"
    if energy is not None:
        yield "energy of the nodes", f"{energy['nodes_kwh']:,.2f} kWh", energy["basis"]
        if energy["meter_kwh"] is not None:
            yield "energy at the meter", f"{energy['meter_kwh']:,.2f} kWh", "with the region's overhead, as planned"
        if energy["tco2e"] is not None:
            yield "CO2e", f"{energy['tco2e'] * 1e3:,.2f} kg", "by location, as planned"
    if cost is None and energy is None:
        yield "spent", "unknown", "its log was not read yet"


def _figures(run: RunRecord) -> Mapping[str, Quality]:
    """Figures of quality: what the log tells, and what a person said, which counts."""
    return {**(run["log"]["quality"] if run["log"] else {}), **run["quality"]}


def _quality(figures: Mapping[str, Quality], notes: Sequence[Note]) -> Iterator[Section]:
    rows = tuple(
        (name, f"{one['value']:,.6g}", _at_step(one), str(one.get("source", ""))) for name, one in figures.items()
    )
    if rows:
        columns = (Column("figure"), Column("value", "right"), Column("when"), Column("said by"))
        yield Section("Quality", Table(columns, rows))
    if notes:
        yield Section("Notes", lines=tuple(f"{_minute(one['at'])} {one['by']}: {one['text']}" for one in notes))


def _at_step(one: Quality) -> str:
    return f"step {one['step']:,}" if one.get("step") is not None else _minute(str(one.get("at") or ""))


def _artefacts(run: Run, starts: Sequence[Start]) -> Iterator[Artefact]:
    for name, said in _MADE_OF.items():
        values = list(dict.fromkeys(one["facts"][name] for one in starts if name in one["facts"]))
        if values:
            yield {"name": said, "values": values, "changed": len(values) > 1}
    yield {"name": "plan", "values": [run.plan_digest], "changed": False}
    yield {"name": "configuration", "values": [run.config_digest], "changed": False}
    for name, digest in run.files.items():
        yield {"name": name, "values": [digest], "changed": False}


def _made_of(result: ReportResult) -> Table:
    rows = tuple(
        (one["name"], one["values"][-1], "not the same at every start" if one["changed"] else "")
        for one in result["artefacts"]
    )
    return Table((Column(""), Column("", short=_brief), Column("", keep=1)), rows, header=False)


def _brief(text: str) -> str:
    """A digest by its beginning, which tells two apart."""
    head, colon, rest = text.partition("sha256:")
    return f"{head}{colon}{rest[:12]}…{rest[64:]}" if colon and len(rest) >= 64 else text


def _reused(result: ReportResult) -> Iterator[tuple[str, ...]]:
    run = result["run"]
    first = run["log"]["starts"][:1] if run["log"] else []
    step = first[0]["facts"].get("from_step") if first else None
    if step is not None:
        yield "checkpoint", f"step {step} of {run['parent'] or 'a run that this store does not know'}", ""
    yield "of the cluster", ", ".join(run["reused"]), ""
    yield "same files, image and code as", ", ".join(result["same_artefacts"]), ""
    yield "gone on from by", ", ".join(result["children"]), ""
    if step is None and not (run["reused"] or result["same_artefacts"] or result["children"]):
        known = (
            "it began anew, on what was made for it" if first else "as far as is known: its log tells of no start yet"
        )
        yield "nothing", known, ""


def _same(one: Run, other: Run) -> bool:
    """Whether two runs were of the same scripts, and of the same image, code and packages as far as recorded."""
    if one.files != other.files or not one.starts or not other.starts:
        return False
    sides = (one.starts[-1]["facts"], other.starts[-1]["facts"])
    return all(sides[0][name] == sides[1][name] for name in _MADE_WITH if all(name in side for side in sides))


def _plots(row: EstimateRow, log: RunLog, measured: ProgressResult | None) -> Iterator[Plot]:
    figures = {one["name"]: one for one in (measured["figures"] if measured else ())}
    firsts = [one["first_step"] for one in log["starts"][1:] if one["first_step"] is not None]
    marks = tuple((float(step), f"start {i}") for i, step in enumerate(firsts, 2))
    for name, title in _CURVES:
        points = tuple((float(one["step"]), numbers(one).get(name)) for one in log["curves"])
        if all(y is None for _, y in points):
            continue
        known = figures.get(name)
        expected = None
        if known is not None and known["predicted"] is not None:
            expected = (known["low"], known["predicted"], known["high"])
        yield Plot(title, "step", points, partial(_value, name), expected, marks)


def _value(name: str, value: float) -> str:
    return f"{value:,.4g}" if name == "loss" else say(name, value)


def _steps(done: int | None, whole: int | None) -> str:
    return "" if done is None else f"{done:,}" if whole is None else f"{done:,} of {whole:,}"


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _minute(text: str) -> str:
    return text[:16].replace("T", " ")


def _moment(at: float | None) -> str:
    try:
        return "" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # a log may state any time
        return "of no calendar"
