"""A run that is followed: its log, its plan, its cluster's cost, metrics of its nodes; for `progress` and exporter."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import typer

from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError, OperationTimeout, ServiceUnavailable, UnreadableFile, UsageError, shorten
from fmctl.base.units import parse_count, parse_duration_s
from fmctl.cli.rendering import plan_document, shared_store
from fmctl.usecases.options import Aws, Nodes, Run, head_named

if TYPE_CHECKING:
    from fmctl.observe.measured import Measured, Source
    from fmctl.operate.records import Record
    from fmctl.progress.feeds import Feed
    from fmctl.progress.state import Progress
    from fmctl.report.known import Known
    from fmctl.report.view import Answer
    from fmctl.usecases.services import Services

# assumed: how often metrics are asked for again while a run is followed; they change over minutes.
MEASURE_S = 60.0
# assumed: how much reading is done again, at most, by who starts again after a crash.
KEEP_S = 10.0


class Beside:
    """What is known beside a log: asked at any time, and never a reason to fail.

    Args:
        row: of the plan.
        source: of metrics; None: not asked for.
        label: the cluster's name among metrics.
        since_s: how far back metrics are looked at; None: to the log's beginning.
        record: of the cluster; None where it is not known.
        now: the clock.
    """

    def __init__(
        self, row: Mapping[str, Any], source: "Source | None", label: str, since_s: float | None,
        record: "Record | None", now: Callable[[], datetime], warnings: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self._row, self._source, self.label, self._since_s = row, source, label, since_s
        self._record, self._now, self._warnings = record, now, warnings
        self.limit_w: float | None = None

    @property
    def asks(self) -> bool:
        """Whether there is a Prometheus to ask."""
        return self._source is not None

    def measure(self, found: "Progress") -> "Measured | None":
        """Metrics in the time of the run; a log without a clock has none, but where --since says how long."""
        from fmctl.observe.measured import Measured, Window, measure

        if self._source is None:
            return None
        end = self._now().timestamp() if found.last_at is None else found.last_at
        start = found.began_at if self._since_s is None else end - self._since_s
        if start is None:
            why = "Prometheus was not asked: the log has no clock yet; --since 1h takes the last hour"
            return Measured(self.label, Window(end, end), {}, {}, None, 0, (why,))
        return measure(self._source, self.label, Window(start, end), self._row["gpus"], self.limit_w)

    def known(self, measured: "Measured | None", at: float | None) -> "Known":
        """All of it, with the cost until a time (s since 1970; None: now)."""
        from fmctl.report.known import Known

        record, until = self._record, self._now().timestamp() if at is None else at
        spent = None if record is None else _spent(record, until)
        ends = [datetime.fromisoformat(str(one["end"])) for one in (self._row.get("whole_run") or {}).get("blocks", ())]
        known_ends = ends[-1:] + ([] if record is None else [record.end])
        return Known(
            measured=measured,
            spent_usd=spent,
            usd_per_h=None if record is None else record.hourly_usd,
            ends_at=min((one.timestamp() for one in known_ends), default=None),
            warnings=self._warnings,
        )


def _spent(record: "Record", until: float) -> float | None:
    """Hours since the cluster began at what it costs; as counted, where it is gone."""
    if record.spent_usd is not None or record.hourly_usd is None:
        return record.spent_usd
    return record.hourly_usd * max(min(until, record.end.timestamp()) - record.began.timestamp(), 0.0) / 3600.0


class Followed:
    """One run as it goes on.

    `trouble` is why the log could not be read the last time; None where it could.
    """

    def __init__(
        self, plan: str, row: Mapping[str, Any], instance: Any, feed: "Feed", beside: Beside, state: str | None = None
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

    def _measure(self, found: "Progress") -> None:
        self.measured = self.beside.measure(found)

    def answer(self) -> "Answer":
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


def followed(
    ctx: typer.Context,
    plan_name: str,
    run: Run,
    nodes: Nodes,
    settings: Settings,
    aws: Aws,
    head: str | None,
) -> Followed:
    """What the options name, nothing read yet. Raises UsageError, UnreadableFile."""
    if (run.log is None) == (run.job is None):
        raise UsageError("it is not said which run", why="one of --log and --job names it", next="--log train.log")
    from fmctl.progress.compare import job_of
    from fmctl.progress.feeds import FileFeed, JobFeed
    from fmctl.progress.formats import Parser
    from fmctl.targets.parallelcluster.spec import cluster_name
    from fmctl.targets.parallelcluster.spec import plan_name as plan_named

    document, _ = plan_document(plan_name, shared_store(settings, ctx.obj, aws.store))
    row = row_for(document, run.rank)
    parser = Parser(job_of(row), source=run.log or f"job {run.job}")
    name = plan_named(document, Path(plan_name).stem)
    beside = _beside(ctx, cluster_name(name), row, run, nodes, settings, aws)
    feed: Feed
    if run.log is not None:
        feed = FileFeed(run.log, parser)
    else:
        from fmctl.adapters.slurm.commands import Slurm

        number = parse_count(str(run.job), what="--job")
        slurm = Slurm(ctx.obj.operations.head(settings, aws.options(), head_named(head, settings), run.cluster))
        feed = JobFeed(slurm, slurm.job(number), parser, time.monotonic)
    instance = ctx.obj.catalogue.load_instance(row["instance"])
    beside.limit_w = instance.accelerator.power_w
    return Followed(plan_name, row, instance, feed, beside, run.state)


def row_for(document: Mapping[str, Any], rank: str | None) -> Mapping[str, Any]:
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


def _beside(
    ctx: typer.Context,
    usual: str,
    row: Mapping[str, Any],
    run: Run,
    nodes: Nodes,
    settings: Settings,
    aws: Aws,
) -> Beside:
    """usual: the cluster's name as `observe render` makes it from the plan's."""
    record, warnings = None, []
    if run.cluster is not None:
        from fmctl.operate.records import check_name, read_record

        check_name(run.cluster)
        try:
            record = read_record(ctx.obj.operations.store(settings, aws.options()), run.cluster)
        except FmctlError as error:
            warnings.append(f"what {run.cluster} has cost is not known: {error.what}")
    return beside_for(row, run.cluster or usual, nodes, record, (ctx.obj, settings), tuple(warnings))


def beside_for(
    row: Mapping[str, Any], cluster: str, nodes: Nodes, record: "Record | None", asked: "tuple[Services, Settings]",
    warnings: tuple[str, ...] = (),
) -> Beside:  # fmt: skip
    """What is known beside the log of a run on that cluster. Raises UsageError."""
    from fmctl.domain.checked import checked

    services, settings = asked
    url = nodes.prometheus if nodes.prometheus is not None else settings.text("prometheus_url")
    since_s = None if nodes.since is None else parse_duration_s(nodes.since, what="--since")
    source = None if url is None else services.prometheus(url)
    label = checked("cluster", nodes.metrics_cluster or cluster, "cluster name")
    return Beside(row, source, label, since_s, record, services.now, warnings)
