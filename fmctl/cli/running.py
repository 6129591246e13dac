"""Run one command line; the one place where an error becomes lines on stderr and an exit code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fmctl.base.errors import ExitCode, FmctlError, UsageError
from fmctl.base.printing import block
from fmctl.cli.streams import discard_stdout, write_stderr

if TYPE_CHECKING:
    from fmctl.usecases.services import Services


class InternalError(FmctlError):
    """A defect of fmctl: never the user's fault, never a traceback unless asked for."""

    code = "internal"


def run(args: Sequence[str], services: Services | None = None) -> int:
    """Run the command in `args` and return the exit code; never raises."""
    try:
        return int(_invoke(list(args), services))
    except BrokenPipeError:
        discard_stdout()
        return ExitCode.OK
    except KeyboardInterrupt:
        write_stderr("\n")
        return ExitCode.INTERRUPTED
    except FmctlError as error:
        if isinstance(error, UsageError) and not error.next:
            error.next = _help_for(args)
        return _report(error, args)
    except MemoryError:
        return _report(InternalError("not enough memory", next="ask for fewer nodes or fewer instance types"), args)
    except Exception as error:
        return _report(_internal(error), args)


def _invoke(args: list[str], services: Services | None) -> int:
    import typer

    from fmctl.cli.app import build
    from fmctl.cli.usage import as_usage_error
    from fmctl.usecases.services import Services

    try:
        root = build()  # not root.main(): that has its own ideas about pipes and exit codes
        with root.make_context("fmctl", args, obj=services or Services()) as context:
            code = root.invoke(context)
    except typer.Exit as stop:
        code = stop.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except typer.TyperException as error:
        raise as_usage_error(error) from None
    return code if isinstance(code, int) else ExitCode.OK


def _help_for(args: Sequence[str]) -> str:
    """The help of the command that was called: there is always something to type next."""
    from fmctl.cli.app import COMMANDS

    words = [arg for arg in args[:2] if not arg.startswith("-")]
    entry = COMMANDS.get(words[0]) if words else None
    if entry is None:
        return "fmctl --help"
    child = words[1] if entry.children and len(words) > 1 and words[1] in entry.children else ""
    return " ".join(filter(None, ("fmctl", words[0], child, "--help")))


def _internal(error: Exception) -> InternalError:
    if os.environ.get("FMCTL_TRACEBACK"):
        import traceback

        write_stderr("".join(traceback.format_exception(error)))
    text = " ".join(str(error).split())[:200]
    return InternalError(
        f"internal error: {type(error).__name__}",
        why=text or None,
        next="run it again with FMCTL_TRACEBACK=1 and report it",
    )


def _report(error: FmctlError, args: Sequence[str]) -> int:
    if wants_json(args):
        from fmctl.report.envelope import error_document
        from fmctl.report.formats import as_json

        write_stderr(as_json(error_document(error.code, int(error.exit_code), error.what, error.why, error.next)))
    else:
        write_stderr(block(error.lines()))
    return int(error.exit_code)


def wants_json(args: Sequence[str]) -> bool:
    """Whether the output was to be JSON; read off the raw arguments, for they may be what is wrong."""
    for i, arg in enumerate(args):
        if arg in ("--json", "-ojson", "--output=json", "-o=json", "-ojsonl", "--output=jsonl"):
            return True
        if arg in ("-o", "--output") and list(args[i + 1 : i + 2]) in (["json"], ["jsonl"]):
            return True
    given = any(arg.startswith(("-o", "--output")) for arg in args)
    return not given and os.environ.get("FMCTL_OUTPUT", "") in ("json", "jsonl")
