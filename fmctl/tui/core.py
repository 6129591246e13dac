"""What the session needs from outside, as Protocols: the command hands it in, tests hand in their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError
from fmctl.report.view import Document

if TYPE_CHECKING:
    from fmctl.tui.running import Clusters, Launching


@dataclass(frozen=True, slots=True)
class Question:
    """What the planner is asked: `options` by their names on the command line, values as they were typed.

    `kind` is plan or estimate. A new question ends the one before it on the same `channel`, and no other.
    """

    kind: str
    model: str
    options: Mapping[str, str] = field(default_factory=dict)
    channel: str = "plan"


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error as a person reads it: what happened, why, what to do next; `code` as in `fmctl.base.errors`."""

    what: str
    why: str | None = None
    next: str | None = None
    code: str = "failed"

    @classmethod
    def of(cls, error: BaseException) -> Trouble:
        """Any exception as a sentence; one that nobody meant to raise is called internal."""
        if isinstance(error, FmctlError):
            return cls(error.what, error.why, error.next, error.code)
        text = " ".join(str(error).split())[:200]
        return cls(f"internal error: {type(error).__name__}", text or None, "see the log; report it", "internal")

    def sentence(self) -> str:
        """All of it in one line."""
        parts = [self.what, f"({self.why})" if self.why else "", f"next: {self.next}" if self.next else ""]
        return " · ".join(filter(None, (" ".join(filter(None, parts[:2])), parts[2])))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer so far (`last` False) or in full; `document` and `trouble` may both be there: nothing fits, and why.

    `done` of `total` clusters are searched.
    """

    number: int
    document: Document | None = None
    trouble: Trouble | None = None
    done: int = 0
    total: int = 0
    last: bool = True


Heard = Callable[[Reply], None]


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

    `services` are those of the commands (`fmctl.usecases.services.Services`); `clusters` and `launching` are what
    the screens of the running half ask, None in a session that only plans.
    `choices` are the fixed values of options by name. `save_plan` keeps a document under a name and says where;
    `model_answer` and `models_answer` are the answers of `models show` and `models list`, `history_answer` that of
    `history`, `run_answer` that of `report --offline` for one name and of `diff` for two.
    """

    settings: Settings
    planning: Planning
    catalogue: Catalogue
    choices: Mapping[str, Sequence[str]]
    now: Callable[[], datetime]
    save_plan: Callable[[str, Document], str]
    models_answer: Callable[[], Any]
    model_answer: Callable[[str], Any]
    saved_plans: Callable[[], Sequence[str]]
    load_plan: Callable[[str], Document]
    history_answer: Callable[[], Any]
    run_answer: Callable[[Sequence[str]], Any]
    services: Any = None
    clusters: Clusters | None = None
    launching: Launching | None = None
    options: Mapping[str, str | None] = field(default_factory=dict)
    read_only: bool = False
    demo: bool = False
