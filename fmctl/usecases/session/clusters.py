"""The session's way to clusters: what `status`, `watch`, `jobs`, `logs`, `progress`, `extend`, `teardown` run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from fmctl.base.config import Settings
from fmctl.base.errors import OperationFailed, PermissionDenied
from fmctl.base.printing import block
from fmctl.report.view import Answer
from fmctl.usecases import clusters
from fmctl.usecases.options import Aws, Consent, head_named
from fmctl.usecases.places import Places
from fmctl.usecases.services import Services
from fmctl.usecases.session.items import Confirm, Measured, Part, Say, Told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmctl.adapters.slurm.commands import Slurm
    from fmctl.domain.ports import Clock
    from fmctl.operate.actions import Action
    from fmctl.operate.records import Record
    from fmctl.operate.steps import Ports
    from fmctl.operate.watch import Event
    from fmctl.usecases.session.runs import Following

T = TypeVar("T")
_BREATH_S = 0.5  # between two looks of a watch at whether anybody still watches
_MOST_LINES = 5000


class Clusters:
    """`fmctl.tui.running.Clusters` over the services of the commands. One session of AWS for all that only looks."""

    def __init__(
        self, services: Services, settings: Settings, options: Mapping[str, str | None], read_only: bool
    ) -> None:
        self._services, self._settings = services, settings
        self._aws = Aws(**{name: options.get(name) for name in ("profile", "region", "store")})
        self._read_only = read_only
        self._places = Places(services, settings, self._aws)  # of what only looks
        self._runs: dict[tuple[str, int], Following] = {}
        self._lock = threading.Lock()

    def status(self, name: str | None = None) -> Answer:
        """See `tui.running.Clusters`."""
        return self._looked(lambda: clusters.status(name or None, self._places))

    def timeline(self, name: str) -> Answer:
        """See `tui.running.Clusters`."""
        from fmctl.operate.timeline import phase, spans
        from fmctl.report.timeline import timeline_answer

        def look(ports: Ports) -> Answer:
            there = ports.target.state(name) is not None
            events = ports.target.parts(name) if there else ()
            return timeline_answer(name, phase(spans(events, ports.clock.now())))

        return self._look(name, look)

    def events(self, name: str, stop: threading.Event) -> Iterator[Event]:
        """See `tui.running.Clusters`."""
        ports = Places(self._services, self._settings, self._aws).of(name)
        try:
            yield from clusters.events(name, ports, clock=_Stoppable(ports.clock, stop), stopped=stop.is_set)
        except _Stopped:
            return

    def jobs(self, name: str) -> Answer:
        """See `tui.running.Clusters`."""
        from fmctl.usecases import jobs as cases

        return cases.jobs(name, self._slurm(name), self._services)

    def measured(self, name: str, job: int) -> Measured:
        """See `tui.running.Clusters`."""
        from fmctl.usecases.session.runs import Following

        with self._lock:
            run = self._runs.get((name, job))
        if run is None:
            run = Following(self._record(name), job, self._services, self._settings, self._slurm(name))
            with self._lock:
                self._runs[name, job] = run
        return run.read()

    def job_log(self, name: str, job: int, mark: int) -> Part:
        """See `tui.running.Clusters`."""
        slurm = self._slurm(name)
        text, after = slurm.output(slurm.job(job), mark)
        whole = text.rfind(b"\n") + 1
        lines = text[:whole].decode(errors="replace").split("\n")[:-1]
        return Part(tuple(lines), after - (len(text) - whole))

    def cluster_log(self, name: str, stream: str, after: datetime | None) -> Part:
        """See `tui.running.Clusters`."""

        def look(ports: Ports) -> Part:
            found = list(ports.target.lines(name, stream, after))[-_MOST_LINES:]
            lines = tuple(f"{at:%H:%M:%S} {line}" for at, line in found)
            return Part(lines, at=found[-1][0] if found else after)

        return self._look(name, look)

    def told(self, name: str) -> Told | None:
        """See `tui.running.Clusters`."""
        url = self._settings.text("prometheus_url")
        if url is None:
            return None
        from fmctl.adapters.prometheus.client import Prometheus, access, sigv4_region
        from fmctl.observe.names import GPU_POWER
        from fmctl.observe.promql import selector

        server = Prometheus(url, access(sigv4_region=sigv4_region(url)))
        watts = server.instant(f"sum({GPU_POWER.record}{selector({'cluster': name})})").series
        alerts = (one for one in server.alerts() if one.labels.get("cluster", name) == name)
        rows = ((one.state, one.name, " ".join(one.annotations.values())) for one in alerts)
        return Told(watts[0].values[-1] if watts else None, tuple(rows))

    def extend(self, name: str, hours: str, confirm: Confirm) -> Answer:
        """See `tui.running.Clusters`."""

        def asked(end: datetime, usd: float | None, more: float) -> bool:
            cost = "an unknown sum" if usd is None else f"${usd:,.2f}"
            return confirm(name, f"extend {name}\nnew end: {end:%Y-%m-%d %H:%M} UTC\ncosts: {cost} at most, {more:g} h")

        return clusters.extend(name, hours, self._changing(name), Consent(), asked)

    def stop_fleet(self, name: str, say: Say, confirm: Confirm) -> Answer:
        """See `tui.running.Clusters`."""
        from fmctl.operate.fleet import stop_fleet
        from fmctl.report.clusters import change_answer

        def asked(steps: Sequence[Action]) -> bool:
            goes, stays = "; ".join(steps[0].destroys), "; ".join(steps[0].keeps)
            return confirm(
                name, block([f"stop the fleet of {name}", f"goes: {goes}", f"stays: {stays}", steps[0].what])
            )

        done, steps = stop_fleet(name, replace(self._changing(name), say=say), confirm=asked)
        return change_answer("teardown", name, steps, done=done, said="was asked to stop its compute nodes")

    def teardown(self, name: str, say: Say, confirm: Confirm) -> Answer:
        """See `tui.running.Clusters`."""
        places = Places(self._services, self._settings, self._aws, read_only=False, say=say)
        return clusters.teardown(clusters.Removal(name), self._permitted(places), Consent(yes=True), confirm)[0]

    # What they share.

    def _record(self, name: str) -> Record:
        from fmctl.operate.records import read_record

        record = read_record(self._places.store, name)
        if record is None:
            raise OperationFailed(f"this store knows no plan of {name}", next=f"fmctl progress PLAN --cluster {name}")
        return record

    def _slurm(self, name: str) -> Slurm:
        from fmctl.adapters.slurm.commands import Slurm

        how = head_named(None, self._settings)
        return Slurm(self._services.operations.head(self._settings, self._places.options(name), how, name))

    def _look(self, name: str, call: Callable[[Ports], T]) -> T:
        return self._looked(lambda: call(self._places.of(name)))

    def _looked(self, call: Callable[[], T]) -> T:
        """What only looks, in the kept sessions; after a refusal the next look begins new ones (a new login)."""
        try:
            return call()
        except PermissionDenied:
            self._places = Places(self._services, self._settings, self._aws)
            raise

    def _changing(self, name: str) -> Ports:
        """The world for what spends or destroys. Raises PermissionDenied under read-only."""
        return self._permitted(Places(self._services, self._settings, self._aws, read_only=False)).of(name)

    def _permitted(self, places: Places) -> Places:
        if self._read_only:
            raise PermissionDenied("nothing is spent or destroyed under read-only", next="without --read-only")
        return places


class _Stopped(Exception):
    """Nobody watches any more."""


class _Stoppable:
    """A clock whose sleep ends when nobody watches any more."""

    def __init__(self, clock: Clock, stop: threading.Event) -> None:
        self._clock, self._stop = clock, stop

    def now(self) -> datetime:
        """See `domain.ports.Clock`."""
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        """See `domain.ports.Clock`."""
        while seconds > 0:
            if self._stop.is_set():
                raise _Stopped
            self._clock.sleep(min(seconds, _BREATH_S))
            seconds -= _BREATH_S
