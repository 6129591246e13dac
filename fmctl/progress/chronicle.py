"""What a run's record keeps of its log: its starts with what each ran with, checkpoints with lineage, curves, quality.

Memory is constant: curves are thinned as they grow, and of many checkpoints the newest are kept with those that the run
went on from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

from fmctl.domain.logged import Event, Item, Job, Record
from fmctl.progress.curves import Curves

if TYPE_CHECKING:
    from fmctl.domain.rows.run import Quality, RunLog, Save
    from fmctl.domain.rows.run import Start as StartRow

# Checkpoints that are listed one by one; earlier ones are counted.
MOST_SAVES = 200
# A log may say anything: so many starts, facts of a start and figures of quality are believed.
_MOST_STARTS, _MOST_FACTS, _MOST_FIGURES = 1000, 40, 100


@dataclass(slots=True)
class Start:
    """One start of the job."""

    began_at: float | None = None  # with last_at: s since 1970
    last_at: float | None = None
    first_step: int | None = None  # with last_step: as logged
    last_step: int | None = None
    loaded_step: int | None = None  # of the checkpoint that training said it took
    end: str | None = None  # exit status, where it was recorded
    facts: dict[str, str] = field(default_factory=dict)  # what its script recorded

    def as_dict(self) -> StartRow:
        """For documents."""
        return {
            "began_at": self.began_at, "last_at": self.last_at, "first_step": self.first_step,
            "last_step": self.last_step, "loaded_step": self.loaded_step, "end": self.end, "facts": self.facts,
        }  # fmt: skip


class Chronicle:
    """Takes a log's items one by one.

    Args:
        job: what the log does not say.
    """

    def __init__(self, job: Job | None = None) -> None:
        self.curves = Curves(job)
        self.starts: list[Start] = []
        self.saves = 0
        self.quality: dict[str, Quality] = {}
        self._saves: list[Save] = []
        self._recorded = False  # whether the job's script says by itself when it starts
        self._at: float | None = None  # of the newest line that has a clock

    def listening(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, each taken in on its way through."""
        for item in items:
            self.add(item)
            yield item

    def add(self, item: Item) -> None:
        """One more record or event."""
        self._at = item.at if item.at is not None else self._at
        if isinstance(item, Record):
            self._step(item)
        elif item.kind == "record":
            self._told(item)
        elif item.kind in ("start", "restart"):
            self._started(item)
        elif item.kind == "loaded" and item.step is not None:
            self._now().loaded_step = item.step
        elif item.kind == "saved":
            self._saved(item)
        elif item.kind == "validation" and item.value is not None:
            self._figure("validation loss", item.value, item)
        elif item.kind == "quality":
            for name, _, value in (word.partition("=") for word in item.text.split()):
                self._figure(name, value, item)

    def as_dict(self) -> RunLog:
        """For the run's record."""
        return {
            "starts": [start.as_dict() for start in self.starts],
            "checkpoints": {"count": self.saves, "kept": list(self._saves)},
            "curves": [point.as_dict() for point in self.curves.points],
            "quality": dict(self.quality),
        }

    def _now(self) -> Start:
        if not self.starts:
            self.starts.append(Start())
        return self.starts[-1]

    def _step(self, item: Record) -> None:
        start = self._now()
        start.first_step = item.step if start.first_step is None else start.first_step
        if start.last_step is None or item.step > start.last_step:
            start.last_step = item.step
        start.began_at = item.at if start.began_at is None else start.began_at
        start.last_at = item.at if item.at is not None else start.last_at
        self.curves.add(item)

    def _told(self, item: Event) -> None:
        _, name, value = ([*item.text.split(" ", 2), "", ""])[:3]
        if name == "start":
            self._recorded = True
            if self.starts and not self.starts[-1].facts and self.starts[-1].first_step is None:
                self.starts.pop()
            if len(self.starts) < _MOST_STARTS:
                self.starts.append(Start(began_at=item.at))
        start = self._now()
        if name == "end":
            start.end, start.last_at = value, item.at if item.at is not None else start.last_at
        if name and len(start.facts) < _MOST_FACTS:
            start.facts[name] = value

    def _started(self, item: Event) -> None:
        """Of a job that does not record its starts: one that has logged steps is another start's."""
        if self._recorded or not self.starts or self.starts[-1].first_step is None:
            return
        if len(self.starts) < _MOST_STARTS:
            self.starts.append(Start(began_at=item.at))

    def _saved(self, item: Event) -> None:
        start = len(self.starts)
        step = item.step if item.step is not None else (self.starts[-1].last_step if self.starts else None)
        if self._saves and self._saves[-1]["step"] == step and self._saves[-1]["start"] == start:
            return  # each rank, or each half of an asynchronous save, says so
        self.saves += 1
        self._saves.append({"step": step, "at": self._at, "start": start})  # Megatron's line has no clock
        if len(self._saves) > MOST_SAVES:
            taken = {one.loaded_step for one in self.starts}
            old = next((i for i, one in enumerate(self._saves[:-1]) if one["step"] not in taken), 0)
            del self._saves[old]

    def _figure(self, name: str, value: float | str, item: Event) -> None:
        try:
            found = float(value)
        except ValueError:
            return
        if name and isfinite(found) and (name in self.quality or len(self.quality) < _MOST_FIGURES):
            step = item.step if item.step is not None else self._now().last_step
            self.quality[name] = {"value": found, "step": step, "at": self._at, "source": "log"}
