"""A run that is followed: its log, its plan, its cluster's cost, metrics of its nodes; for `progress` and exporter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError, OperationTimeout, ServiceUnavailable, UsageError, shorten
from fmctl.base.units import parse_count
from fmctl.domain.planrow import row_named
from fmctl.usecases.beside import Beside, beside_for
from fmctl.usecases.options import Aws, Nodes, Run, head_named
from fmctl.usecases.plans import plan_document, shared_store
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.adapters.slurm.commands import Slurm
    from fmctl.domain.hardware import Instance
    from fmctl.domain.job import Job
    from fmctl.domain.logged import Item
    from fmctl.domain.rows.results import EstimateRow
    from fmctl.observe.measured import Measured
    from fmctl.progress.feeds import Feed
    from fmctl.progress.formats import Parser
    from fmctl.progress.state import Progress
    from fmctl.report.view import Answer

# assumed: how often metrics are asked for again while a run is followed; they change over minutes.
MEASURE_S = 60.0
# assumed: how much reading is done again, at most, by who starts again after a crash.
KEEP_S = 10.0


# A new line is on the screen within a second: what is left is for reading and drawing.
POLL_S = 0.8
# assumed: a finished run whose log says nothing for so long says nothing more; a last save may take a while.
QUIET_S = 15.0
_FEW = 3
Sleep = Callable[[float], None]


class Followed:
    """One run as it goes on.

    `trouble` is why the log could not be read the last time; None where it could.
    """

    def __init__(
        self, plan: str, row: EstimateRow, instance: Instance, feed: Feed, beside: Beside, state: str | None = None
    ) -> None:
        from fmctl.progress.summary import Summary

        self.plan, self.row, self.instance, self.feed, self.beside = plan, row, instance, feed, beside
        self.summary = Summary(feed.parser.job)
        self.trouble: str | None = None
        self.measured: Measured | None = None
        self._thread: Thread | None = None
        self._asked_at = -MEASURE_S
        self._state = None if state is None else _place(state)
        self._kept_at, self._kept = time.monotonic(), 0
        if self._state is not None:
            from fmctl.progress.saved import resume

            resume(self._state, feed, self.summary)

    def read(self) -> bool:
        """Read what is new; whether there was any. Raises as the feed does."""
        before = self.summary.items
        self.summary.add_all(self.feed.read())
        self._length()
        if self.summary.items > self._kept and (not self._kept or time.monotonic() > self._kept_at + KEEP_S):
            self.keep()
        return self.summary.items > before

    def keep(self) -> None:
        """Keep what was read, where --state says where to. Raises UnwritableFile."""
        if self._state is None:
            return
        from fmctl.progress.saved import keep

        keep(self._state, self.feed, self.summary)
        self._kept_at, self._kept = time.monotonic(), self.summary.items

    def finish(self) -> None:
        """The run writes no more: a line that was begun counts, but is not kept, since it may yet be ended."""
        self.keep()
        self.summary.add_all(self.feed.finish())
        self._length()

    def _length(self) -> None:
        """The log tells its length where the plan does not."""
        self.summary.total_steps = self.summary.total_steps or self.feed.parser.total_steps

    def advance(self) -> bool:
        """Read what is new, and metrics beside that in a thread of their own; whether anything changed.

        A head node or Prometheus that does not answer for a while ends nothing.
        """
        told = self.trouble
        try:
            changed, self.trouble = self.read(), None
        except (ServiceUnavailable, OperationTimeout) as error:
            changed, self.trouble = False, f"{error.what}{f' ({error.why})' if error.why else ''}; asked again"
        return self._metrics() or changed or told != self.trouble

    def _metrics(self) -> bool:
        if not self.beside.asks:
            return False
        done = self._thread is not None and not self._thread.is_alive()
        if done:
            self._thread = None
        if self._thread is None and time.monotonic() >= self._asked_at + MEASURE_S:
            self._asked_at = time.monotonic()
            self._thread = Thread(target=self._measure, args=(self.summary.progress(),), daemon=True)
            self._thread.start()
        return done

    def _measure(self, found: Progress) -> None:
        self.measured = self.beside.measure(found)

    def answer(self) -> Answer:
        """The run so far against its plan."""
        from fmctl.report.progress import progress_answer

        found = self.summary.progress()
        known = self.beside.known(self.measured, found.last_at)
        if self.trouble is not None:
            known = replace(known, warnings=(*known.warnings, self.trouble))
        return progress_answer(self.plan, self.row, found, self.instance, self.feed.parser.source, known)


def _place(state: str) -> Path:
    try:
        return Path(state).expanduser()
    except RuntimeError as error:
        raise UsageError(f"--state {shorten(state)} cannot be used", why=str(error), next="--state FILE") from error


def follow(
    plan_name: str, run: Run, nodes: Nodes, aws: Aws, head: str | None, asked: tuple[Services, Settings]
) -> Followed:
    """What the options name, nothing read yet. Raises UsageError, UnreadableFile."""
    services, settings = asked
    if (run.log is None) == (run.job is None):
        raise UsageError("it is not said which run", why="one of --log and --job names it", next="--log train.log")
    from fmctl.progress.compare import job_of
    from fmctl.progress.feeds import FileFeed, JobFeed
    from fmctl.progress.formats import Parser
    from fmctl.targets.spec import cluster_name
    from fmctl.targets.spec import plan_name as plan_named

    document, _ = plan_document(plan_name, shared_store(settings, services, aws.store))
    row = row_named(document, run.row)
    parser = Parser(job_of(row), source=run.log or f"job {run.job}")
    name = plan_named(document, Path(plan_name).stem)
    beside = _beside(cluster_name(name), row, run, nodes, aws, asked)
    feed: Feed
    if run.log is not None:
        feed = FileFeed(run.log, parser)
    else:
        from fmctl.adapters.slurm.commands import Slurm

        number = parse_count(str(run.job), what="--job")
        slurm = Slurm(services.operations.head(settings, aws.options(), head_named(head, settings), run.cluster))
        feed = JobFeed(slurm, slurm.job(number), parser, time.monotonic)
    instance = services.catalogue.load_instance(row["instance"])
    beside.limit_w = instance.accelerator.power_w
    return Followed(plan_name, row, instance, feed, beside, run.state)


def _beside(usual: str, row: EstimateRow, run: Run, nodes: Nodes, aws: Aws, asked: tuple[Services, Settings]) -> Beside:
    """usual: the cluster's name as `observe render` makes it from the plan's."""
    services, settings = asked
    record, warnings = None, []
    if run.cluster is not None:
        from fmctl.operate.records import check_name, read_record

        check_name(run.cluster)
        try:
            record = read_record(services.operations.store(settings, aws.options()), run.cluster)
        except FmctlError as error:
            warnings.append(f"what {run.cluster} has cost is not known: {error.what}")
    return beside_for(row, run.cluster or usual, nodes, record, asked, tuple(warnings))


def watch(found: Followed, show: Callable[[Answer], None], sleep: Sleep = time.sleep) -> None:
    """Show a run at once and after every change, until it is known to be over."""
    found.read()  # what cannot be read at all is an error; later it may be a moment's
    found.advance()
    show(found.answer())
    quiet_s = 0.0
    while not is_over(found, quiet_s):
        sleep(POLL_S)
        changed = found.advance()
        quiet_s = 0.0 if changed else quiet_s + POLL_S
        if changed:
            show(found.answer())
    before = found.summary.items
    found.read()  # what came between the last reading and the end
    found.finish()
    if found.summary.items > before:
        show(found.answer())


def is_over(found: Followed, quiet_s: float) -> bool:
    """Whether the job is over; of a log, whether the last step is done and nothing came for long.

    Who trains on beyond the plan's steps writes again within a few of them.
    """
    if found.feed.over:
        return True
    progress = found.summary.progress()
    few_s = _FEW * (progress.step_s or 0.0) * (progress.interval or 1)
    return progress.finished and quiet_s > max(QUIET_S, few_s)


def items_of_file(log: str, parser: Parser) -> Iterator[Item]:
    """What a log on this machine tells. Raises UnreadableFile."""
    from fmctl.progress.feeds import FileFeed

    feed = FileFeed(log, parser)
    yield from feed.read()
    yield from feed.finish()


def items_of_job(slurm: Slurm, job: Job, parser: Parser) -> Iterator[Item]:
    """What a job's output on its cluster tells. Raises OperationFailed."""
    from fmctl.progress.feeds import JobFeed

    feed = JobFeed(slurm, job, parser, time.monotonic)
    yield from feed.read()
    yield from feed.finish()


def measured_csv(found: Followed, name: str, services: Services) -> str:
    """The run as a file of measured runs with one row."""
    from fmctl.progress.from_run import as_csv, measured_row

    row, known = found.row, services.catalogue.model_names()
    arch = services.catalogue.load_model(row["model"]) if row["model"] in known else None
    return as_csv([measured_row(row, found.summary.progress(), found.instance, name, arch)])
