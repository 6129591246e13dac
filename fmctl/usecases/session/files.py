"""What the session keeps and looks up: saved plans, by the use cases of the commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import UnknownName
from fmctl.operate import store
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.domain.rows.results import PlanDocument


class Files:
    """Saved plans of one session. What a screen may never ask for is imported when it does."""

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

    def save_plan(self, name: str, document: PlanDocument) -> str:
        """Keep a plan as `plan --save` does, and say where."""
        from fmctl.usecases.planning import check_name, keep

        check_name(name, self._services)
        return keep(name, document, self._settings, self._services)
