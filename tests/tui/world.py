"""The running half as the session's tests have it: the small world of the unit tests, on a clock that really waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from textual.pilot import Pilot

from fmctl.base.config import resolve
from fmctl.base.errors import FmctlError
from fmctl.cli.ui import core_of
from fmctl.domain.ports import StackEvent
from fmctl.tui.core import Core
from fmctl.usecases.services import Services
from tests.cli.conftest import FakeLab, FakeOperations
from tests.unit.operate.cluster_fakes import START, FakeCloud, reached

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVENTS = tuple(
    StackEvent(START.replace(second=s), "live", name, kind, status, "", f"{name}-{status}")
    for s, name, kind, status in (
        (0, "HeadNode", "AWS::EC2::Instance", "CREATE_IN_PROGRESS"),
        (1, "Wait", "AWS::CloudFormation::WaitCondition", "CREATE_IN_PROGRESS"),
        (30, "HeadNode", "AWS::EC2::Instance", "CREATE_COMPLETE"),
    )
)


@dataclass
class Waiting:
    """A clock whose hands are the world's, and whose sleep takes a moment of real time and turns nothing."""

    world: Any
    turns: bool = False

    def now(self) -> datetime:
        found: datetime = self.world.now
        return found

    def sleep(self, seconds: float) -> None:
        time.sleep(0.005)
        if self.turns:
            self.world.advance(seconds)


class Cloud:
    """The world's AWS with a stack's events; `refused` is raised by every call while it is set."""

    def __init__(self, inner: FakeCloud, owner: Operations) -> None:
        self._inner, self._owner = inner, owner

    def __getattr__(self, name: str) -> Any:
        if self._owner.refused is not None:
            raise self._owner.refused
        return getattr(self._inner, name)

    def stack_events(self, name: str, after: str | None = None) -> tuple[StackEvent, ...]:
        seen = [event.id for event in EVENTS]
        return EVENTS[seen.index(after) + 1 :] if after in seen else EVENTS


class Operations(FakeOperations):
    """`FakeOperations` for a session: many threads look at once, and nothing turns the clock by looking."""

    def __init__(self) -> None:
        self.refused: FmctlError | None = None
        super().__init__()

    def ports(self, settings: Any, options: Any, site: Any, read_only: bool) -> Any:
        found = super().ports(settings, options, site, read_only)
        if not hasattr(self, "texts") or not self.texts:  # its own cluster is launched on the clock that turns
            return found
        cloud: Any = Cloud(found.target.cloud, self)
        return replace(
            found, clock=Waiting(self.world, turns=not read_only), target=reached(found.target.pcluster, cloud)
        )


def operating_core(operations: FakeOperations, planning: Any, lab: Any = None, **changes: Any) -> Core:
    """The session's world over fakes."""
    services = Services(now=lambda: NOW, operations=operations, lab=lab or FakeLab())
    return core_of(services, resolve(), planning, read_only=bool(changes.pop("read_only", False)), **changes)


def shown(pilot: Pilot[None]) -> str:
    """What stands on the screen."""
    from tests.tui.conftest import screen_text

    return screen_text(pilot.app)  # type: ignore[arg-type]


async def until(pilot: Pilot[None], holds: Callable[[], Any], within_s: float = 10.0) -> Any:
    """Wait until something holds, and give it back."""
    for _ in range(int(within_s / 0.02)):
        await pilot.pause(0.02)
        found = holds()
        if found:
            return found
    raise AssertionError(f"still not so:\n{shown(pilot)}")


def run(app: Any, scenario: Any, size: tuple[int, int] = (80, 24)) -> None:
    """A scenario in a session of that size, whose form asks for little."""
    from tests.tui.conftest import SMALL

    app.kept = {"views": {"plan": {"form": SMALL}}} | app.kept

    async def whole() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await scenario(pilot)

    asyncio.run(whole())
