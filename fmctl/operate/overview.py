"""Many clusters looked at together: what can be listed is listed once, and only what there is is asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fmctl.base.errors import PermissionDenied
from fmctl.domain.end import End
from fmctl.domain.ports import Identity, Leftover, Node
from fmctl.targets.target import Overview, State, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

# From so many on a listing asks less than each by itself.
_MANY = 4


def listing(target: Target, clusters: Sequence[str]) -> Target:
    """The target, with what there is of these clusters listed beforehand, where they are many."""
    if len(clusters) < _MANY:
        return target
    try:
        found = target.overview(clusters)
    except PermissionDenied:
        return target  # who may look at a few clusters may not be allowed to list all of the account
    return cast("Target", _Listed(target, target.identity(), found))


class _Listed:
    """A target whose clusters, nodes and arranged ends were listed; everything else is asked of it as ever."""

    def __init__(self, target: Target, who: Identity, found: Overview) -> None:
        self._target, self._who, self._found = target, who, found

    def __getattr__(self, name: str) -> object:
        return getattr(self._target, name)

    def identity(self) -> Identity:
        """See `Target`."""
        return self._who

    def state(self, cluster: str) -> State | None:
        """See `Target`."""
        return self._found.states.get(cluster)

    def nodes(self, cluster: str) -> tuple[Node, ...]:
        """See `Target`."""
        return self._found.nodes.get(cluster, ())

    def end(self, cluster: str, state: State | None = None) -> End | None:
        """See `Target`."""
        return self._target.end(cluster, state) if cluster in self._found.ends else None

    def deleted(self, id: str) -> None:
        """Not asked of many: their ends count."""

    def leftovers(self, cluster: str) -> tuple[Leftover, ...]:
        """Not listed for many: that is ten questions each, and teardown asks them."""
        return ()
