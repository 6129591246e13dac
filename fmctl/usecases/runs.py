"""`report` and `note`: the record of a training run, brought up to date and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, cast

from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError, UnknownName, UsageError
from fmctl.operate.runs import Run, known_runs, read_run, write_run
from fmctl.usecases.beside import beside_for
from fmctl.usecases.following import items_of_file, items_of_job
from fmctl.usecases.operator import operator
from fmctl.usecases.options import Aws, Nodes
from fmctl.usecases.places import Places
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.job import Job
    from fmctl.domain.logged import Item
    from fmctl.domain.ports import Head
    from fmctl.domain.rows.progress import ProgressDocument
    from fmctl.domain.rows.run import RunJob
    from fmctl.operate.state import StateStore
    from fmctl.progress.formats import Parser
    from fmctl.report.view import Answer

# What is brought up to date before a cluster goes: so many of its runs, in so long. It stops no teardown, but GPUs run.
_NEWEST, _LONGEST_S = 20, 60.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reach:
    """How runs, their clusters and metrics are reached."""

    services: Services
    settings: Settings
    aws: Aws
    how: str  # to a head node
    nodes: Nodes = field(default_factory=Nodes)

    def store(self) -> StateStore:
        """Where records are kept."""
        return self.services.operations.store(self.settings, self.aws.options())

    def head(self, cluster: str) -> Head:
        """The head node of a cluster."""
        options = Places(self.services, self.settings, self.aws).options(cluster)
        return self.services.operations.head(self.settings, options, self.how, cluster)


def report(run_name: str, reach: Reach, log: str | None, offline: bool) -> Answer:
    """All that is on record of a run, brought up to date first. Raises UnknownName, UsageError."""
    from fmctl.report.record import report_answer

    if offline and log is not None:
        raise UsageError("--offline and --log exclude each other", why="a log is something to ask")
    store = reach.store()
    run = read_run(store, run_name)
    warnings: tuple[str, ...] = ()
    settled = run.over and run.log is not None and log is None
    if not offline and not settled:
        run, warnings = brought_up(run, reach, store, log)
    known = known_runs(store)
    return report_answer(run, known.runs, (*warnings, *known.warnings))


def recorded(names: Sequence[str], store: StateStore) -> Answer:
    """A run as last brought up to date, or two of them field by field. Raises UnknownName."""
    from fmctl.report.record import report_answer, runs_diff_answer

    first = read_run(store, names[0])
    if len(names) > 1:
        return runs_diff_answer((first, read_run(store, names[1])))
    known = known_runs(store)
    return report_answer(first, known.runs, known.warnings)


def note(run_name: str, quality: Sequence[str], text: str | None, reach: Reach) -> Answer:
    """A run with figures of quality, or words, added to its record. Raises UnknownName, UsageError."""
    from fmctl.operate.runs import figure, noted
    from fmctl.report.record import note_answer

    if not quality and not text:
        raise UsageError("there is nothing to note", next=f"fmctl note {run_name} --quality mmlu=0.652")
    figures = dict(figure(word) for word in quality)
    store = reach.store()
    changed = noted(read_run(store, run_name), reach.services.now(), operator(), figures, text)
    write_run(store, changed)
    return note_answer(changed)


def bring_up_to_date(cluster: str, reach: Reach, say: Callable[[str], None]) -> None:
    """Read job and log of each of a cluster's newest runs that is not over, for soon nobody can; what fails is said."""
    from time import monotonic

    from fmctl.operate.runs import runs_of

    store, until = reach.store(), monotonic() + _LONGEST_S
    known = runs_of(store, cluster, _NEWEST)
    for text in known.warnings:
        say(f"warning: {text}")
    unfinished = [run for run in known.runs if run.job is not None and not (run.over and run.log is not None)]
    head = reach.head(cluster) if unfinished else None
    for run in unfinished:
        if monotonic() > until:
            say(f"warning: {run.name} and what is older were left as they are: there was no more time")
            return
        _, warnings = brought_up(run, reach, store, None, head)
        for text in warnings:
            say(f"warning: {text}")


