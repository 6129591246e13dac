"""What the patches share: the clock, the rules, the reservations, and what happens by itself as time goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING

from fmctl.adapters.lab.clock import Clock
from fmctl.adapters.lab.faults import Faults

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import CapacityBlockOfferingTypeDef, CapacityReservationTypeDef

    from fmctl.adapters.lab.settings import Seed

ACCOUNT = "123456789012"  # moto's own default
REGION = "us-east-1"


@dataclass(slots=True)
class World:
    """All that one lab holds, shared by the services that are patched."""

    clock: Clock = field(default_factory=Clock)
    faults: Faults = field(default_factory=Faults)
    reservations: dict[str, CapacityReservationTypeDef] = field(default_factory=dict)
    offers: dict[str, CapacityBlockOfferingTypeDef] = field(default_factory=dict)
    placement_groups: dict[str, dict[str, str]] = field(default_factory=dict)
    seed: Seed | None = None
    token: str = ""  # its own, so that nobody else is taken for it
    steps: list[Callable[[], None]] = field(default_factory=list)  # done again and again
    dues: list[Callable[[], datetime | None]] = field(default_factory=list)  # when something next happens by itself
    notes: list[dict[str, object]] = field(default_factory=list)  # what happened, the newest last
    calls: dict[str, int] = field(default_factory=dict)  # what the operator called, by IAM's names
    lock: RLock = field(default_factory=RLock)

    def tick(self, *, wait: bool = True) -> None:
        """Let happen what is due; without `wait` not at all while something else is going on."""
        if not self.lock.acquire(blocking=wait):
            return
        try:
            for step in self.steps:
                try:
                    step()
                except Exception as error:  # whatever moto's models raise: the lab goes on, and says so
                    self.note("a step failed", error=f"{type(error).__name__}: {error}"[:300])
        finally:
            self.lock.release()

    def advance(self, seconds: float) -> None:
        """Turn the clock, stopping wherever something is due, so that it happens at its own time."""
        target = self.clock.now() + timedelta(seconds=seconds)
        with self.lock:
            self.tick()
            while (due := self._next_due(target)) is not None:
                self.clock.jump_to(due)
                self.tick()
            self.clock.jump_to(target)
            self.tick()

    def _next_due(self, until: datetime) -> datetime | None:
        now = self.clock.now()
        dues = [due for find in self.dues if (due := find()) is not None and now < due <= until]
        return min(dues, default=None)

    def note(self, what: str, **details: object) -> None:
        """Remember what happened by itself, for `/fm/state`."""
        self.notes.append({"at": self.clock.now().isoformat(), "what": what, **details})
        del self.notes[:-200]
