"""What a screen asks of the session around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fmctl.tui.core import Core
    from fmctl.tui.tasks import Tasks


class Room(Protocol):
    """The session, as its screens know it."""

    core: Core
    tasks: Tasks

    def open(self, name: str, subject: str = "", given: object = None) -> None:
        """Show a screen; one that is open already comes to the front. Raises UnknownName, UsageError."""

    def open_named(self, wanted: str, quiet: bool = False) -> None:
        """Open `VIEW [SUBJECT]`; what cannot be opened is a sentence."""

    def go_back(self) -> None:
        """One screen back; the first one stays."""

    def places(self) -> Sequence[tuple[str, str]]:
        """Where `:` can go, with what is there."""

    def plan_model(self, name: str) -> None:
        """Plan a model."""

    def launch_plan(self, name: str) -> None:
        """Launch a saved plan."""

    def palette_entries(self) -> Iterable[tuple[str, str, Callable[[], object]]]:
        """What the palette offers everywhere."""

    def say(self, text: str, *, error: bool = False) -> None:
        """A short note at the edge of the screen."""
