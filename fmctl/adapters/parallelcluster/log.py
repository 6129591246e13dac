"""What a worker says on stderr: kept in the user's state folder, or in a file without a name that ends with us."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from fmctl.base.files import make_folders

_LAST = 20_000  # bytes of it that are looked at


class WorkerLog:
    """A log that a worker appends to, and whose last line is a reason."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stream: IO[bytes] | None = None

    @property
    def see(self) -> str:
        """Where to read more, as the beginning of a next step; "" where nobody else can."""
        return f"see {self._path}; " if self._path is not None else ""

    def stream(self) -> IO[bytes]:
        """What the worker writes to; nobody but the user may read it. Raises OSError."""
        if self._stream is None:
            if self._path is None:
                self._stream = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this object
            else:
                make_folders(self._path.parent)
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
                self._stream = os.fdopen(descriptor, "ab")
        return self._stream

    def last_words(self) -> str:
        """The last line."""
        with suppress(OSError):
            held = self.stream().fileno()
            begin = max(os.fstat(held).st_size - _LAST, 0)
            # read without moving: the worker writes on through the same descriptor
            lines = os.pread(held, _LAST, begin).decode("utf-8", "replace").splitlines()
            return next((line[:300] for line in reversed(lines) if line.strip()), "it said nothing")
        return "it said nothing"

    def close(self) -> None:
        """Let go of it."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
