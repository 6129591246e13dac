"""Which account a command works in, and what it may spend or destroy without asking."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from dataclasses import dataclass
from typing import Annotated

from typer import Option

from fmctl.base.config import Settings
from fmctl.base.errors import PermissionDenied
from fmctl.base.units import parse_number
from fmctl.usecases.options import Text


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
