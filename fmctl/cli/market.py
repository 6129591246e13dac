"""`prices refresh` and `capacity`: what AWS sells now. Both ask, neither can spend."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument

from fmctl.base.errors import ExitCode
from fmctl.cli.options import Output
from fmctl.cli.output import emit, progress_line, settings_for
from fmctl.cli.panels import under
from fmctl.usecases import market
from fmctl.usecases.options import Text

if TYPE_CHECKING:
    from typer.models import OptionInfo


def _aws(help: str, *flags: str, metavar: str) -> "OptionInfo":
    return under("AWS", help, *flags, metavar=metavar)


def _need(help: str, flag: str, metavar: str) -> "OptionInfo":
    return under("What is needed", help, flag, metavar=metavar)


_Profile = Annotated[Text, _aws("AWS profile", "--profile", metavar="NAME")]
_Regions = Annotated[Text, _aws("AWS regions", "--regions", "--region", metavar="A,B")]
_Types = Annotated[Text, _aws("Instance types; all GPU types and head nodes by default", "--instances", "--instance",
                              metavar="A,B")]  # fmt: skip
_Instance = Annotated[str, Argument(metavar="INSTANCE", help="Instance type.", show_default=False)]


def prices_refresh(
    ctx: typer.Context, out: Output, instances: _Types = None, regions: _Regions = None, profile: _Profile = None
) -> None:
    """Ask AWS for today's prices and keep them as a dated snapshot, which prices and plan use from then on.

    On-demand and storage prices of the Price List, Spot prices of every region; the only command that asks for prices.
    What AWS would not say is listed; exits 4 or 1 where it said nothing at all.
    """
    settings = settings_for(out)
    progress = progress_line(out, "asking AWS") or (lambda done, total: None)
    emit(market.refresh(instances, market.Place(regions, profile), settings, ctx.obj, progress), out, settings)


def capacity(
    ctx: typer.Context,
    instance: _Instance,
    out: Output,
    count: Annotated[Text, _need("Instances or UltraServers (1)", "--count", "N")] = None,
    days: Annotated[Text, _need("Length of a Capacity Block (1)", "--days", "D")] = None,
    start: Annotated[Text, _need("Earliest start of a Capacity Block, 7d or a date", "--start", "WHEN")] = None,
    regions: _Regions = None,
    profile: _Profile = None,
) -> None:
    """What capacity AWS has now: Capacity Blocks with their fee, reservations with room, quotas, Spot scores, zones.

    Exits 5 where nothing is to be had (no block, no reservation with room, quota too small), 4 where credentials or
    rights keep it from knowing.
    """
    settings = settings_for(out)
    progress = progress_line(out, "asking AWS") or (lambda done, total: None)
    wish, place = market.Wish(instance, count, days, start), market.Place(regions, profile)
    found = market.capacity(wish, place, settings, ctx.obj, progress)
    emit(found.answer, out, settings)
    if found.state == "unknown":
        raise typer.Exit(ExitCode.PERMISSION if found.denied else ExitCode.FAILED)
    if found.state == "no":
        raise typer.Exit(ExitCode.CAPACITY)
