"""`preflight` and `launch`: from a plan to a cluster."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from dataclasses import dataclass
from typing import Annotated

import typer
from typer import Argument, Option

from fmctl.cli.cluster_options import AwsOptions, ConsentOptions, WantedOptions
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.prompts import ask_for_name, needs_yes
from fmctl.cli.streams import tell, write_stderr
from fmctl.usecases import launching
from fmctl.usecases.launching import Caller, exit_code

_ACCEPT = "With --yes: agree to what this check says of money or capacity, such as price or quota; again for more"
_Plan = Annotated[str, Argument(metavar="PLAN", help="A saved plan, or a plan document.", show_default=False)]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Way:
    """How it is launched: in earnest or not, and with which doubts."""

    rehearse: Annotated[bool, Option("--rehearse", help="Against a local AWS that fmctl starts itself.")] = False
    skip_preflight: Annotated[bool, Option("--skip-preflight", help="Launch whatever the checks say.")] = False
    accept: Annotated[
        list[str] | None, Option("--accept", metavar="CHECK", help=_ACCEPT, rich_help_panel="Consent")
    ] = None


def preflight(ctx: typer.Context, plan_name: _Plan, wanted: WantedOptions, aws: AwsOptions, out: Output) -> None:
    """Look at everything that a launch of PLAN relies on; spends nothing and changes nothing.

    Each check is ok, warning, fail or unknown, with the next step. Exits 4 where rights or the account are wrong, 5
    where capacity, addresses or quota are missing, 1 where anything else fails.
    """
    settings = settings_for(out)
    answer, found = launching.preflight(plan_name, wanted, aws, settings, ctx.obj)
    emit(answer, out, settings)
    code = exit_code(found)
    if code:
        raise typer.Exit(code)


def launch(
    ctx: typer.Context,
    plan_name: _Plan,
    wanted: WantedOptions,
    aws: AwsOptions,
    consent: ConsentOptions,
    out: Output,
    way: Way,
) -> None:
    """Make the cluster of PLAN, or go on making it; its end is arranged in AWS before the first GPU starts.

    Shows account, region, nodes, price, cap and what stays, then asks for the cluster's name. Without a terminal it
    needs --yes and --max-hours, and --accept for each check of money or capacity that is not ok. Whatever interrupts
    it, the same command goes on.
    """
    settings = settings_for(out)
    if way.rehearse:
        from fmctl.usecases import rehearsal

        emit(rehearsal.rehearse(ctx.obj, plan_name, wanted, settings, tell), out, settings)
        return
    consent.refuse(settings)
    capped = wanted.max_hours is not None or settings.number("max_hours") is not None
    needs_yes(consent.yes or consent.dry_run, capped or consent.dry_run)

    def confirm(name: str, text: str) -> bool:
        write_stderr(text)
        return consent.yes or ask_for_name(name, "launch")

    caller = Caller(confirm, accepted=way.accept or ())
    found = launching.launch(plan_name, wanted, aws, consent, (ctx.obj, settings), caller, way.skip_preflight)
    emit(found, out, settings)
