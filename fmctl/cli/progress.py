"""`progress`: what a job's log tells, held against the plan that it runs."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from fmctl.cli.consent import Aws, Where, head_named
from fmctl.cli.options import Output, Text
from fmctl.cli.output import emit, settings_for
from fmctl.cli.rendering import plan_document, shared_store
from fmctl.cli.streams import write_stderr
from fmctl.errors import UnreadableFile, UsageError, shorten
from fmctl.units import parse_count

if TYPE_CHECKING:
    from fmctl.adapters.slurm import Slurm
    from fmctl.domain.job import Job
    from fmctl.progress.formats import Parser
    from fmctl.progress.items import Item

_Plan = Annotated[str, Argument(metavar="PLAN", help="A saved plan, or a plan document.", show_default=False)]
_MEASURED = "Write the run as a row of measured runs (CSV), for `calibrate --data`"


def _run(help: str, *flags: str, metavar: str) -> Any:
    return Option(*flags, metavar=metavar, help=help, rich_help_panel="Run", show_default=False)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Run:
    """Which run, and which row of the plan it runs."""

    log: Annotated[Text, _run("The job's log on this machine", "--log", metavar="FILE")] = None
    cluster: Annotated[Text, _run("The cluster, with --job", "--cluster", metavar="NAME")] = None
    job: Annotated[Text, _run("Slurm's number of the job", "--job", metavar="JOB")] = None
    rank: Annotated[Text, _run("Row of the plan (1)", "--rank", metavar="N")] = None
    measured: Annotated[Text, _run(_MEASURED, "--measured", metavar="FILE")] = None


def progress(ctx: typer.Context, plan_name: _Plan, run: Run, aws: Aws, out: Output, head: Where = None) -> None:
    """Steps, rate, memory, stalls, restarts and finish of a running job, each beside what its plan predicted.

    Reads Megatron, torchtitan, nanotron and DeepSpeed logs, and lines of JSON. Outside the predicted interval it names
    the likeliest reasons, the values they rest on, and what to try.
    """
    settings = settings_for(out)
    from fmctl.adapters.slurm import Slurm
    from fmctl.progress.compare import job_of
    from fmctl.progress.formats import Parser
    from fmctl.progress.summary import Summary
    from fmctl.report.progress import progress_answer

    if (run.log is None) == (run.job is None):
        raise UsageError("it is not said which run", why="one of --log and --job names it", next="--log train.log")
    document, _ = plan_document(plan_name, shared_store(settings, ctx.obj, aws.store))
    row = _row(document, run.rank)
    parser = Parser(job_of(row), source=run.log or f"job {run.job}")
    summary = Summary(parser.job)
    if run.log is not None:
        summary.add_all(items_of_file(run.log, parser))
    else:
        shell = ctx.obj.operations.head(settings, aws.options(), head_named(head, settings), run.cluster)
        slurm = Slurm(shell)
        summary.add_all(items_of_job(slurm, slurm.job(parse_count(str(run.job), what="--job")), parser))
    found = summary.progress()
    if run.measured is not None:
        _write_measured(ctx, row, found, plan_name, run.measured)
    instance = ctx.obj.catalogue.load_instance(row["instance"])
    emit(progress_answer(plan_name, row, found, instance.accelerator.architecture, parser.source), out, settings)


def _row(document: Mapping[str, Any], rank: str | None) -> Mapping[str, Any]:
    """The row of a plan, or the one of an estimate. Raises UsageError, UnreadableFile."""
    result = document["result"]
    if "rows" not in result:
        return dict(result)
    number = 1 if rank is None else parse_count(rank, what="--rank")
    rows = result["rows"]
    if not rows:
        raise UnreadableFile("the plan has no rows", why="nothing was found when it was made", next="fmctl plan")
    if number > len(rows):
        raise UsageError(f"there is no row {number}", why=f"the plan has {len(rows)}", next="--rank 1")
    return dict(rows[number - 1])


def items_of_file(log: str, parser: "Parser") -> "Iterator[Item]":
    """What a log on this machine tells. Raises UnreadableFile."""
    from fmctl.progress.follow import Follower

    try:
        path = Path(log).expanduser()
        there = path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, nobody's home
        there = False
    if not there:
        raise UnreadableFile(f"cannot read log {shorten(log)}", why="there is no such file", next="--log FILE")
    follower = Follower(path, parser)
    yield from follower.read()
    yield from follower.finish()


def items_of_job(slurm: "Slurm", job: "Job", parser: "Parser") -> "Iterator[Item]":
    """What a job's output on its cluster tells. Raises OperationFailed."""
    offset, partial = 0, b""
    while True:
        text, after = slurm.output(job, offset)
        if after == offset:
            break
        lines = partial + text
        ended = lines.rfind(b"\n") + 1
        yield from parser.block(lines[:ended])
        partial, offset = lines[ended:], after
    yield from parser.block(partial)


def _write_measured(ctx: typer.Context, row: Mapping[str, Any], found: Any, name: str, path: str) -> None:
    from fmctl.files import write_atomic
    from fmctl.progress.from_run import as_csv, measured_row

    services = ctx.obj
    instance = services.catalogue.load_instance(row["instance"])
    known = row["model"] in services.catalogue.model_names()
    arch = services.catalogue.load_model(row["model"]) if known else None
    write_atomic(Path(path).expanduser(), as_csv([measured_row(row, found, instance, name, arch)]))
    write_stderr(f"fmctl: wrote the run to {path}: fmctl calibrate --data {path}\n")
