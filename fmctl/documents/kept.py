"""A run's record as it is read: what its published schema leaves free (the row, figures) is typed here."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from fmctl.documents.base import Open
from fmctl.documents.cluster import read_kept
from fmctl.documents.progress import ProgressResult
from fmctl.documents.results import Result
from fmctl.documents.run import RunDocument, RunLog

# Below these a number may be negative: what was logged, what people measured, how far a run is from its plan.
_SIGNED = frozenset({"log", "measured", "quality", "exit_code", "margin_bytes"})


class Figure(Open):
    """A figure of quality."""

    value: float
    step: int | None = None
    at: str | float | None = None
    source: str = ""


class KeptLog(RunLog):
    """What the record keeps of the log."""

    quality: dict[str, Figure]  # type: ignore[assignment]


class KeptRun(RunDocument):
    """A run's record."""

    row: Result  # type: ignore[assignment]
    log: KeptLog | None = None
    measured: ProgressResult | None = None  # type: ignore[assignment]
    quality: dict[str, Figure] = Field(default_factory=dict)  # type: ignore[assignment]


def read_run_document(text: str, where: str) -> dict[str, Any]:
    """A run's record. Raises UnreadableFile."""
    return read_kept(text, where, "fmctl.run/1", KeptRun, _SIGNED)
