"""`observe export`: a run's own metrics, out of its log and its plan, for Prometheus to scrape."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from fmctl.base.errors import UsageError, shorten
from fmctl.base.units import parse_count
from fmctl.cli.cluster_options import AwsOptions, Where
from fmctl.cli.followed import Followed, followed
from fmctl.cli.live import POLL_S, is_over
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for, warn
from fmctl.cli.run_options import NodesOptions, RunOptions
from fmctl.cli.streams import write_stderr, write_stdout
from fmctl.usecases.options import Text

if TYPE_CHECKING:
    from fmctl.observe.exposition import Family

_PlanName = Annotated[
    str, Argument(metavar="PLAN", help="A saved plan, or a plan document in a JSON file.", show_default=False)
]
_MOST_PORT = 65_535
HERE = "127.0.0.1"
# assumed: two scrapes at the usual interval, so that the last values are seen before the exporter ends.
LINGER_S = 30.0


def _serve(help: str, *flags: str, metavar: str) -> Any:
    return Option(*flags, metavar=metavar, help=help, rich_help_panel="Exporter", show_default=False)


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
    found = followed(ctx, plan_name, run, nodes, settings, aws, head)
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
    serve(found, labels, (address, port), out)


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


def serve(
    found: Followed, labels: dict[str, str], where: tuple[str, int], out: Output,
    sleep: Callable[[float], None] = time.sleep,
) -> None:  # fmt: skip
    """Offer a run's metrics until it is over. Raises OperationFailed where the port cannot be had."""
    from fmctl.adapters.prometheus.metrics_http import PATH, MetricsServer
    from fmctl.observe.exposition import CONTENT_TYPE
    from fmctl.report.exported import text_of

    said: set[str] = set()
    with MetricsServer(*where, CONTENT_TYPE) as server:
        quiet_s = 0.0
        while True:
            quiet_s = 0.0 if found.advance() else quiet_s + POLL_S
            families, warnings = families_now(found, labels)
            server.set(text_of(families))
            if not said and not out.quiet:
                write_stderr(f"fmctl: metrics on http://{where[0]}:{server.port}{PATH}; Ctrl-C ends it\n")
            fresh = [one for one in (*warnings, *([found.trouble] if found.trouble else [])) if one not in said]
            warn(tuple(fresh), out)
            said |= {"", *fresh}
            if is_over(found, quiet_s):
                break
            sleep(POLL_S)
        found.keep()
        sleep(LINGER_S)


def families_now(found: Followed, labels: dict[str, str]) -> "tuple[tuple[Family, ...], tuple[str, ...]]":
    """What is offered, with the cost until now, and what could not be had."""
    from fmctl.report.exported import families_of
    from fmctl.report.known import figures_of

    progress = found.summary.progress()
    until_log = found.beside.known(found.measured, progress.last_at)
    figures = figures_of(found.row, progress, found.instance, until_log)
    now = found.beside.known(found.measured, None)
    return families_of(progress, figures, now, labels, found.trouble is None), now.all_warnings()
