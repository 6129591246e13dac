"""The catalogue: models, instances and prices as data files, read only when asked for and only as far as asked."""

from fmctl.catalog.instances import (
    find_instance,
    instance_names,
    instance_record,
    load_instance,
    regions_of,
    zones_of,
)
from fmctl.catalog.models import find_preset, load_model, model_names
from fmctl.catalog.prices import OPTIONS, find_price, find_storage_price, prices, storage_prices

__all__ = [
    "OPTIONS",
    "find_instance",
    "find_preset",
    "find_price",
    "find_storage_price",
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
