"""Options of whatever follows a run: which one, and where metrics of its nodes are."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from typing import TYPE_CHECKING, Annotated, TypeAlias

from fmctl.cli.options import row_option
from fmctl.cli.panels import under
from fmctl.usecases.options import Nodes, Run

if TYPE_CHECKING:
    from typer.models import OptionInfo

_STATE = "Where it is kept how far the log was read, so that the next call reads only what is new"


def _run(help: str, *flags: str, metavar: str) -> "OptionInfo":
    return under("Run", help, *flags, metavar=metavar)


def _node(help: str, *flags: str, metavar: str) -> "OptionInfo":
    return under("Metrics of nodes", help, *flags, metavar=metavar)


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