def brought_up(
    run: Run, reach: Reach, store: StateStore, log: str | None, head: Head | None = None
) -> tuple[Run, tuple[str, ...]]:
    """The run as it is now, kept; where nobody answers as it was, and why. head: that of its cluster, where known."""
    if run.job is None:
        return run, (f"{run.name} has no job: its submission was refused or lost; fmctl submit tries again",)
    try:
        found, warnings = _read(run, store, reach, log, head)
    except FmctlError as error:
        if log is not None:
            raise
        why = f"{error.what}{f': {error.why}' if error.why else ''}"
        return run, (f"{run.name} is as of {run.seen_at or 'its submission'}: {why}",)
    write_run(store, found)
    return found, warnings


def _read(run: Run, store: StateStore, reach: Reach, log: str | None, head: Head | None) -> tuple[Run, tuple[str, ...]]:
    """The run with what job, log and metrics say now, and what could not be had."""
    from fmctl.operate.records import read_record
    from fmctl.operate.runs import cost_of, energy_of, job_facts, job_of_facts, parent_of, with_cluster
    from fmctl.progress.chronicle import Chronicle
    from fmctl.progress.compare import job_of
    from fmctl.progress.formats import Parser
    from fmctl.progress.summary import Summary
    from fmctl.report.progress import progress_answer

    known = run.job
    assert known is not None, "a run without a job has no log"
    parser = Parser(job_of(run.row), source=log or f"job {known['id']}")
    summary, kept = Summary(parser.job), Chronicle(parser.job)
    job, items = _job_and_log(run, None if log is not None else head or reach.head(run.cluster), log, parser)
    summary.add_all(kept.listening(items))
    told = kept.as_dict()
    if job is None:
        job = job_of_facts(known, told["starts"])
    record = read_record(store, run.cluster)
    instance = reach.services.catalogue.load_instance(run.row["instance"])
    progress = summary.progress()
    beside = beside_for(run.row, run.cluster, reach.nodes, record, (reach.services, reach.settings))
    beside.limit_w = instance.accelerator.power_w
    metrics = beside.known(beside.measure(progress), progress.last_at)
    answer = progress_answer(run.plan, run.row, progress, instance, parser.source, metrics)
    result = cast("ProgressDocument", answer.document)["result"]
    power = next(one for one in result["figures"] if one["name"] == "power_w")
    now: datetime = reach.services.now()
    found = replace(
        with_cluster(run, record),
        job=_known_of(known, job_facts(job)),
        log=told,
        measured=result,
        cost=cost_of(run.row, told["starts"], record),
        energy=energy_of(run.row, told["starts"], power["measured"]),
        seen_at=now.isoformat(timespec="seconds"),
    )
    return replace(found, parent=parent_of(found, lambda: known_runs(store).runs)), answer.warnings


def _known_of(before: RunJob, now: RunJob) -> RunJob:
    """What Slurm says now, and what it said before where it says nothing any more."""
    return cast("RunJob", {**before, **{name: value for name, value in now.items() if value is not None}})


def _job_and_log(run: Run, head: Head | None, log: str | None, parser: Parser) -> tuple[Job | None, Iterator[Item]]:
    """(the job, None where Slurm has forgotten it; items of its log)."""
    if head is None:
        return None, items_of_file(str(log), parser)
    from fmctl.adapters.slurm.commands import Slurm
    from fmctl.operate.runs import job_of_facts

    slurm, known = Slurm(head), run.job
    assert known is not None, "a run without a job has no log"
    try:
        job: Job | None = slurm.job(int(known["id"]), run.token)
    except UnknownName:
        job = None
    return job, items_of_job(slurm, job or job_of_facts(known), parser)
