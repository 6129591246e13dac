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

__all__ = [
    "find_instance",
    "find_preset",
    "instance_names",
    "instance_record",
    "load_instance",
    "load_model",
    "model_names",
    "regions_of",
    "zones_of",
]
