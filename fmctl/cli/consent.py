"""Which account a command works in, and what it may spend or destroy without asking."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from dataclasses import dataclass
from typing import Annotated, Any

from typer import Argument, Option

from fmctl.base.config import Settings
from fmctl.base.errors import PermissionDenied
from fmctl.base.units import parse_number
from fmctl.cli.options import Text

_HEAD = "How the head node is reached: ssm, ssh://HOST, or local where this machine is it"
Where = Annotated[Text, Option("--head", metavar="HOW", help=_HEAD, rich_help_panel="AWS", show_default=False)]
Name = Annotated[str, Argument(metavar="NAME", help="The cluster.", show_default=False)]


def head_named(head: str | None, settings: Settings) -> str:
    """How the head node is reached: as asked, as set, else through Session Manager."""
    return head or settings.text("head") or "ssm"


def _aws(help: str, *flags: str, metavar: str) -> Any:
    return Option(*flags, metavar=metavar, help=help, rich_help_panel="AWS", show_default=False)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Aws:
    """Which account, and where the clusters are remembered."""

    profile: Annotated[Text, _aws("AWS profile", "--profile", metavar="NAME")] = None
    region: Annotated[Text, _aws("AWS region", "--region", metavar="NAME")] = None
    store: Annotated[Text, _aws("Folder or s3://bucket/prefix", "--store", metavar="WHERE")] = None

    def options(self) -> dict[str, str | None]:
        """As the operations take them."""
        return {"profile": self.profile, "region": self.region, "store": self.store}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Consent:
    """What may be spent or destroyed without asking."""

    yes: Annotated[bool, Option("--yes", "-y", help="Do not ask.", rich_help_panel="Consent")] = False
    dry_run: Annotated[bool, Option("--dry-run", help="Say what would be done.", rich_help_panel="Consent")] = False
    read_only: Annotated[bool, Option("--read-only", help="Refuse to.", rich_help_panel="Consent")] = False
    timeout: Annotated[
        Text, Option("--timeout", metavar="SECONDS", help="Stop waiting.", rich_help_panel="Consent")
    ] = None
    break_lock: Annotated[bool, Option("--break-lock", help="Take another host's lock.", rich_help_panel="Consent")] = (
        False
    )

    def refuse(self, settings: Settings) -> None:
        """Raise PermissionDenied under read-only, where more than a dry run is asked for."""
        if (self.read_only or settings.switch("read_only")) and not self.dry_run:
            raise PermissionDenied("nothing is spent or destroyed under read-only", next="without --read-only")

    def timeout_s(self) -> float | None:
        """--timeout in seconds."""
        return None if self.timeout is None else parse_number(self.timeout.removesuffix("s"), what="--timeout")
