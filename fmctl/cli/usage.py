"""What the argument parser complains about, in fmctl's own words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from fmctl.base.errors import UsageError, did_you_mean, shorten

if TYPE_CHECKING:
    from typer._click import Context

_QUOTED = re.compile(r"'([^']*)'")
_NOW = {"--rank": "--row"}  # options that had another name


def as_usage_error(error: typer.TyperException) -> UsageError:
    """The parser's exception as a `UsageError` with did-you-mean and the command that helps."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "fmctl"
    help_command = f"{path} --help"
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        flags, now = _flags(context), _NOW.get(option, "")
        if now in flags:
            return UsageError(f"'{option}' is now '{now}'", next=help_command)
        return _unknown("option", option, flags, help_command)
    text = error.format_message()
    if text.startswith("No such command"):
        wanted = _QUOTED.search(text)
        return _unknown("command", wanted.group(1) if wanted else "", _commands(context), help_command)
    return UsageError(_sentence(text, error), next=help_command)


def _unknown(kind: str, name: str, choices: Iterable[str], help_command: str) -> UsageError:
    near = did_you_mean(name, choices)
    why = f"did you mean {' or '.join(near)}?" if near else None
    return UsageError(f"no {kind} called '{shorten(name)}'", why=why, next=help_command)


def _flags(context: Context | None) -> list[str]:
    if context is None:
        return []
    parameters = context.command.get_params(context)
    return [flag for p in parameters for flag in (*p.opts, *p.secondary_opts) if flag.startswith("--")]


def _commands(context: Context | None) -> list[str]:
    if context is None or not isinstance(context.command, typer.core.TyperGroup):
        return []
    return list(context.command.list_commands(context))


def _sentence(text: str, error: Exception) -> str:
    """`Missing argument 'MODEL'.` as `missing argument MODEL`."""
    param = getattr(error, "param", None)
    if text.startswith("Missing") and param is not None:
        return f"missing {param.param_type_name} {param.human_readable_name.upper()}"
    words = shorten(" ".join(text.split()), 200).rstrip(".")
    return words[:1].lower() + words[1:]
