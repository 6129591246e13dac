"""Read a log as it grows: from where the last reading ended, through rotation, truncation and restarts.

A cursor says how far a log was read. It holds the file's inode, the offset, the line that was begun, and the last bytes
before the offset: they tell whether a file of the same name, or the same inode, is still the one that was read. Memory
is one block and one line, whatever the log. Complete lines are delivered once; a cursor is exact between two readings,
and whoever stops in the middle of one gets its last block again.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fmctl.base.errors import UnreadableFile
from fmctl.base.files import open_file
from fmctl.domain.logged import Item
from fmctl.progress.formats import LONGEST_LINE, Parser

BLOCK_BYTES = 1 << 20
# More than a line or two: the ends of step lines are alike.
PROOF_BYTES = 2048
# Rotated and compressed: cannot be read from an offset.
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst"})


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a log was read."""

    inode: int = 0
    offset: int = 0
    partial: bytes = b""  # a line that was begun
    proof: bytes = b""  # the last bytes before the offset

    def as_dict(self) -> dict[str, object]:
        """For a JSON file."""
        texts = {name: base64.b64encode(getattr(self, name)).decode() for name in ("partial", "proof")}
        return {"inode": self.inode, "offset": self.offset, **texts}

    @classmethod
    def from_dict(cls, held: Mapping[str, object]) -> Cursor:
        """A saved cursor; the start of the log where it cannot be read."""
        try:
            partial, proof = (base64.b64decode(_text(held[name]), validate=True) for name in ("partial", "proof"))
            inode, offset = _whole(held["inode"]), _whole(held["offset"])
        except (KeyError, TypeError, ValueError):
            return cls()
        return cls(inode, offset, partial[-LONGEST_LINE:], proof) if offset >= 0 else cls()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} is no text")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{type(value).__name__} is no whole number")
    return value


class Follower:
    """One log, read in parts.

    `gaps` counts rotations whose rest was not found; `cut` lines that were begun in a file and never ended.

    Args:
        path: the log; it need not exist yet.
        parser: what its lines are read with.
        cursor: where to go on.
    """

    def __init__(self, path: Path | str, parser: Parser | None = None, cursor: Cursor | None = None) -> None:
        self.path = Path(path)
        self.parser = parser or Parser(source=self.path.name)
        self.cursor = cursor or Cursor()
        self.gaps = 0
        self.cut = 0

    def read(self) -> Iterator[Item]:
        """What complete lines have been added since the last reading. Raises UnreadableFile."""
        for path, fresh in self._files():
            if fresh:
                self.cut += bool(self.cursor.partial)
                self.cursor = Cursor()
            try:
                yield from self._rest(path)
            except FileNotFoundError:  # rotated away this moment: the next reading finds it
                return
            except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
                reason = getattr(error, "strerror", None) or str(error)
                raise UnreadableFile(f"cannot read log {path}", why=reason, next="--log with a file") from error

    def finish(self) -> list[Item]:
        """The line that was begun, for a job that is over and writes no more."""
        partial, cursor = self.cursor.partial, self.cursor
        self.cursor = Cursor(cursor.inode, cursor.offset, b"", cursor.proof)
        return self.parser.block(partial)

    def continues(self) -> bool:
        """Whether what the cursor says was read is still there, in the log or in what it was rotated to."""
        if not self.cursor.offset or self._same(self.path):
            return True
        return any(self._same(path) for path in self._rotated())

    def _rest(self, path: Path) -> Iterator[Item]:
        with os.fdopen(open_file(path), "rb", buffering=0) as stream:
            inode = os.fstat(stream.fileno()).st_ino
            stream.seek(self.cursor.offset)
            while block := stream.read(BLOCK_BYTES):
                held = self.cursor
                lines = held.partial + (block.replace(b"\r", b"\n") if b"\r" in block else block)
                ended = lines.rfind(b"\n") + 1
                yield from self.parser.block(lines, ended)
                proof = (held.proof + block)[-PROOF_BYTES:]
                self.cursor = Cursor(inode, held.offset + len(block), lines[ended:][-LONGEST_LINE:], proof)
            if not self.cursor.inode:  # empty as yet; it may be rotated before it is looked at again
                self.cursor = Cursor(inode)

    def _files(self) -> list[tuple[Path, bool]]:
        """Files to read, oldest first, and whether each is begun anew."""
        if not self.cursor.inode or self._same(self.path, inode=True):
            return [(self.path, False)]
        older = self._rotated()
        ours = next((i for i, p in enumerate(older) if self._same(p, inode=True)), None)
        if ours is None and self.cursor.offset:  # copied and truncated: the copy has another inode
            ours = next((i for i, p in enumerate(older) if self._same(p)), None)
        if ours is not None:
            return [(older[ours], False), *((path, True) for path in (*older[ours + 1 :], self.path))]
        if self.cursor.offset and self._same(self.path):  # written anew with what it held, as rsync does
            return [(self.path, False)]
        if not self.path.exists():
            return []
        self.gaps += self.cursor.offset > 0
        return [(self.path, True)]

    def _same(self, path: Path, *, inode: bool = False) -> bool:
        """Whether a file holds what was read, at the same place; with `inode`, whether it is the same file too."""
        held = self.cursor
        try:
            with os.fdopen(open_file(path), "rb", buffering=0) as stream:
                status = os.fstat(stream.fileno())
                if status.st_size < held.offset or (inode and status.st_ino != held.inode):
                    return False
                stream.seek(held.offset - len(held.proof))
                return stream.read(len(held.proof)) == held.proof
        except (OSError, ValueError):
            return False

    def _rotated(self) -> list[Path]:
        """Files beside the log that begin with its name, oldest first."""
        found: list[tuple[int, str, Path]] = []
        try:
            for entry in os.scandir(self.path.parent):
                path = Path(entry.path)
                ours = entry.name.startswith(self.path.name) and entry.name != self.path.name
                if ours and path.suffix not in _COMPRESSED and entry.is_file():
                    found.append((entry.stat().st_mtime_ns, entry.name, path))
        except OSError:
            return []
        return [path for _, _, path in sorted(found, key=lambda one: (one[0], _age(one[1])))]


def _age(name: str) -> int:
    """Numbers grow with age: `log.2` is older than `log.1`, and comes first among files of the same moment."""
    suffix = name.rpartition(".")[2]
    return -int(suffix) if suffix.isdigit() and len(suffix) < 10 else 0
