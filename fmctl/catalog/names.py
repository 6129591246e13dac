"""Names of models and instance types without parsing anything: shells ask for them at every tab."""

from __future__ import annotations

import os

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib costs 5 ms


def data_path(name: str) -> str:
    """The folder of the data set `name` ("models", "pricing"): at the top of a checkout, or inside the package."""
    top = os.path.dirname(PACKAGE)  # noqa: PTH120
    in_checkout = os.path.isfile(f"{top}/pyproject.toml") and os.path.isdir(f"{top}/{name}")  # noqa: PTH112, PTH113
    return f"{top}/{name}" if in_checkout else f"{PACKAGE}/_data/{name}"


def model_names() -> list[str]:
    """Names of the presets, sorted; reads the folder and no file."""
    try:
        entries = os.listdir(data_path("models"))  # noqa: PTH208
    except OSError as error:
        from fmctl.base.errors import UnreadableFile

        why = error.strerror or str(error)
        raise UnreadableFile("cannot read the presets", why=why, next="install fmctl again") from None
    return sorted(name.removesuffix(".yaml") for name in entries if name.endswith(".yaml"))


def instance_names(*, plannable_only: bool = False) -> list[str]:
    """Names of the instance types and UltraServers, in the order of the table (oldest family first)."""
    with open(f"{PACKAGE}/hardware/instances.yaml", encoding="utf-8") as file:  # noqa: PTH123
        blocks = file.read().split("\n\n")[1:]
    named = [(block.lstrip("\n").partition(":")[0], "\n  plannable: false" in block) for block in blocks]
    return [name for name, unplannable in named if not (plannable_only and unplannable)]
