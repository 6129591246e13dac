"""What the session needs from outside, as Protocols: the command hands it in, tests hand in their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from fmctl.base.config import Settings

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.domain.rows.results import PlanDocument
    from fmctl.operate.state import StateStore
    from fmctl.tui.running import Clusters, Launching
    from fmctl.usecases.services import Services
    from fmctl.usecases.session.items import Question, Reply


Heard = Callable[["Reply"], None]


class Planning(Protocol):
    """Answers questions elsewhere: `heard` is called from another thread, never after the question was replaced."""

    def ask(self, question: Question, heard: Heard) -> int:
        """Ask; returns the number that replies carry."""

    def cancel(self, channel: str) -> None:
        """Nobody waits for that channel any more."""

    def close(self) -> None:
        """End."""


class Catalogue(Protocol):
    """The names that a form can complete."""

    def model_names(self) -> Sequence[str]:
        """All presets."""

    def instance_names(self) -> Sequence[str]:
        """All instance types."""

    def accelerator_names(self) -> Mapping[str, str]:
        """The GPU of each, by instance type."""


@dataclass(frozen=True, slots=True, eq=False)
class Core:
    """One session's world.

    `clusters` and `launching` are what the screens of the running half ask, None in a session that only plans.
    `choices` are the fixed values of options by name. `save_plan` keeps a document under a name and says where.
    `services` and `settings` are what a screen hands to the use case whose answer it shows.
    """

    settings: Settings
    planning: Planning
    catalogue: Catalogue
    choices: Mapping[str, Sequence[str]]
    now: Callable[[], datetime]
    save_plan: Callable[[str, PlanDocument], str]
    saved_plans: Callable[[], Sequence[str]]
    load_plan: Callable[[str], PlanOrEstimate]
    services: Services
    clusters: Clusters | None = None
    launching: Launching | None = None
    read_only: bool = False
    demo: bool = False

    def store(self) -> StateStore:
        """Where clusters and runs are on record."""
        return self.services.operations.store(self.settings, {})
