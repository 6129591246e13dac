"""`models`, `instances` and `prices`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from fmctl.base.errors import UsageError, shorten
from fmctl.base.files import write_atomic
from fmctl.cli.options import ModelName, Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.streams import write_stdout
from fmctl.report.catalogue import model_answer, models_answer, prices_answer
from fmctl.report.hardware import instance_answer, instance_row, instances_answer, unplannable_row
from fmctl.usecases.services import Catalogue

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
    catalogue = ctx.obj.catalogue
    emit(models_answer([catalogue.load_model(name) for name in catalogue.model_names()]), out, settings)


def models_show(ctx: typer.Context, model: ModelName, out: Output) -> None:
    """One architecture: its layer kinds, dimensions, source."""
    settings = settings_for(out)
    emit(model_answer(ctx.obj.catalogue.load_model(model)), out, settings)


def models_import(config_file: _ConfigFile, name: _NewName = None, out: _File = None) -> None:
    """Read a Hugging Face config.json and print it as a model file (YAML) that MODEL may name.

    An architecture that is not known is refused with the fields that were missing.
    """
    from dataclasses import replace

    from fmctl.catalog.huggingface import read_config, to_yaml

    if name is not None and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name) is None:
        why = "a name is letters, digits, dots, dashes and underscores, beginning with a letter or digit"
        raise UsageError(f"'{shorten(name)}' cannot be the name of a model", why=why, next="--name my-model")
    arch = read_config(Path(config_file).expanduser())
    text = to_yaml(arch if name is None else replace(arch, name=name))
    if out is None:
        write_stdout(text)
    else:
        write_atomic(out, text)


def instances_list(ctx: typer.Context, out: Output) -> None:
    """All instance types and UltraServers."""
    settings = settings_for(out)
    catalogue = ctx.obj.catalogue
    emit(instances_answer([_described(catalogue, name) for name in catalogue.instance_names()]), out, settings)


def instances_show(ctx: typer.Context, instance: _Instance, out: Output) -> None:
    """One instance type: GPUs, NVLink, EFA, disks, regions, prices."""
    settings = settings_for(out)
    row = _described(ctx.obj.catalogue, instance, whole=True)
    emit(instance_answer(row, ctx.obj.catalogue.prices(row["name"])), out, settings)


def prices_list(
    ctx: typer.Context, out: Output, instance: _OneType = None, region: _Region = None, purchase: _Option = None
) -> None:
    """Dated prices of instances, storage and transfer; unknown where nobody has published one."""
    settings = settings_for(out)
    one, option = _stated("--instance", instance), _stated("--purchase", purchase)
    found = ctx.obj.catalogue.prices(one, _region(region), option)
    storage = () if one or option else [p for p in ctx.obj.catalogue.storage_prices() if region in (None, p.region)]
    emit(prices_answer(found, storage), out, settings)


def prices_show(
    ctx: typer.Context, instance: _Instance, out: Output, region: _Region = None, purchase: _Option = None
) -> None:
    """Dated prices of one instance type."""
    settings = settings_for(out)
    found = ctx.obj.catalogue.prices(_stated("INSTANCE", instance), _region(region), _stated("--purchase", purchase))
    emit(prices_answer(found), out, settings)


def _described(catalogue: Catalogue, name: str, *, whole: bool = False) -> dict[str, Any]:
    """A type's row, or what little is known of one that no plan can be made for."""
    record = catalogue.instance_record(name)
    if record.get("plannable", True):
        return instance_row(catalogue.load_instance(name), whole=whole)
    return unplannable_row(record, whole=whole)


def _region(text: str | None) -> str:
    """A region as the catalogue takes it; what cannot be one is refused, not answered with an unknown price."""
    if text is not None and text.strip():
        from fmctl.usecases.prices import check_region

        check_region(text, "--region")
    return _stated("--region", text)


def _stated(option: str, text: str | None) -> str:
    """A filter as the catalogue takes it, where the empty text means all: nobody types that on purpose."""
    if text is not None and not text.strip():
        raise UsageError(f"{option} is empty", next=f"leave {option} out to see all")
    return text or ""
