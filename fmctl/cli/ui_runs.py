"""A job that the session follows: its log read from where one was, held against its plan's row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmctl.cli.rendering import plan_document, shared_store
from fmctl.cli.services import Services
from fmctl.config import Settings
from fmctl.tui.running import Measured

if TYPE_CHECKING:
    from fmctl.adapters.slurm import Slurm
    from fmctl.cluster.records import Record


class Following:
    """One job of one cluster. It keeps a summary and a curve, and nothing of the log itself."""

    def __init__(self, record: Record, job: int, services: Services, settings: Settings) -> None:
        """Raises UnknownName, UsageError where the plan of the cluster is not there any more, or has no such row."""
        from fmctl.cli.ui_clusters import plan_row
        from fmctl.progress.compare import job_of
        from fmctl.progress.formats import Parser
        from fmctl.progress.series import Series
        from fmctl.progress.summary import Summary

        document, _ = plan_document(record.plan, shared_store(settings, services))
        self._plan, self._job = record.plan, job
        rank, self._row = plan_row(document, record)
        self.command = ["progress", record.plan, "--cluster", record.name, "--job", str(job)]
        self.command += ["--rank", str(rank)] if rank > 1 else []
        self._parser = Parser(job_of(self._row), source=f"job {job}")
        self._summary, self._series = Summary(self._parser.job), Series(self._parser.job)
        self._offset = 0
        self._architecture = services.catalogue.load_instance(record.instance).accelerator.architecture

    def read(self, slurm: Slurm) -> Measured:
        """What the log has gained is added; the answer of `progress`."""
        from fmctl.report.progress import progress_answer

        found = slurm.job(self._job)
        while True:
            text, after = slurm.output(found, self._offset)
            whole = text.rfind(b"\n") + 1
            items = list(self._parser.block(text[:whole]))
            self._summary.add_all(items)
            self._series.add_all(items)
            self._offset = after - (len(text) - whole)
            if not whole:
                break
        answer = progress_answer(
            self._plan, self._row, self._summary.progress(), self._architecture, self._parser.source
        )
        return Measured(answer, self._series.points, self.command)
