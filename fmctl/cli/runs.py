"""`report` and `note`: the record of a training run, brought up to date and read."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError, UnknownName, UsageError
from fmctl.cli.cluster_options import AwsOptions, Where
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.run_options import NodesOptions
from fmctl.cli.streams import write_stderr
from fmctl.usecases.operator import operator
from fmctl.usecases.options import Aws, Nodes, Text, head_named

if TYPE_CHECKING:
    from fmctl.domain.job import Job
    from fmctl.domain.logged import Item
    from fmctl.domain.ports import Head
    from fmctl.operate.runs import Run
    from fmctl.operate.state import StateStore
    from fmctl.progress.formats import Parser
    from fmctl.usecases.services import Services

_RunName = Annotated[str, Argument(metavar="RUN", help="A run; `fmctl history` lists them.", show_default=False)]
_LOG = "Its log on this machine; by default it is asked of the head node"
_QUALITY = "A figure of quality, NAME=NUMBER; again for more."


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Seen:
    """Where the job and its log are looked at."""

    log: Annotated[Text, Option("--log", metavar="FILE", help=_LOG, show_default=False)] = None
    offline: Annotated[bool, Option("--offline", help="As last brought up to date; ask nobody.")] = False


def report(
    ctx: typer.Context,
    run_name: _RunName,
    seen: Seen,
    nodes: NodesOptions,
    aws: AwsOptions,
    out: Output,
    head: Where = None,
) -> None:
    """What ran, who started it, when, from which artefacts, what it reused, what it cost, and how it held to its plan.

    Brought up to date first: job and log are asked of the cluster's head node where that answers, power and reasons of
    --prometheus. -o md and -o html write it with its curves; the page needs nothing else and nobody's network.
    """
    settings = settings_for(out)
    from fmctl.operate.runs import read_run, read_runs
    from fmctl.report.record import report_answer

    if seen.offline and seen.log is not None:
        raise UsageError("--offline and --log exclude each other", why="a log is something to ask")
    reach = Reach(ctx.obj, settings, aws, head_named(head, settings), nodes)
    store = reach.store()
    run = read_run(store, run_name)
    warnings: tuple[str, ...] = ()
    settled = run.over and run.log is not None and seen.log is None
    if not seen.offline and not settled:
        run, warnings = _brought_up(run, reach, store, seen.log)
    emit(report_answer(run, read_runs(store), warnings), out, settings)


def note(
    ctx: typer.Context,
    run_name: _RunName,
    aws: AwsOptions,
    out: Output,
    quality: Annotated[list[str] | None, Option("--quality", metavar="NAME=NUMBER", help=_QUALITY)] = None,
    text: Annotated[Text, Option("--text", metavar="TEXT", help="Words, signed and dated.", show_default=False)] = None,
) -> None:
    """Add final figures of quality, or words, to the record of a run."""
    settings = settings_for(out)
    from fmctl.operate.runs import figure, noted, read_run, write_run
    from fmctl.report.record import note_answer

    if not quality and not text:
        raise UsageError("there is nothing to note", next=f"fmctl note {run_name} --quality mmlu=0.652")
    figures = dict(figure(word) for word in quality or ())
    store = ctx.obj.operations.store(settings, aws.options())
    changed = noted(read_run(store, run_name), ctx.obj.now(), operator(), figures, text)
    write_run(store, changed)
    emit(note_answer(changed), out, settings)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reach:
    """How runs, their clusters and metrics are reached. how: to a head node."""

    services: "Services"
    settings: Settings
    aws: Aws
    how: str
    nodes: Nodes = field(default_factory=Nodes)

    def store(self) -> "StateStore":
        """Where records are kept."""
        return self.services.operations.store(self.settings, self.aws.options())

    def head(self, cluster: str) -> "Head":
        """The head node of a cluster."""
        return self.services.operations.head(self.settings, self.aws.options(), self.how, cluster)


def bring_up_to_date(cluster: str, reach: Reach) -> None:
    """Read job and log of each of a cluster's runs that is not over, for soon nobody can; what fails is said."""
    from fmctl.operate.runs import read_runs

    store = reach.store()
    for run in read_runs(store):
        if run.cluster == cluster and run.job is not None and not (run.over and run.log is not None):
            _, warnings = _brought_up(run, reach, store, None)
            write_stderr("".join(f"fmctl: warning: {text}\n" for text in warnings))


