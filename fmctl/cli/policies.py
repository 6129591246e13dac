"""`policy`: who may do what with a plan's cluster, as IAM policies."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

from typing import Annotated

import typer
from typer import Argument

from fmctl.cli.cluster_options import WantedOptions
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.usecases import policies

_PlanName = Annotated[
    str, Argument(metavar="PLAN", help="A saved plan, or a plan document in a JSON file.", show_default=False)
]


def policy_operator(ctx: typer.Context, plan_name: _PlanName, wanted: WantedOptions, out: Output) -> None:
    """Everything that whoever runs fmctl for the cluster needs, from preflight to teardown, and nothing more.

    Several policies, since AWS lets one have 6,144 characters: attach all of them to the operator's role.
    """
    _print("operator", ctx, plan_name, wanted, out)


def policy_end(ctx: typer.Context, plan_name: _PlanName, wanted: WantedOptions, out: Output) -> None:
    """What the role of the cluster's end may do: delete its stack, and warn of it.

    fmctl makes the role; this shows it to whoever has to allow that.
    """
    _print("end", ctx, plan_name, wanted, out)


def policy_head(ctx: typer.Context, plan_name: _PlanName, wanted: WantedOptions, out: Output) -> None:
    """What the head node may do, as ParallelCluster sets it up."""
    _print("head", ctx, plan_name, wanted, out)


def policy_compute(ctx: typer.Context, plan_name: _PlanName, wanted: WantedOptions, out: Output) -> None:
    """What the compute nodes may do, as ParallelCluster sets it up."""
    _print("compute", ctx, plan_name, wanted, out)


def _print(who: str, ctx: typer.Context, plan_name: str, wanted: WantedOptions, out: Output) -> None:
    settings = settings_for(out)
    emit(policies.policy(who, plan_name, wanted, settings, ctx.obj), out, settings)
