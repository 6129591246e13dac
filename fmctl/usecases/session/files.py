"""What the session keeps and looks up: saved plans, models, records, by the use cases of the commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import UnknownName
from fmctl.operate import store
from fmctl.report.view import Answer, Document
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate


class Files:
    """Saved plans, models and records of one session. What a screen may never ask for is imported when it does."""

    def __init__(self, settings: Settings, services: Services) -> None:
        self._settings, self._services = settings, services

    def saved_plans(self) -> Sequence[str]:
        """Names of the saved plans."""
        return store.plan_names()

    def load_plan(self, name: str) -> PlanOrEstimate:
        """A saved plan; one that was changed since says so. Raises UnknownName, UnreadableFile."""
        from fmctl.usecases.comparing import saved

        document = saved(name)
        if document is None:
            raise UnknownName("saved plan", name, store.plan_names(), next=":plans")
        return document

    def save_plan(self, name: str, document: Document) -> str:
        """Keep a plan as `plan --save` does, and say where."""
        from fmctl.usecases.planning import check_name, keep

        check_name(name, self._services)
        return keep(name, document, self._settings, self._services)

    def models(self) -> Answer:
        """The answer of `models list`."""
        from fmctl.usecases import catalogue

        return catalogue.models(self._services.catalogue)

    def model(self, name: str) -> Answer:
        """The answer of `models show`."""
        from fmctl.usecases import catalogue

        return catalogue.model(name, self._services.catalogue)

    def history(self) -> Answer:
        """The answer of `history`."""
        from fmctl.usecases.clusters import history

        return history(self._services.operations.store(self._settings, {}))

    def run(self, names: Sequence[str]) -> Answer:
        """The answer of `report RUN --offline`, or of `diff` for two of them. Raises UnknownName."""
        from fmctl.operate.runs import read_run, read_runs
        from fmctl.report.record import report_answer, runs_diff_answer

        kept = self._services.operations.store(self._settings, {})
        first = read_run(kept, names[0])
        if len(names) > 1:
            return runs_diff_answer((first, read_run(kept, names[1])))
        return report_answer(first, read_runs(kept))
