"""Settings, each with where its value came from: flag, environment, project file, user file, default.

The settings themselves are declared in `settings`, their files are read and changed by `settings_files`. What the file
of a folder may not decide (`Setting.own`), and files that somebody else may have written, are passed over and named.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fmctl.base import settings_files
from fmctl.base.errors import FmctlError, UnknownName, UsageError
from fmctl.base.read import number, texts
from fmctl.base.settings import SETTINGS, Setting, check, find
from fmctl.base.settings_files import Passed

__all__ = ["SETTINGS", "Scope", "Setting", "Settings", "Value", "find", "not_taken", "resolve", "set_value", "unset"]

Scope = Literal["user", "project"]


@dataclass(frozen=True, slots=True, repr=False)
class Value:
    """What a setting is, and who said so: "flag", "environment FMCTL_REGION", "project /path/fmctl.toml", "default"."""

    value: object
    origin: str


class Settings(Mapping[str, Value]):
    """Every setting with its value and origin; the typed readers return the bare value."""

    def __init__(self, values: Mapping[str, Value], passed: tuple[Passed, ...] = ()) -> None:
        self._values = dict(values)
        self.passed = passed

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def text(self, name: str) -> str | None:
        """A text setting."""
        found = self[name].value
        return None if found is None else str(found)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list setting."""
        return tuple(texts(self[name].value))

    def number(self, name: str) -> float | None:
        """A number setting."""
        return number(self[name].value)

    def switch(self, name: str) -> bool:
        """An on-off setting."""
        return bool(self[name].value)


def resolve(
    flags: Mapping[str, object] | None = None, env: Mapping[str, str] | None = None, cwd: Path | None = None,
    *, whatever_stands_here: bool = False,
) -> Settings:  # fmt: skip
    """Every setting, from the first source that has it.

    Args:
        flags: what the command line gave; None and names that are no settings are skipped.
        env: the environment; that of the process by default.
        cwd: where to look for the project file from; the working folder by default.
        whatever_stands_here: a folder's file that cannot be read is passed over too: nothing that lies in a folder may
            stand between a person and a teardown.

    Raises:
        UsageError: an unknown name or a value that does not fit, naming the source.
        UnreadableFile: a settings file that is forbidden or not TOML.
    """
    values = {name: Value(setting.default, "default") for name, setting in SETTINGS.items()}
    passed = list[Passed]()
    user = _user_file()
    if user is not None:
        why = settings_files.distrust(user) if user.is_file() else ""
        passed += [Passed(user, why)] if why else []
        values |= {} if why else _from_file(f"user {user}", settings_files.load(user))
    found, more = _of_folder(cwd, whatever_stands_here)
    values |= found
    passed += more
    values |= _from_environment(os.environ if env is None else env)
    given = {name: value for name, value in (flags or {}).items() if name in SETTINGS and value is not None}
    values |= {name: Value(check(name, value, "flag"), "flag") for name, value in given.items()}
    return Settings(values, tuple(passed))


def not_taken(settings: Settings) -> tuple[str, ...]:
    """What was passed over, a sentence per file."""
    return tuple(_sentence(one) for one in settings.passed)


def set_value(name: str, value: object, scope: Scope = "user", cwd: Path | None = None) -> Path:
    """Write one setting into the user's or the project's file and return that file. Raises as `resolve` does."""
    setting = find(name)
    known = setting.name
    if scope == "project" and not _may_stand_in_folder(setting, check(known, value, "the command line")):
        raise UsageError(
            f"{known} is not taken from a folder",
            why=f"it decides {setting.own}",
            next=f"fmctl config set {known} VALUE",
        )
    path = _file_of(scope, cwd)
    settings_files.change(path, known, check(known, value, str(path)))
    return path


def unset(name: str, scope: Scope = "user", cwd: Path | None = None) -> bool:
    """Remove one setting from the user's or the project's file; returns whether it stood there."""
    return settings_files.change(_file_of(scope, cwd), find(name).name, None)


def _of_folder(cwd: Path | None, whatever: bool) -> tuple[dict[str, Value], tuple[Passed, ...]]:
    """(what the nearest project file may set, what of it and which files are passed over)."""
    path, passed = None, tuple[Passed, ...]()
    try:
        path, passed = _project(cwd)
        if path is None:
            return {}, passed
        held = settings_files.load(path)
        own = tuple(
            name for name, value in held.items() if name in SETTINGS and not _may_stand_in_folder(find(name), value)
        )
        values = _from_file(f"project {path}", {name: value for name, value in held.items() if name not in own})
    except FmctlError as error:
        if not whatever:
            raise
        return {}, (*passed, Passed(path or Path(settings_files.PROJECT_FILE), error.why or error.what))
    return values, (*passed, Passed(path, "", own)) if own else passed


def _may_stand_in_folder(setting: Setting, value: object) -> bool:
    return not setting.own or (setting.harmless is not None and value == setting.harmless)


def _sentence(one: Passed) -> str:
    if not one.names:
        return f"{one.file} is not read: {one.why}"
    own = settings_files.user_file()
    what = ", ".join(f"{name} ({SETTINGS[name].own})" for name in one.names)
    here = f"put them into {own}, or " if own is not None else ""
    instead = ", ".join(SETTINGS[name].env[0] for name in one.names)
    return f"not taken from {one.file}: {what}; {here}give the options or {instead}: a folder is not trusted with these"


def _from_file(origin: str, found: Mapping[str, object]) -> dict[str, Value]:
    for name in found:
        if name not in SETTINGS:
            error = UnknownName("setting", name, SETTINGS, next=f"edit {origin.partition(' ')[2]}")
            error.why = f"{origin} has it; {error.why}" if error.why else f"{origin} has it"
            raise error
    return {name: Value(check(name, value, origin), origin) for name, value in found.items()}


def _from_environment(env: Mapping[str, str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    if env.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        found["color"] = Value("always", "environment CLICOLOR_FORCE")
    if env.get("NO_COLOR"):
        found["color"] = Value("never", "environment NO_COLOR")
    for name, setting in SETTINGS.items():
        variable = next((key for key in setting.env if env.get(key)), None)
        if variable is not None:
            origin = f"environment {variable}"
            found[name] = Value(check(name, env[variable], origin), origin)
    return found


def _user_file() -> Path | None:
    """The user's file, None where there is none: asking the XDG folder first spares most people platformdirs' 3 ms."""
    if sys.platform.startswith("linux"):
        folder = os.environ.get("XDG_CONFIG_HOME", "").strip() or os.path.expanduser("~/.config")  # noqa: PTH111
        if not os.path.exists(f"{folder}/fmctl/config.toml"):  # noqa: PTH110
            return None
    return settings_files.user_file()


def _project(cwd: Path | None) -> tuple[Path | None, tuple[Passed, ...]]:
    try:
        return settings_files.project_file(Path.cwd() if cwd is None else cwd)
    except FileNotFoundError:  # the working folder was removed under us
        return None, ()


def _file_of(scope: Scope, cwd: Path | None) -> Path:
    if scope == "project":
        return _project(cwd)[0] or (Path.cwd() if cwd is None else cwd) / settings_files.PROJECT_FILE
    path = settings_files.user_file()
    if path is None:
        raise UsageError("there is no user settings file", why="no home folder is known", next="set XDG_CONFIG_HOME")
    return path
