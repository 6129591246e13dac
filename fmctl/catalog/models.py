"""Model architectures by name: the presets in `models/`, a YAML file, or a Hugging Face `config.json`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from fmctl.base.errors import UnknownName
from fmctl.catalog.names import model_names
from fmctl.catalog.store import data_dir, read_text, read_yaml
from fmctl.domain.model import ModelArch

LIST_COMMAND = "fmctl models list"


def load_model(name: str) -> ModelArch:
    """Find an architecture.

    Args:
        name: a preset (case, dots, dashes and underscores do not matter), a Hugging Face id, or a path to a `.yaml`
            file or a `config.json`.

    Raises:
        UnknownName: no preset, id or file of that name.
        UsageError: the file cannot be read, or a field of it is missing or wrong.
    """
    if (preset := find_preset(name)) is not None:
        return _load_yaml(data_dir("models") / f"{preset}.yaml")
    if name.lower().endswith((".yaml", ".yml")):
        return _load_yaml(_path(name))
    if name.lower().endswith(".json"):
        from fmctl.catalog.huggingface import read_config

        return read_config(_path(name))
    raise UnknownName("model", name, model_names(), next=LIST_COMMAND)


def find_preset(name: str) -> str | None:
    """The preset that `name` stands for, or None."""
    names = model_names()
    if name in names:
        return name
    wanted = _squeezed(name)
    by_key = {_squeezed(preset): preset for preset in names}
    return by_key.get(wanted) or (_by_hf_id(name, names) if "/" in name and wanted else None)


def _path(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # no such user, or a process without a home
        return Path(name)


def _squeezed(name: str) -> str:
    return re.sub(r"[.\-_\s]", "", name).lower()


def _by_hf_id(name: str, names: list[str]) -> str | None:
    line = f"\nhf_id: {name.lower()}\n"
    folder = data_dir("models")
    return next((preset for preset in names if line in read_text(folder / f"{preset}.yaml").lower()), None)


def _load_yaml(path: Path) -> ModelArch:
    from fmctl.catalog.schema import from_document

    document = read_yaml(path)
    if isinstance(document, Mapping) and "name" not in document:
        document = {"name": path.stem, **document}
    return from_document(document, str(path))
