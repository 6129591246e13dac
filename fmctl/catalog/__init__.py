"""The catalogue: models, instances and prices as data files, read only when asked for and only as far as asked."""

from fmctl.catalog.models import find_preset, load_model, model_names

__all__ = ["find_preset", "load_model", "model_names"]
