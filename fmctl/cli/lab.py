"""`lab`: a local AWS to rehearse on."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from typing import Annotated

import typer
from typer import Option

from fmctl.base.errors import UsageError
from fmctl.base.units import parse_count, parse_number
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.report.lab import lab_answer
from fmctl.usecases.options import Text

_Port = Annotated[Text, Option("--port", metavar="N", help="On 127.0.0.1; a free one by default.", show_default=False)]
_Speed = Annotated[Text, Option("--speed", metavar="X", help="Simulated seconds per second (60).", show_default=False)]


def lab_start(ctx: typer.Context, out: Output, port: _Port = None, speed: _Speed = None) -> None:
    """Start a local AWS with a network, a key, capacity of each GPU type, a file system and a bucket.

    It runs on until `fmctl lab stop` and is gone with it. The real ParallelCluster validates, creates and deletes
    clusters in it; no capacity, quota, permission or boot in it is real.
    """
    settings = settings_for(out)
    at = 0 if port is None else parse_count(port, what="--port")
    if port is not None and not 1024 <= at <= 65535:
        raise UsageError(f"--port {at} cannot be used", why="it is between 1024 and 65535", next="--port 5005")
    factor = 60.0 if speed is None else parse_number(speed, what="--speed")
    if factor > 100_000:
        raise UsageError(f"--speed {factor:g} is too fast", why="at most 100,000", next="--speed 60")
    emit(lab_answer(ctx.obj.lab.start(at, factor)), out, settings)


def lab_stop(ctx: typer.Context, out: Output) -> None:
    """Stop the local AWS; everything in it is gone. Where none runs that is said, and no error."""
    settings = settings_for(out)
    emit(lab_answer(ctx.obj.lab.stop(), ended=True), out, settings)


def lab_status(ctx: typer.Context, out: Output) -> None:
    """Whether a local AWS runs, how to talk to it, and what is reserved in it."""
    settings = settings_for(out)
    emit(lab_answer(ctx.obj.lab.status()), out, settings)
