"""Where plans, journals, clusters and locks are kept: one interface, so that a team can share what one laptop knows.

Keys are paths of two parts: plans/NAME.json, clusters/NAME.json, runs/NAME.json, journals/NAME.jsonl, locks/NAME.json.
Every change names the version it builds on; who comes second is told, and nothing is overwritten unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from fmctl.base.errors import FmctlError, StalePlan
from fmctl.domain.state import Stored


class StateStore(Protocol):
    """Texts by key. All methods may raise UnwritableFile, UnreadableFile, PermissionDenied or OperationFailed.

    A text whose write returned survives a power cut.
    """

    @property
    def where(self) -> str:
        """The folder or s3:// address, for people."""
        ...

    def read(self, key: str) -> Stored | None:
        """The text, None where there is none."""
        ...

    def read_all(self, keys: Iterable[str]) -> Iterator[Stored | FmctlError | None]:
        """Many texts in the order of their keys; what cannot be read is given as its error, and stops no other."""
        ...

    def create(self, key: str, text: str) -> Stored | None:
        """Write a new text whole; None where the key has one already."""
        ...

    def replace(self, key: str, text: str, version: str) -> Stored | None:
        """Write over the text of that version; None where it changed or went meanwhile."""
        ...

    def append(self, key: str, text: str, before: Stored | None) -> Stored | None:
        """Add to the end of what was read (None: of nothing); None where it is no longer the same."""
        ...

    def remove(self, key: str, version: str) -> bool:
        """Remove the text of that version; False where it changed or went meanwhile."""
        ...

    def keys(self, folder: str, begin: str = "") -> tuple[str, ...]:
        """Keys in `plans`, `clusters`, `runs`, `journals` or `locks` whose name begins so, sorted."""
        ...


def save(store: StateStore, key: str, text: str) -> Stored:
    """Write over whatever the key has, in one step that no other change gets lost in.

    Raises:
        StalePlan: others changed it faster than we could, five times over.
    """
    for _ in range(5):
        found = store.read(key)
        written = store.create(key, text) if found is None else store.replace(key, text, found.version)
        if written is not None:
            return written
    raise StalePlan(f"{key} keeps changing in {store.where}", why="somebody else writes it too", next="try again")
