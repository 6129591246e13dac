"""Where the clusters of a store are: each is reached in the region that its record names, unless another is said."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError
from fmctl.usecases.options import Aws
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmctl.operate.state import StateStore
    from fmctl.operate.steps import Ports


@dataclass(slots=True, eq=False)
class Places:
    """The world by region, each part of it reached once.

    Args:
        services: what reaches it.
        settings: as they are.
        aws: the options: a region said here holds for every cluster.
        read_only: nothing is spent or destroyed.
        say: hears of steps; None for nobody.
    """

    services: Services
    settings: Settings
    aws: Aws
    read_only: bool = True
    say: Callable[[str], None] | None = None
    _store: StateStore | None = None
    _ports: dict[str | None, Ports] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def store(self) -> StateStore:
        """Where clusters are remembered."""
        if self._store is None:
            self._store = self.services.operations.store(self.settings, self.aws.options())
        return self._store

    def region_of(self, name: str) -> str | None:
        """The region of a cluster: as said, else as its record has it; None where neither tells."""
        if self.aws.region is not None:
            return self.aws.region
        from fmctl.operate.records import region_of

        try:
            return region_of(self.store, name)
        except FmctlError:  # a name that is none, a store that cannot be read: whoever asks next says so
            return None

    def options(self, name: str) -> dict[str, str | None]:
        """The options by which a cluster is reached."""
        return replace(self.aws, region=self.region_of(name)).options()

    def of(self, name: str) -> Ports:
        """The world in which a cluster is."""
        return self.at(self.region_of(name))

    def at(self, region: str | None) -> Ports:
        """The world in one region; None for that of the session."""
        with self._lock:
            if region not in self._ports:
                options = replace(self.aws, region=region).options()
                found = self.services.operations.ports(self.settings, options, None, self.read_only)
                self._ports[region] = found if self.say is None else replace(found, say=self.say)
            return self._ports[region]
