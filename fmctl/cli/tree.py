"""The command tree as plain data: for `spec`, the completion scripts, and the tests that walk every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from fmctl.base.errors import ExitCode
from fmctl.cli.app import Group, group_of
from fmctl.cli.values import DYNAMIC
from fmctl.usecases.choices import CHOICES

if TYPE_CHECKING:
    from typer._click import Command as ClickCommand
    from typer._click import Parameter as ClickParameter

    from fmctl.domain.rows.meta import Command, Parameter, Spec

_EXITS = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "the operation failed",
    ExitCode.USAGE: "usage or bad input",
    ExitCode.NO_LAYOUT: "no layout fits",
    ExitCode.PERMISSION: "credentials, permission, wrong account",
    ExitCode.CAPACITY: "capacity or quota not available",
    ExitCode.STALE: "the plan is stale, or the world changed under it",
    ExitCode.TIMEOUT: "the timeout was reached, the operation goes on",
    ExitCode.DIFFERENT: "diff --exit-code: there are differences",
    ExitCode.INTERRUPTED: "interrupted",
}


def spec_of(root: Group) -> Spec:
    """The whole command line: every command with its parameters, and what exit codes mean."""
    return {
        "program": "fmctl",
        "commands": list(_commands(root, typer.Context(root, info_name="fmctl", **root.context_settings))),
        "exit_codes": [{"code": int(code), "meaning": meaning} for code, meaning in _EXITS.items()],
    }


def _commands(command: ClickCommand, context: typer.Context, path: str = "") -> Iterator[Command]:
    yield {
        "name": path or "fmctl",
        "help": " ".join((command.help or "").split("\n\n", 1)[0].split()),
        "group": isinstance(command, Group),
        "parameters": [_parameter(param) for param in command.get_params(context)],
    }
    if isinstance(command, Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is None:
                continue
            inner = typer.Context(child, info_name=name, parent=context)
            yield from _commands(child, inner, f"{path} {name}".strip())


def _parameter(param: ClickParameter) -> Parameter:
    name = param.name or ""
    is_option = param.param_type_name == "option"
    flag = bool(getattr(param, "is_flag", False))
    flags = sorted(param.opts, key=len) if name == "help" else list(param.opts)  # the parser keeps those in a set
    return {
        "name": name,
        "flags": flags if is_option else [],
        "negative_flags": list(param.secondary_opts),
        "type": "boolean" if flag else "text",
        "required": bool(param.required),
        "multiple": bool(getattr(param, "multiple", False)),
        "default": param.default if isinstance(param.default, str | bool | int | float) else None,
        "choices": list(CHOICES.get(name, ())),
        "values": DYNAMIC.get(name),
        "metavar": "" if flag else str(param.metavar or name.upper()),
        "group": group_of(param),
        "help": str(getattr(param, "help", None) or ""),
    }
