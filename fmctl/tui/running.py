"""What the screens of launches and clusters ask for: the commands' own functions, handed in by the command.

Every call may take seconds and may raise FmctlError, so screens make it in the background (`fmctl.tui.background`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from fmctl.usecases.session.items import Confirm, Measured, Part, Say, Told, Wanted

if TYPE_CHECKING:
    from fmctl.operate.watch import Event
    from fmctl.report.view import Answer


class Clusters(Protocol):
    """The clusters of the store."""

    def status(self, name: str | None = None) -> Answer:
        """As `status`; all that are not gone where no name is given."""

    def timeline(self, name: str) -> Answer:
        """The resources of its stack: what began when, what is stuck."""

    def events(self, name: str, stop: threading.Event) -> Iterator[Event]:
        """As `watch`, until the cluster is gone or `stop` is set."""

    def jobs(self, name: str) -> Answer:
        """As `jobs NAME`."""

    def measured(self, name: str, job: int) -> Measured:
        """As `progress PLAN --cluster NAME --job JOB`; reads only what the log gained since the last call."""

    def job_log(self, name: str, job: int, mark: int) -> Part:
        """What the job wrote from byte `mark` on; -1 for its end."""

    def cluster_log(self, name: str, stream: str, after: datetime | None) -> Part:
        """As `logs NAME STREAM`, lines after a time."""

    def told(self, name: str) -> Told | None:
        """What Prometheus says; None where none is set."""

    def extend(self, name: str, hours: str, confirm: Confirm) -> Answer:
        """As `extend NAME HOURS`."""

    def stop_fleet(self, name: str, say: Say, confirm: Confirm) -> Answer:
        """Ask the compute fleet to stop; the cluster stays."""

    def teardown(self, name: str, say: Say, confirm: Confirm) -> Answer:
        """As `teardown NAME`."""


class Launching(Protocol):
    """From a saved plan to a cluster."""

    def rendered(self, plan: str, wanted: Wanted) -> Answer:
        """As `render PLAN`."""

    def preflight(self, plan: str, wanted: Wanted, hear: Callable[[Answer], None]) -> Answer:
        """As `preflight PLAN`; `hear` gets the answer so far with each check that is done."""

    def check_config(self, plan: str, wanted: Wanted, text: str) -> Sequence[tuple[str, str]]:
        """(level, message) of what ParallelCluster has against a cluster.yaml; level ERROR, WARNING or INFO."""

    def rehearse(self, plan: str, wanted: Wanted, say: Say) -> Answer:
        """As `launch PLAN --rehearse`, in a process of its own."""

    def launch(self, plan: str, wanted: Wanted, say: Say, confirm: Confirm) -> Answer:
        """As `launch PLAN`."""

    def write(self, files: Mapping[str, str], folder: str) -> str:
        """The files in a folder, whole or not at all; says where."""
