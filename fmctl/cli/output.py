"""From an answer to stdout or a file: format, selection, colour."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from fmctl.base.config import Settings, not_taken, resolve
from fmctl.base.errors import UnknownName, UsageError
from fmctl.base.outputs import OUTPUTS
from fmctl.base.units import parse_list
from fmctl.cli.options import Output
from fmctl.cli.streams import draw_stderr, draw_stdout, stdout_is_terminal, tell, write_stdout

if TYPE_CHECKING:
    from fmctl.report.view import Answer


def settings_for(out: Output, *, whatever_stands_here: bool = False) -> Settings:
    """The settings under this command's options; checks the output options before any work is done.

    What was not taken from a folder is a warning. See `resolve` for whatever_stands_here.
    """
    format_of(out)
    flags = {"output": "json" if out.json else out.output}
    found = resolve(flags, whatever_stands_here=whatever_stands_here)
    warn(not_taken(found), out)
    if out.query is not None and out.fields is not None:
        raise UsageError("--query and --fields exclude each other", why="both choose what is printed")
    if out.query is not None:
        from fmctl.report.formats import check_query

        check_query(out.query)
    return found


def format_of(out: Output) -> str | None:
    """The format that was asked for, None where none was. Raises UnknownName, UsageError."""
    if out.output is not None and out.output not in OUTPUTS:
        raise UnknownName("format", out.output, OUTPUTS, next=f"-o {' | '.join(OUTPUTS)}")
    if out.json and out.output not in (None, "json"):
        raise UsageError(f"--json and -o {out.output} exclude each other")
    return "json" if out.json else out.output


def emit(answer: Answer, out: Output, settings: Settings) -> None:
    """Print the answer, or write it to the file named."""
    from fmctl.report.formats import found

    form = settings.text("output") or "table"
    text = _text(answer, out, settings, form)
    if out.out is None:
        (draw_stdout if _drawn(out, settings, form) else write_stdout)(text)
    else:
        from fmctl.base.files import write_atomic

        write_atomic(out.out, text)
    if not found(form).whole or out.fields or out.query:
        warn(answer.warnings, out)


def prints_documents(settings: Settings) -> bool:
    """Whether the format prints a document as it is, be there rows in it or not."""
    from fmctl.report.formats import found

    return found(settings.text("output") or "table").whole


def emit_files(files: Mapping[str, str], answer: Answer, out: Output, settings: Settings) -> None:
    """Files themselves, where no document around them was asked for; -O has them in its folder already."""
    if settings.text("output") != "table" or out.query is not None or out.fields is not None:
        emit(answer, replace(out, out=None), settings)
        return
    if out.out is None:
        from fmctl.report.renders import file_text

        write_stdout(file_text(files))
    warn(answer.warnings, out)


def warn(warnings: tuple[str, ...], out: Output) -> None:
    """Say what an answer's reader should know, on stderr."""
    if not out.quiet:
        tell(*(f"warning: {warning}" for warning in warnings))


def _text(answer: Answer, out: Output, settings: Settings, form: str) -> str:
    from fmctl.report import formats

    if out.query is not None:
        return formats.queried(answer.document, out.query, form)
    if out.fields is not None:
        return formats.picked(answer, parse_list(out.fields, what="--fields"), form)
    if _drawn(out, settings, form):
        import shutil

        from fmctl.report.text import terminal_text

        width = shutil.get_terminal_size((80, 24)).columns
        return terminal_text(answer.report(), max(width, 20), colour=colour(out, settings))
    return formats.found(form).answer(answer)


def _drawn(out: Output, settings: Settings, form: str) -> bool:
    """Whether the answer is fitted to a terminal, and coloured; then its texts are made printable one by one."""
    if form != "table" or (out.query, out.fields) != (None, None):
        return False
    return out.out is None and (stdout_is_terminal() or settings.text("color") == "always")


def colour(out: Output, settings: Settings) -> bool:
    """Whether a terminal gets colours."""
    if out.no_color or settings.text("color") == "never":
        return False
    return settings.text("color") == "always" or os.environ.get("TERM") != "dumb"


def progress_line(out: Output, doing: str = "searching") -> Callable[[int, int], None] | None:
    """A callback that keeps one line on stderr up to date, None where nobody looks."""
    from fmctl.cli.streams import stderr_is_terminal

    if out.quiet or not stderr_is_terminal():
        return None

    def show(done: int, total: int) -> None:
        draw_stderr(f"\r{doing} {done / max(total, 1):4.0%}" if done < total else "\r\033[K")

    return show
