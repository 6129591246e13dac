"""Options of whatever follows a run: which one, and where metrics of its nodes are."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from typing import Annotated, TypeAlias

from typer import Option

from fmctl.base.untyped import Library
from fmctl.cli.options import row_option
from fmctl.usecases.options import Nodes, Run

_STATE = "Where it is kept how far the log was read, so that the next call reads only what is new"


def _run(help: str, *flags: str, metavar: str) -> Library:
    return Option(*flags, metavar=metavar, help=help, rich_help_panel="Run", show_default=False)


def _node(help: str, *flags: str, metavar: str) -> Library:
    return Option(*flags, metavar=metavar, help=help, rich_help_panel="Metrics of nodes", show_default=False)


RunOptions: TypeAlias = Annotated[
    Run,
    {
        "log": _run("The job's log on this machine", "--log", metavar="FILE"),
        "cluster": _run("The cluster: of --job, and what it cost", "--cluster", metavar="NAME"),
        "job": _run("Slurm's number of the job", "--job", metavar="JOB"),
        "row": row_option("Run"),
        "state": _run(_STATE, "--state", metavar="FILE"),
    },
]


NodesOptions: TypeAlias = Annotated[
    Nodes,
    {
        "prometheus": _node("Prometheus with metrics of the nodes", "--prometheus", metavar="URL"),
        "metrics_cluster": _node(
            "Label `cluster` there; --cluster's or the plan's unless said", "--metrics-cluster", metavar="NAME"
        ),
        "since": _node("So long back from the log's end; all of it unless said", "--since", metavar="6h"),
    },
]