def _brought_up(run: "Run", reach: Reach, store: "StateStore", log: str | None) -> tuple["Run", tuple[str, ...]]:
    """The run as it is now, kept; where nobody answers as it was, and why."""
    from fmctl.operate.runs import write_run

    if run.job is None:
        return run, (f"{run.name} has no job: its submission was refused or lost; fmctl submit tries again",)
    try:
        found, warnings = _read(run, store, reach, log)
    except FmctlError as error:
        if log is not None:
            raise
        why = f"{error.what}{f': {error.why}' if error.why else ''}"
        return run, (f"{run.name} is as of {run.seen_at or 'its submission'}: {why}",)
    write_run(store, found)
    return found, warnings


def _read(run: "Run", store: "StateStore", reach: Reach, log: str | None) -> tuple["Run", tuple[str, ...]]:
    """The run with what job, log and metrics say now, and what could not be had."""
    from fmctl.cli.followed import beside_for
    from fmctl.operate.records import read_record
    from fmctl.operate.runs import cost_of, energy_of, job_facts, job_of_facts, parent_of, read_runs, with_cluster
    from fmctl.progress.chronicle import Chronicle
    from fmctl.progress.compare import job_of
    from fmctl.progress.formats import Parser
    from fmctl.progress.summary import Summary
    from fmctl.report.progress import progress_answer

    known: Any = run.job
    parser = Parser(job_of(run.row), source=log or f"job {known['id']}")
    summary, kept = Summary(parser.job), Chronicle(parser.job)
    job, items = _job_and_log(run, None if log is not None else reach.head(run.cluster), log, parser)
    summary.add_all(kept.listening(items))
    told = kept.as_dict()
    if job is None:
        job = job_of_facts(known, told["starts"])
    record = read_record(store, run.cluster) if run.cluster in _clusters(store) else None
    instance = reach.services.catalogue.load_instance(run.row["instance"])
    progress = summary.progress()
    beside = beside_for(run.row, run.cluster, reach.nodes, record, (reach.services, reach.settings))
    beside.limit_w = instance.accelerator.power_w
    metrics = beside.known(beside.measure(progress), progress.last_at)
    answer = progress_answer(run.plan, run.row, progress, instance, parser.source, metrics)
    power = next(one for one in answer.document["result"]["figures"] if one["name"] == "power_w")
    now: datetime = reach.services.now()
    found = replace(
        with_cluster(run, record),
        job={**known, **{k: v for k, v in job_facts(job).items() if v is not None}},
        log=told,
        measured=answer.document["result"],
        cost=cost_of(run.row, told["starts"], record),
        energy=energy_of(run.row, told["starts"], power["measured"]),
        seen_at=now.isoformat(timespec="seconds"),
    )
    return replace(found, parent=parent_of(found, read_runs(store))), answer.warnings


def _job_and_log(
    run: "Run", head: "Head | None", log: str | None, parser: "Parser"
) -> "tuple[Job | None, Iterator[Item]]":
    """(the job, None where Slurm has forgotten it; items of its log)."""
    from fmctl.cli.progress import items_of_file, items_of_job

    if head is None:
        return None, items_of_file(str(log), parser)
    from fmctl.adapters.slurm.commands import Slurm
    from fmctl.operate.runs import job_of_facts

    slurm, known = Slurm(head), run.job or {}
    try:
        job: Job | None = slurm.job(int(known["id"]), run.token)
    except UnknownName:
        job = None
    return job, items_of_job(slurm, job or job_of_facts(known), parser)


def _clusters(store: "StateStore") -> list[str]:
    from fmctl.operate.records import cluster_names

    return cluster_names(store)
