"""The catalogue: models, instances and prices as data files, read only when asked for and only as far as asked.

Its functions are imported on first use: a shell that completes a name must not pay for dataclasses and dates.
"""

from importlib import import_module

TYPE_CHECKING = False  # the name that type checkers know; importing typing would cost more than all the names
if TYPE_CHECKING:
    from fmctl.catalog.grid import find_grid, grids
    from fmctl.catalog.instances import (
        accelerator_names,
        find_instance,
        instance_record,
        load_instance,
        regions_of,
        zones_of,
    )
    from fmctl.catalog.models import find_preset, load_model
    from fmctl.catalog.names import instance_names, model_names
    from fmctl.catalog.pricing import find_price, find_storage_price, prices, storage_prices

_HOMES = {
    "grid": ("find_grid", "grids"),
    "instances": ("accelerator_names", "find_instance", "instance_record", "load_instance", "regions_of", "zones_of"),
    "models": ("find_preset", "load_model"),
    "names": ("instance_names", "model_names"),
    "pricing": ("find_price", "find_storage_price", "prices", "storage_prices"),
}

__all__ = [
    "accelerator_names",
    "find_grid",
    "find_instance",
    "find_preset",
    "find_price",
    "find_storage_price",
    "grids",
    "instance_names",
    "instance_record",
    "load_instance",
    "load_model",
    "model_names",
    "prices",
    "regions_of",
    "storage_prices",
    "zones_of",
]


def __getattr__(name: str) -> object:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{home}"), name)
    return found
