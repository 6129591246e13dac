"""Where a run's lines come from: a log on this machine, or a job's output on the head node. Only news is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from fmctl.base.errors import UnreadableFile, shorten
from fmctl.domain.job import Job as SlurmJob
from fmctl.domain.logged import Item
from fmctl.progress.follow import PROOF_BYTES, Cursor, Follower
from fmctl.progress.formats import LONGEST_LINE, Parser

# assumed: how often Slurm is asked whether a job is over; its controller serves all users.
ASK_S = 10.0


class Feed(Protocol):
    """A run's lines as they come."""

    parser: Parser

    def read(self) -> Iterator[Item]:
        """What complete lines have been added since the last reading."""

    def finish(self) -> list[Item]:
        """The line that was begun, of a run that writes no more."""

    def state(self) -> dict[str, object]:
        """How far it was read, for a JSON file; exact between two readings."""

    def resume(self, held: Mapping[str, object]) -> bool:
        """Go on from there; False, and from the beginning, where that was of another log."""

    @property
    def over(self) -> bool:
        """Whether it is known that nothing more comes."""


class Output(Protocol):
    """Slurm, as far as a job's output goes: `fmctl.adapters.slurm.commands.Slurm`."""

    def job(self, job_id: int) -> SlurmJob:
        """One job."""

    def output(self, job: SlurmJob, offset: int = 0) -> tuple[bytes, int]:
        """(bytes from there on, where they end)."""


class FileFeed:
    """A log on this machine. It never says that it is over: `Progress.finished` does.

    Raises:
        UnreadableFile: there is no such file.
    """

    over = False

    def __init__(self, log: str, parser: Parser) -> None:
        try:
            path = Path(log).expanduser()
            there = path.is_file()
        except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, nobody's home
            there = False
        if not there:
            raise UnreadableFile(f"cannot read log {shorten(log)}", why="there is no such file", next="--log FILE")
        self.parser = parser
        self._follower = Follower(path, parser)

    def read(self) -> Iterator[Item]:
        """See `Feed`."""
        return self._follower.read()

    def finish(self) -> list[Item]:
        """See `Feed`."""
        return self._follower.finish()

    def state(self) -> dict[str, object]:
        """See `Feed`."""
        return self._follower.cursor.as_dict()

    def resume(self, held: Mapping[str, object]) -> bool:
        """See `Feed`."""
        self._follower.cursor = Cursor.from_dict(held)
        if self._follower.continues():
            return True
        self._follower.cursor = Cursor()
        return False


class JobFeed:
    """The output of a job. A file that got shorter was begun anew, as a requeue does.

    Args:
        slurm: of the head node.
        job: as Slurm told it last.
        parser: what lines are read with.
        now: a clock that only goes on, s.
    """

    def __init__(self, slurm: Output, job: SlurmJob, parser: Parser, now: Callable[[], float]) -> None:
        self.parser = parser
        self._slurm, self._job, self._now = slurm, job, now
        self._asked = now()
        self._offset, self._partial, self._proof = 0, b"", b""

    @property
    def over(self) -> bool:
        """See `Feed`."""
        return self._job.over

    def read(self) -> Iterator[Item]:
        """See `Feed`."""
        if not self._job.over and self._now() >= self._asked + ASK_S:
            self._job, self._asked = self._slurm.job(self._job.id), self._now()
        while True:
            text, after = self._slurm.output(self._job, self._offset)
            if after < self._offset:
                self._offset, self._partial, self._proof = 0, b"", b""
                continue
            self._offset, self._proof = after, (self._proof + text)[-PROOF_BYTES:]
            if not text:
                return
            lines = self._partial + text
            ended = lines.rfind(b"\n") + 1
            self._partial = lines[ended:][-LONGEST_LINE:]
            yield from self.parser.block(lines[:ended])

    def finish(self) -> list[Item]:
        """See `Feed`."""
        partial, self._partial = self._partial, b""
        return self.parser.block(partial)

    def state(self) -> dict[str, object]:
        """See `Feed`."""
        return Cursor(0, self._offset, self._partial, self._proof).as_dict()

    def resume(self, held: Mapping[str, object]) -> bool:
        """See `Feed`. The last bytes that were read are asked for again."""
        found = Cursor.from_dict(held)
        begin = found.offset - len(found.proof)
        text, after = self._slurm.output(self._job, begin) if begin > 0 else self._slurm.output(self._job)
        if begin < 0 or after < begin or text[: len(found.proof)] != found.proof:
            return False
        self._offset, self._partial, self._proof = found.offset, found.partial, found.proof
        return True
