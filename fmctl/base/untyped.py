"""Names for what has no types, so that it says why: parsed data, and objects of libraries that bring none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
Data: TypeAlias = Mapping[str, Any]
Library: TypeAlias = Any
"""An object of boto3, moto, werkzeug, ParallelCluster, typer or Textual that is handed through."""
