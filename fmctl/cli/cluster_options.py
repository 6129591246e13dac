"""Options of whatever makes, asks or ends a cluster: what it is to be, in which account, and how it is reached."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from typing import TYPE_CHECKING, Annotated, TypeAlias

from typer import Argument, Option

from fmctl.cli.options import row_option
from fmctl.cli.panels import under
from fmctl.domain.purchase import BLOCK, ODCR
from fmctl.usecases.choices import CAPACITIES
from fmctl.usecases.options import Aws, Consent, Text, Wanted

if TYPE_CHECKING:
    from typer.models import OptionInfo

_HEAD = "How the head node is reached: ssm, ssh://HOST, or local where this machine is it"
Where = Annotated[Text, Option("--head", metavar="HOW", help=_HEAD, rich_help_panel="AWS", show_default=False)]
Name = Annotated[str, Argument(metavar="NAME", help="The cluster.", show_default=False)]


def _option(help: str, *flags: str, metavar: str) -> "OptionInfo":
    return under("Cluster", help, *flags, metavar=metavar)


_BOUGHT = f"How the GPUs are bought, as the plan was priced unless said: {' | '.join(CAPACITIES)}"
_RESERVATION = f"Reservation of {ODCR} and {BLOCK}; one per UltraServer, with commas"
_RECIPE = "Program that trains, where a framework has several: megatron-lm | megatron-bridge"
_STATIC = "Nodes run from the start; otherwise they come with a job and go when idle"


WantedOptions: TypeAlias = Annotated[
    Wanted,
    {
        "site": _option("Where clusters go: a YAML or JSON file", "--site", metavar="FILE"),
        "row": row_option("Cluster"),
        "cluster_name": _option("Name, the plan's unless said", "--cluster-name", metavar="NAME"),
        "capacity": _option(_BOUGHT, "--purchase", metavar="NAME"),
        "reservation": _option(_RESERVATION, "--reservation", metavar="ID"),
        "max_hours": _option("Hours after which it ends, whatever happens", "--max-hours", metavar="H"),
        "idle_minutes": _option("Idle nodes go after so long (30)", "--idle-minutes", metavar="M"),
        "static": Option("--static", help=_STATIC, rich_help_panel="Cluster"),
        "recipe": _option(_RECIPE, "--recipe", metavar="NAME"),
        "no_efa": Option("--no-efa", help="No EFA interfaces.", rich_help_panel="Cluster"),
    },
]


def _aws(help: str, *flags: str, metavar: str) -> "OptionInfo":
    return under("AWS", help, *flags, metavar=metavar)


AwsOptions: TypeAlias = Annotated[
    Aws,
    {
        "profile": _aws("AWS profile", "--profile", metavar="NAME"),
        "region": _aws("AWS region", "--region", metavar="NAME"),
        "store": _aws("Folder or s3://bucket/prefix", "--store", metavar="WHERE"),
    },
]


def _consent(help: str, *flags: str, metavar: str | None = None) -> "OptionInfo":
    return under("Consent", help, *flags, metavar=metavar, show_default=True)


ConsentOptions: TypeAlias = Annotated[
    Consent,
    {
        "yes": _consent("Do not ask.", "--yes", "-y"),
        "dry_run": _consent("Say what would be done.", "--dry-run"),
        "read_only": _consent("Refuse to.", "--read-only"),
        "timeout": _consent("Stop waiting.", "--timeout", metavar="SECONDS"),
        "break_lock": _consent("Take another host's lock.", "--break-lock"),
    },
]
