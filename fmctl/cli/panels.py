"""One option under the title of its group: what typer's own function makes, by its type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer import Option

if TYPE_CHECKING:
    from typer.models import OptionInfo


def under(panel: str, help: str, *flags: str, metavar: str | None = None, show_default: bool = False) -> OptionInfo:
    """The declaration of an option that `--help` lists under `panel`."""
    found: OptionInfo = Option(*flags, metavar=metavar, help=help, rich_help_panel=panel, show_default=show_default)
    return found
