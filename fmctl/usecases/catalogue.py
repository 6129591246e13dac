"""Models, instance types and prices that there are."""

from __future__ import annotations

import re
from pathlib import Path

from fmctl.base.errors import UsageError, shorten
from fmctl.report.catalogue import model_answer, models_answer, prices_answer
from fmctl.report.hardware import instance_answer, instance_row, instances_answer, unplannable_row
from fmctl.report.view import Answer
from fmctl.usecases.prices import check_region
from fmctl.usecases.services import Catalogue


def models(catalogue: Catalogue) -> Answer:
    """All preset model architectures."""
    return models_answer([catalogue.load_model(name) for name in catalogue.model_names()])


def model(name: str, catalogue: Catalogue) -> Answer:
    """One architecture. Raises UnknownName, UnreadableFile."""
    return model_answer(catalogue.load_model(name))


def imported(config_file: str, name: str | None) -> str:
    """A Hugging Face config.json as a model file. Raises UsageError, UnreadableFile."""
    from dataclasses import replace

    from fmctl.catalog.huggingface import read_config, to_yaml

    if name is not None and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name) is None:
        why = "a name is letters, digits, dots, dashes and underscores, beginning with a letter or digit"
        raise UsageError(f"'{shorten(name)}' cannot be the name of a model", why=why, next="--name my-model")
    arch = read_config(Path(config_file).expanduser())
    return to_yaml(arch if name is None else replace(arch, name=name))


def instances(catalogue: Catalogue) -> Answer:
    """All instance types and UltraServers."""
    return instances_answer([_described(catalogue, name) for name in catalogue.instance_names()])


def instance(name: str, catalogue: Catalogue) -> Answer:
    """One instance type with its prices. Raises UnknownName."""
    row = _described(catalogue, name, whole=True)
    return instance_answer(row, catalogue.prices(str(row["name"])))


def prices(instance: str | None, region: str | None, purchase: str | None, catalogue: Catalogue) -> Answer:
    """Prices of instances, and of storage where neither a type nor a way to pay was named. Raises UsageError."""
    one, option = _stated("--instance", instance), _stated("--purchase", purchase)
    found = catalogue.prices(one, _region(region), option)
    storage = () if one or option else [p for p in catalogue.storage_prices() if region in (None, p.region)]
    return prices_answer(found, storage)


def prices_of(instance: str, region: str | None, purchase: str | None, catalogue: Catalogue) -> Answer:
    """Prices of one instance type. Raises UnknownName, UsageError."""
    found = catalogue.prices(_stated("INSTANCE", instance), _region(region), _stated("--purchase", purchase))
    return prices_answer(found)


def _described(catalogue: Catalogue, name: str, *, whole: bool = False) -> dict[str, object]:
    """A type's row, or what little is known of one that no plan can be made for."""
    record = catalogue.instance_record(name)
    if record.get("plannable", True):
        return instance_row(catalogue.load_instance(name), whole=whole)
    return unplannable_row(record, whole=whole)


def _region(text: str | None) -> str:
    """A region as the catalogue takes it; what cannot be one is refused, not answered with an unknown price."""
    if text is not None and text.strip():
        check_region(text, "--region")
    return _stated("--region", text)


def _stated(option: str, text: str | None) -> str:
    """A filter as the catalogue takes it, where the empty text means all: nobody types that on purpose."""
    if text is not None and not text.strip():
        raise UsageError(f"{option} is empty", next=f"leave {option} out to see all")
    return text or ""
