"""`explain` and `diff`: look closer at an estimate, a saved plan, or two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer
from typer import Argument, Option

from fmctl.base.errors import ExitCode
from fmctl.cli.options import AskedOptions, Output, Row
from fmctl.cli.output import emit, settings_for
from fmctl.usecases import comparing

if TYPE_CHECKING:
    from fmctl.domain.rows.results import DiffDocument

_Subject = Annotated[
    str, Argument(metavar="SUBJECT", help="A model, a saved plan, or a document in a JSON file.", show_default=False)
]
_Side = Annotated[str, Argument(help="A saved plan, a run, or a document in a JSON file.", show_default=False)]
_EXIT = Option("--exit-code", help="Exit 10 when there are differences.", rich_help_panel="Output")
_ALL = Option("--all", help="Equal fields too.", rich_help_panel="Output")


def explain(ctx: typer.Context, subject: _Subject, asked: AskedOptions, out: Output, row: Row = None) -> None:
    """Where the time, the memory and the money go: each part with its share, equation and source.

    SUBJECT is a model with the options of `estimate`, a saved plan, or a plan or estimate document in a JSON file.
    """
    settings = settings_for(out)
    found = comparing.explain(subject, asked, row, settings, ctx.obj)
    if found.answer is not None:
        emit(found.answer, out, settings)
    if found.trouble is not None:
        raise found.trouble


def diff(
    ctx: typer.Context,
    a: _Side,
    b: _Side,
    out: Output,
    row: Row = None,
    exit_code: Annotated[bool, _EXIT] = False,
    every: Annotated[bool, _ALL] = False,
) -> None:
    """Two plans, estimates or runs, field by field: what differs, by how much, relative to the first.

    Of runs it compares what they were made of, what they cost, and what was measured, as last brought up to date.
    """
    settings = settings_for(out)
    answer = comparing.diff(a, b, row, every, settings, ctx.obj)
    emit(answer, out, settings)
    if exit_code and cast("DiffDocument", answer.document)["result"]["different"]:
        raise typer.Exit(ExitCode.DIFFERENT)
