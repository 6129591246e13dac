"""`config`: settings with their origin, and the files they are in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from fmctl.base import config
from fmctl.base.errors import FmctlError, UsageError, shorten
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.streams import tell
from fmctl.report.settings import config_answer, files_answer
from fmctl.usecases.prices import check_region

if TYPE_CHECKING:
    from fmctl.domain.rows.meta import PassedRow, SettingRow

_Name = Annotated[str, Argument(metavar="SETTING", help="Name of a setting.", show_default=False)]
_Value = Annotated[str, Argument(metavar="VALUE", help="Its new value.", show_default=False)]
_Project = Annotated[bool, Option("--project", help="In this project's file, not the user's.")]


def config_list(out: Output) -> None:
    """All settings: value, and whether flag, environment, project, user or default said so."""
    found = settings_for(out)
    emit(config_answer([_row(found, name) for name in found], _files(), _passed(found)), out, found)


def config_get(setting: _Name, out: Output) -> None:
    """One setting with its origin."""
    found = settings_for(out)
    emit(config_answer([_row(found, config.find(setting).name)], _files(), _passed(found)), out, found)


def config_set(setting: _Name, value: _Value, out: Output, project: _Project = False) -> None:
    """Write a setting into the user's file, or the project's."""
    settings_for(out)
    if not value.isprintable():
        raise UsageError(
            f"{shorten(setting)} '{shorten(value)}' is not a text", why="it has characters nobody can read"
        )
    if setting == "region":
        check_region(value, "the command line")
    path = config.set_value(setting, value, _scope(project))
    _say(f"{config.find(setting).name} is set in {path}", out)


def config_unset(setting: _Name, out: Output, project: _Project = False) -> None:
    """Remove a setting from the user's file, or the project's."""
    settings_for(out)
    stood = config.unset(setting, _scope(project))
    _say(f"{config.find(setting).name} is {'no longer' if stood else 'not'} set there", out)


def config_path(out: Output) -> None:
    """The files that settings and saved plans are in."""
    emit(files_answer(_files()), out, settings_for(out))


def _scope(project: bool) -> config.Scope:
    return "project" if project else "user"


def _say(text: str, out: Output) -> None:
    if not out.quiet:
        tell(text)


def _row(found: config.Settings, name: str) -> SettingRow:
    setting, value = config.SETTINGS[name], found[name]
    shown = list(value.value) if isinstance(value.value, tuple) else value.value
    return {
        "name": name,
        "value": shown,
        "origin": value.origin,
        "type": setting.type,
        "choices": list(setting.choices),
        "doc": setting.doc,
        "own": setting.own or None,
    }


def _passed(found: config.Settings) -> list[PassedRow]:
    return [{"file": str(one.file), "settings": list(one.names), "why": one.why or None} for one in found.passed]


def _files() -> dict[str, str | None]:
    from pathlib import Path

    from fmctl.base.settings_files import project_file, user_file
    from fmctl.operate.store import plans_folder

    def there(find: Callable[[], Path | None]) -> str | None:
        try:
            path = find()
        except (FmctlError, OSError):
            return None
        return None if path is None else str(path)

    return {
        "user": there(user_file),
        "project": there(lambda: project_file(Path.cwd())[0]),
        "plans": there(plans_folder),
    }
