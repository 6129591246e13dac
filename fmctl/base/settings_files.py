"""Where settings files are, what they hold, and how one line in them is changed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fmctl.base.errors import FmctlError, UnreadableFile, UsageError
from fmctl.base.files import read_text, write_atomic
from fmctl.base.read import part

PROJECT_FILE = "fmctl.toml"
_PYPROJECT = "pyproject.toml"


def user_file() -> Path | None:
    """The user's own settings file, there or not; None for somebody without a home."""
    from platformdirs import user_config_path

    try:
        folder = user_config_path("fmctl")
    except RuntimeError:
        return None
    return folder / "config.toml" if folder.is_absolute() else None  # "~" stays as it is when nobody knows the home


def project_file(cwd: Path) -> Path | None:
    """The nearest `fmctl.toml`, or `pyproject.toml` with a `[tool.fmctl]` table, from `cwd` upwards."""
    for folder in (cwd, *cwd.parents):
        if _is_there(folder / PROJECT_FILE):
            return folder / PROJECT_FILE
        if _has_table(folder / _PYPROJECT):
            return folder / _PYPROJECT
    return None


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
    import tomllib  # 3 ms that only those with a settings file pay

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableFile(
            f"cannot read settings {path}", why=f"it is not TOML: {error}", next=f"edit {path}"
        ) from error


def _has_table(path: Path) -> bool:
    """Whether this pyproject.toml speaks to us; a broken or forbidden one that never names us is not our business."""
    try:
        text = read_text(path)
    except FmctlError:
        return False
    if not re.search(r"^\s*\[\s*tool\s*\.\s*fmctl\s*\]", text, flags=re.MULTILINE):
        return False
    return isinstance(part(_parsed(text, path).get("tool")).get("fmctl"), dict)


def _is_there(path: Path) -> bool:
    """Whether there is a file; a folder we may not even enter (another user's home) counts as empty."""
    try:
        path.stat()
    except PermissionError:
        return os.access(path.parent, os.X_OK)
    except OSError:
        return False
    return True
