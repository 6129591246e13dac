"""`observe export`: a run's own metrics, out of its log and its plan, for Prometheus to scrape."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from fmctl.base.errors import UsageError, shorten
from fmctl.base.units import parse_count
from fmctl.cli.cluster_options import AwsOptions, Where
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for, warn
from fmctl.cli.panels import under
from fmctl.cli.run_options import NodesOptions, RunOptions
from fmctl.cli.streams import tell, write_stdout
from fmctl.usecases import following
from fmctl.usecases.exporting import families_now, serve
from fmctl.usecases.options import Text

if TYPE_CHECKING:
    from typer.models import OptionInfo

_PlanName = Annotated[
    str, Argument(metavar="PLAN", help="A saved plan, or a plan document in a JSON file.", show_default=False)
]
_MOST_PORT = 65_535
HERE = "127.0.0.1"


def _serve(help: str, *flags: str, metavar: str) -> "OptionInfo":
    return under("Exporter", help, *flags, metavar=metavar)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Served:
    """Where the metrics are offered."""

    port: Annotated[Text, _serve("Port (9477, as rendered scrape jobs expect)", "--port", metavar="N")] = None
    address: Annotated[
        Text, _serve("Address (127.0.0.1); 0.0.0.0 for whoever reaches this machine", "--address", metavar="IP")
    ] = None
    run_name: Annotated[Text, _serve("Label `run`, the plan's name unless said", "--run", metavar="NAME")] = None
    once: Annotated[
        bool, Option("--once", help="Print them once, for a textfile collector.", rich_help_panel="Exporter")
    ] = False


def observe_export(
    ctx: typer.Context,
    plan_name: _PlanName,
    run: RunOptions,
    served: Served,
    nodes: NodesOptions,
    aws: AwsOptions,
    out: Output,
    head: Where = None,
) -> None:
    """A run's metrics for Prometheus: steps, loss, checkpoints, spend, and each figure beside its prediction.

    Serves http://ADDRESS:PORT/metrics until the run is over or Ctrl-C, reading only what the log gains. What is not
    known is absent, never 0. The log's clock is taken as UTC.
    """
    settings = settings_for(out)
    from fmctl.observe.scrape import JOB
    from fmctl.report.exported import exported_answer, text_of

    port = JOB.port if served.port is None else parse_count(served.port, what="--port")
    if port > _MOST_PORT:
        raise UsageError(f"--port {shorten(str(port))} is too large", why=f"the most is {_MOST_PORT}")
    address = _address(served.address)
    name = _run_name(served.run_name, plan_name)
    found = following.follow(plan_name, run, nodes, aws, head, (ctx.obj, settings))
    found.read()
    labels = {"cluster": found.beside.label, "run": name}
    if served.once:
        found.finish()
        found.measured = found.beside.measure(found.summary.progress())
        families, warnings = families_now(found, labels)
        if settings.text("output") == "table" and (out.query, out.fields, out.out) == (None, None, None):
            write_stdout(text_of(families))
            warn(warnings, out)
        else:
            emit(exported_answer(families, plan_name, found.feed.parser.source, warnings), out, settings)
        return
    say = (lambda line: None) if out.quiet else tell
    serve(found, labels, (address, port), say, lambda warnings: warn(warnings, out))


def _address(given: str | None) -> str:
    try:
        return HERE if given is None else str(IPv4Address(given))
    except ValueError:
        raise UsageError(
            f"--address '{shorten(str(given))}' cannot be used", why="it is no IPv4 address", next="--address 0.0.0.0"
        ) from None


def _run_name(given: str | None, plan_name: str) -> str:
    from fmctl.observe.watched import LONGEST_RUN_NAME

    name = Path(plan_name).stem if given is None else given
    if not (0 < len(name) <= LONGEST_RUN_NAME and name.isprintable()):
        why = f"it has to be 1 to {LONGEST_RUN_NAME} printable characters"
        raise UsageError(f"run '{shorten(name)}' cannot be used", why=why, next="--run NAME")
    return name
