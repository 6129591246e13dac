"""A job that the session follows: its log read from where one was, held against its plan's row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import UsageError
from fmctl.domain.logged import Item
from fmctl.domain.planrow import rows_there
from fmctl.progress.curves import Curves
from fmctl.progress.feeds import JobFeed
from fmctl.usecases.beside import beside_for
from fmctl.usecases.following import Followed
from fmctl.usecases.options import Nodes
from fmctl.usecases.plans import plan_document, shared_store
from fmctl.usecases.services import Services
from fmctl.usecases.session.items import Measured

if TYPE_CHECKING:
    from fmctl.adapters.slurm.commands import Slurm
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.domain.rows.results import EstimateRow
    from fmctl.operate.records import Record


class _Drawn(JobFeed):
    """The output of a job, whose steps are a curve as well."""

    curves: Curves

    def read(self) -> Iterator[Item]:
        """See `Feed`."""
        for item in super().read():
            self.curves.add_all((item,))
            yield item


class Following:
    """One job of one cluster. It keeps a summary and a curve, and nothing of the log itself."""

    def __init__(self, record: Record, job: int, services: Services, settings: Settings, slurm: Slurm) -> None:
        """Raises UnknownName, UsageError where the plan of the cluster is not there any more, or has no such row."""
        from fmctl.progress.compare import job_of
        from fmctl.progress.formats import Parser

        document, _ = plan_document(record.plan, shared_store(settings, services))
        number, row = plan_row(document, record)
        self.command = ["progress", record.plan, "--cluster", record.name, "--job", str(job)]
        self.command += ["--row", str(number)] if number > 1 else []
        parser = Parser(job_of(row), source=f"job {job}")
        instance = services.catalogue.load_instance(record.instance)
        beside = beside_for(row, record.name, Nodes(), record, (services, settings))
        beside.limit_w = instance.accelerator.power_w
        self._feed = _Drawn(slurm, slurm.job(job), parser, time.monotonic)
        self._feed.curves = Curves(parser.job)
        self._followed = Followed(record.plan, row, instance, self._feed, beside)

    def read(self) -> Measured:
        """What the log has gained is added, metrics come beside it; the answer of `progress`."""
        self._followed.advance()
        return Measured(self._followed.answer(), self._feed.curves.points, self.command)


def plan_row(document: PlanOrEstimate, record: Record) -> tuple[int, EstimateRow]:
    """(row number, row) of a plan that a cluster runs: the first of its instance type and node count."""
    rows = rows_there(document) if document["schema"] == "fmctl.plan/1" else ()
    for number, row in enumerate(rows, 1):
        if (row["instance"], row["nodes"]) == (record.instance, record.nodes):
            return number, row
    what = f"{record.plan} has no row of {record.nodes} x {record.instance}"
    raise UsageError(what, why="it was saved again since the launch", next="fmctl progress PLAN --cluster NAME")
