"""Write a file whole or not at all; read one that others may have made."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from threading import get_ident

from fmctl.base.errors import UnreadableFile, UnwritableFile

PRIVATE_FOLDER = 0o700
LARGEST = 64 * 2**20
"""Bytes that a file may have where nothing else is said."""
_BLOCK = 2**20
_NO_FILES = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def write_atomic(path: Path | str, text: str, *, parents: bool = False, shared: bool = False) -> None:
    """Replace what `path` holds by `text` (UTF-8): readers see the old or the new, never a part, power cuts included.

    A link is followed, an existing file keeps its permissions, and a pipe or device is simply written to. A new file is
    the user's alone, whatever the umask: plans, settings, renderings and reports say where somebody's clusters are.

    Args:
        path: the file.
        text: its new content.
        parents: whether missing folders above it are made.
        shared: others may read it, as far as the umask lets them: it is for another program or for everybody.

    Raises:
        UnwritableFile: the folder is missing or forbidden, or the disk is full; the old file is untouched.
        BrokenPipeError: `path` is a pipe that nobody reads any more.
    """
    target = Path(path)
    try:
        if parents:
            make_folders(target.parent, 0o755 if shared else PRIVATE_FOLDER)
        target = Path(os.path.realpath(target))
        mode = _mode(target)
        if mode is None or stat.S_ISREG(mode):
            _replace(target, text, mode, 0o644 if shared else 0o600)
        else:
            _write_through(target, text)  # renaming over /dev/null would destroy it
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name, or half a character in the text
        reason = getattr(error, "strerror", None) or str(error)
        raise UnwritableFile(f"cannot write {path}", why=reason, next="give another path") from error


def read_text(path: Path | str, *, what: str = "file", most: int = LARGEST) -> str:
    """The file as UTF-8 text; a byte order mark is dropped.

    Args:
        path: the file.
        what: what it is, for the error: "plan", "settings".
        most: bytes that it may have.

    Raises:
        UnreadableFile: missing, forbidden, no file (a folder, pipe or device), too large, or not text.
    """
    content = read_bytes(path, what=what, most=most)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"cannot read {what} {path}", why=f"it is not UTF-8 text (byte {error.start})") from error


def read_bytes(path: Path | str, *, what: str = "file", most: int = LARGEST) -> bytes:
    """What the file holds, never more than `most` bytes of it, and without waiting for anybody. Raises as `read_text`.

    A pipe or a device is refused: the first waits for somebody who may never write, the second may never end.
    """
    try:
        with os.fdopen(open_file(path), "rb", buffering=0) as stream:
            size = os.fstat(stream.fileno()).st_size
            content = _at_most(stream, most) if size <= most else None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        next_step = "give the path of a file that you may read"
        raise UnreadableFile(f"cannot read {what} {path}", why=reason, next=next_step) from error
    if content is None or len(content) > most:
        raise UnreadableFile(f"cannot read {what} {path}", why=f"it has more than {most:,} bytes", next="another file")
    return content


def open_file(path: Path | str) -> int:
    """A descriptor to read a regular file, links followed. Raises OSError, for all that is none, at once."""
    _only_files(os.stat(path).st_mode)  # noqa: PTH116 - some devices do something when they are opened
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _only_files(os.fstat(descriptor).st_mode)  # it may have become another meanwhile
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _only_files(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        kind = next((word for is_one, word in _NO_FILES if is_one(mode)), "no file")
        raise OSError(errno.EINVAL, f"it is {kind}; write it to a file first")


def _at_most(stream: RawIOBase, most: int) -> bytes:
    """What is there, and one byte more than may be: it can grow while it is read."""
    found = bytearray()
    while len(found) <= most and (block := stream.read(min(_BLOCK, most + 1 - len(found)))):
        found += block
    return bytes(found)


def _mode(target: Path) -> int | None:
    try:
        return target.stat().st_mode
    except FileNotFoundError:
        return None


def make_folders(folder: Path, mode: int = PRIVATE_FOLDER) -> None:
    """Make a folder and those above it that are missing, all of that mode. Raises OSError."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=mode, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def _replace(target: Path, text: str, mode: int | None, new: int) -> None:
    beside = target.with_name(f".{target.name[:100]}.{os.getpid()}-{get_ident()}.tmp")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, new)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            if mode is not None:
                os.fchmod(descriptor, stat.S_IMODE(mode))
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        beside.replace(target)
    except FileExistsError:
        raise
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    _sync_folder(target.parent)


def _write_through(target: Path, text: str) -> None:
    """Write to a pipe or device. A pipe that nobody reads is refused (ENXIO), and not waited for."""
    descriptor = os.open(target, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; not every file system lets one, and then it is as durable as it gets."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
