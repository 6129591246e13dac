"""Write a file whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from fmctl.base.errors import UnreadableFile, UnwritableFile

PRIVATE_FOLDER = 0o700


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
            target.write_text(text, encoding="utf-8")  # renaming over /dev/null would destroy it
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnwritableFile(f"cannot write {path}", why=reason, next="give another path") from error


def read_text(path: Path | str, *, what: str = "file") -> str:
    """The file as UTF-8 text; a byte order mark is dropped.

    Args:
        path: the file.
        what: what it is, for the error: "plan", "settings".

    Raises:
        UnreadableFile: missing, forbidden, a folder, or not text.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"cannot read {what} {path}", why=f"it is not UTF-8 text (byte {error.start})") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableFile(f"cannot read {what} {path}", why=reason) from error


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
    beside = target.with_name(f".{target.name[:100]}.{os.getpid()}.tmp")
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


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; not every file system lets one, and then it is as durable as it gets."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
