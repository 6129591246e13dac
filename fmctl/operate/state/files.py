"""The state store in a folder: the default, and the one that the saved plans always were in."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident

from fmctl.base.errors import FmctlError, UnreadableFile, UnwritableFile
from fmctl.base.files import make_folders, read_bytes
from fmctl.base.folders import data_folder
from fmctl.domain.state import Stored

_GUARD = ".guard"


class FileStore:
    """Texts as files. Writes go to a file beside, are synced and renamed (linked where the key must be new).

    Args:
        folder: where the files are; None for the user's data folder. Made at the first write.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = data_folder() if folder is None else folder

    @property
    def where(self) -> str:
        """The folder."""
        return str(self._folder)

    def read(self, key: str) -> Stored | None:
        """The text, None where there is none; bytes that are no UTF-8 are kept as they are."""
        found = self._bytes(key)
        return None if found is None else _stored(found)

    def read_all(self, keys: Iterable[str]) -> Iterator[Stored | FmctlError | None]:
        """The texts, or why one cannot be read, in order."""
        for key in keys:
            try:
                yield self.read(key)
            except FmctlError as error:
                yield error

    def create(self, key: str, text: str) -> Stored | None:
        """Write a new file whole; None where it exists."""
        path, content = self._path(key), _encode(text)
        with self._writing(path):
            beside = _write_beside(path, content)
            try:
                _link_new(beside, path, content)
            except FileExistsError:
                return None
            finally:
                with suppress(OSError):
                    beside.unlink()
            _sync(path.parent)
        return _stored(content)

    def replace(self, key: str, text: str, version: str) -> Stored | None:
        """Replace the file where it still is of that version."""
        path, content = self._path(key), _encode(text)
        with self._writing(path), self._guarded():
            if not self._is(key, version):
                return None
            beside = _write_beside(path, content)
            try:
                beside.replace(path)
            except BaseException:
                with suppress(OSError):
                    beside.unlink()
                raise
            _sync(path.parent)
        return _stored(content)

    def append(self, key: str, text: str, before: Stored | None) -> Stored | None:
        """Add to the file and sync it; on a full disk the file is cut back to what it was."""
        path, added = self._path(key), _encode(text)
        with self._writing(path), self._guarded():
            found = self._bytes(key)
            if (found is None) != (before is None):
                return None
            if found is not None and before is not None and _stored(found).version != before.version:
                return None
            size = len(found or b"")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                _write_all(descriptor, added)
                os.fsync(descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
            finally:
                os.close(descriptor)
            if found is None:
                _sync(path.parent)
        return _stored((found or b"") + added)

    def remove(self, key: str, version: str) -> bool:
        """Remove the file where it still is of that version."""
        path = self._path(key)
        with self._writing(path), self._guarded():
            if not self._is(key, version):
                return False
            path.unlink()
            _sync(path.parent)
        return True

    def keys(self, folder: str, begin: str = "") -> tuple[str, ...]:
        """Keys in one folder whose name begins so, sorted; none where there is no folder."""
        try:
            names = os.listdir(self._folder / folder)  # noqa: PTH208 - names are all that is wanted
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _unreadable(self._folder / folder, error) from error
        return tuple(
            sorted(f"{folder}/{name}" for name in names if name.startswith(begin) and not name.startswith("."))
        )

    def _path(self, key: str) -> Path:
        return self._folder / key

    def _bytes(self, key: str) -> bytes | None:
        try:
            return read_bytes(self._path(key))
        except UnreadableFile as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def _is(self, key: str, version: str) -> bool:
        found = self._bytes(key)
        return found is not None and _stored(found).version == version

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            make_folders(path.parent)
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            next_step = "free some space" if error.errno == errno.ENOSPC else "give another folder in FMCTL_DATA"
            raise UnwritableFile(f"cannot write {path}", why=reason, next=next_step) from error

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One writer at a time on this folder: comparing and changing have to be one step."""
        import fcntl

        descriptor = os.open(self._folder / _GUARD, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _stored(content: bytes) -> Stored:
    version = f"{len(content)}-{hashlib.sha256(content).hexdigest()[:24]}"
    return Stored(content.decode("utf-8", "surrogateescape"), version)


def _write_beside(path: Path, content: bytes) -> Path:
    beside = path.with_name(f".{path.name[:100]}.{os.getpid()}-{get_ident()}.tmp")  # threads write too
    with suppress(FileNotFoundError):
        beside.unlink()  # of a process that had our number and was killed
    _write_new(beside, content)
    return beside


def _link_new(beside: Path, path: Path, content: bytes) -> None:
    """Give the written file its name, unless that is taken: nobody ever sees a lock that is half written."""
    try:
        os.link(beside, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        _write_new(path, content)


def _write_new(path: Path, content: bytes) -> None:
    """Write and sync a file that must not exist; a part of it is taken away again. Raises FileExistsError, OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _write_all(descriptor, content)
        os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync(folder: Path) -> None:
    with suppress(OSError):  # not every file system lets one
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unreadable(path: Path, error: OSError) -> UnreadableFile:
    return UnreadableFile(f"cannot read {path}", why=error.strerror or str(error))
