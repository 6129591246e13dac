"""Where settings files are, what they hold, and how one line in them is changed."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from fmctl.base.errors import FmctlError, UnreadableFile, UsageError, shorten
from fmctl.base.files import read_text, write_atomic
from fmctl.base.parse import NotParsed, from_toml
from fmctl.base.read import part

PROJECT_FILE = "fmctl.toml"
_PYPROJECT = "pyproject.toml"
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Passed:
    """A settings file, or the settings in it that are named, which do not count, and why."""

    file: Path
    why: str
    names: tuple[str, ...] = ()


def user_file() -> Path | None:
    """The user's own settings file, there or not; None for somebody without a home."""
    from platformdirs import user_config_path

    try:
        folder = user_config_path("fmctl")
    except RuntimeError:
        return None
    return folder / "config.toml" if folder.is_absolute() else None  # "~" stays as it is when nobody knows the home


def project_file(cwd: Path) -> tuple[Path | None, tuple[Passed, ...]]:
    """The nearest `fmctl.toml`, or `pyproject.toml` with a `[tool.fmctl]` table, from `cwd` upwards.

    Files that others may have put there are passed over, and named.
    """
    passed = list[Passed]()
    for folder in (cwd, *cwd.parents):
        for path in (folder / PROJECT_FILE, folder / _PYPROJECT):
            if not _is_there(path) or (path.name == _PYPROJECT and not _names_us(path)):
                continue
            why = distrust(path)
            if why:
                passed.append(Passed(path, why))
            elif path.name == PROJECT_FILE or _has_table(path):
                return path, tuple(passed)
    return None, tuple(passed)


def distrust(path: Path) -> str:
    """Why a settings file that is there is not read: somebody else may have written it, or it is no file; else ""."""
    try:
        link, file = path.lstat(), path.stat()
    except OSError as error:
        return error.strerror or str(error)
    if not stat.S_ISREG(file.st_mode):
        return "it is no file"
    if not {link.st_uid, file.st_uid} <= _trusted():
        return "it belongs to somebody else"
    if file.st_mode & stat.S_IWOTH:
        return "everybody may write to it"
    if file.st_size > _LARGEST:
        return "it is too large"
    return ""


def _trusted() -> set[int]:
    """Whose files count: our own, root's, and under sudo those of whoever called it."""
    caller = os.environ.get("SUDO_UID", "")
    return {0, os.geteuid()} | ({int(caller)} if os.geteuid() == 0 and caller.isdecimal() else set())


def load(path: Path) -> dict[str, object]:
    """The settings in one file, by name, unchecked; empty when the file is not there.

    Raises:
        UnreadableFile: forbidden, not text, or not TOML.
    """
    if not _is_there(path):
        return {}
    document = _parsed(read_text(path, what="settings"), path)
    own = part(part(document["tool"])["fmctl"]) if path.name == _PYPROJECT else document
    return {name.replace("-", "_"): value for name, value in own.items()}


def change(path: Path, name: str, value: object | None) -> bool:
    """Set one setting in a file, or remove it with None; comments and the other lines stay.

    Returns:
        Whether the file changed.

    Raises:
        UsageError: the project keeps its settings in pyproject.toml, which fmctl does not rewrite.
        UnreadableFile: the file that is there cannot be read.
        UnwritableFile: the file cannot be written.
    """
    if path.name == _PYPROJECT:
        raise UsageError(
            f"settings of this project are in {path}",
            why="fmctl does not rewrite a file that belongs to other tools",
            next=f"edit {name} under [tool.fmctl] there",
        )
    before = load(path)
    after = {key: kept for key, kept in before.items() if key != name} | ({} if value is None else {name: value})
    if after == before:
        return False
    text = read_text(path, what="settings") if before or _is_there(path) else ""
    write_atomic(path, _edited(text, name, value), parents=True)
    return True


def _edited(text: str, name: str, value: object | None) -> str:
    """The file with one setting changed, however its name was spelled there; all else stays as it was written."""
    import tomlkit  # a twentieth of a second that only a change pays

    document = tomlkit.parse(text)
    first, *others = [key for key in document if key.replace("-", "_") == name] or [name]
    for again in others if value is not None else (first, *others):  # spelled twice, the last one would count
        document.remove(again)
    if value is not None:
        document[first] = list(value) if isinstance(value, tuple) else value
    return tomlkit.dumps(document)


def _parsed(text: str, path: Path) -> dict[str, object]:
    try:
        return from_toml(text)
    except NotParsed as error:
        raise UnreadableFile(
            f"cannot read settings {path}", why=f"it is not TOML: {shorten(str(error), 200)}", next=f"edit {path}"
        ) from error


def _names_us(path: Path) -> bool:
    """Whether this pyproject.toml speaks to us; a broken or forbidden one that never names us is not our business."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return False
        return re.search(r"^\s*\[\s*tool\s*\.\s*fmctl\s*\]", read_text(path), flags=re.MULTILINE) is not None
    except (FmctlError, OSError):
        return False


def _has_table(path: Path) -> bool:
    return isinstance(part(_parsed(read_text(path), path).get("tool")).get("fmctl"), dict)


def _is_there(path: Path) -> bool:
    """Whether there is a file; a folder we may not even enter (another user's home) counts as empty."""
    try:
        path.stat()
    except PermissionError:
        return os.access(path.parent, os.X_OK)
    except OSError:
        return False
    return True
