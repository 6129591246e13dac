"""`models`, `instances` and `prices`."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Argument, Option

from fmctl.base.files import write_atomic
from fmctl.cli.options import ModelName, Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.streams import write_stdout
from fmctl.usecases import catalogue

_Instance = Annotated[str, Argument(metavar="INSTANCE", help="Instance type.", show_default=False)]
_ConfigFile = Annotated[str, Argument(metavar="CONFIG.json", help="Hugging Face config.json.", show_default=False)]
_NewName = Annotated[str | None, Option("--name", metavar="NAME", help="Name of the model.", show_default=False)]
_File = Annotated[str | None, Option("--out", "-O", metavar="FILE", help="Write to a file.", show_default=False)]
_Region = Annotated[str | None, Option("--region", "--regions", metavar="REGION", help="In one region.")]
_OneType = Annotated[str | None, Option("--instance", "--instances", metavar="NAME", help="Of one instance type.")]
_Option = Annotated[str | None, Option("--purchase", metavar="NAME", help="One way to pay.")]


def models_list(ctx: typer.Context, out: Output) -> None:
    """All preset model architectures with their published parameter counts."""
    settings = settings_for(out)
    emit(catalogue.models(ctx.obj.catalogue), out, settings)


def models_show(ctx: typer.Context, model: ModelName, out: Output) -> None:
    """One architecture: its layer kinds, dimensions, source."""
    settings = settings_for(out)
    emit(catalogue.model(model, ctx.obj.catalogue), out, settings)


def models_import(config_file: _ConfigFile, name: _NewName = None, out: _File = None) -> None:
    """Read a Hugging Face config.json and print it as a model file (YAML) that MODEL may name.

    An architecture that is not known is refused with the fields that were missing.
    """
    text = catalogue.imported(config_file, name)
    if out is None:
        write_stdout(text)
    else:
        write_atomic(out, text, shared=True)


def instances_list(ctx: typer.Context, out: Output) -> None:
    """All instance types and UltraServers."""
    settings = settings_for(out)
    emit(catalogue.instances(ctx.obj.catalogue), out, settings)


def instances_show(ctx: typer.Context, instance: _Instance, out: Output) -> None:
    """One instance type: GPUs, NVLink, EFA, disks, regions, prices."""
    settings = settings_for(out)
    emit(catalogue.instance(instance, ctx.obj.catalogue), out, settings)


def prices_list(
    ctx: typer.Context, out: Output, instance: _OneType = None, region: _Region = None, purchase: _Option = None
) -> None:
    """Dated prices of instances, storage and transfer; unknown where nobody has published one."""
    settings = settings_for(out)
    emit(catalogue.prices(instance, region, purchase, ctx.obj.catalogue), out, settings)


def prices_show(
    ctx: typer.Context, instance: _Instance, out: Output, region: _Region = None, purchase: _Option = None
) -> None:
    """Dated prices of one instance type."""
    settings = settings_for(out)
    emit(catalogue.prices_of(instance, region, purchase, ctx.obj.catalogue), out, settings)
