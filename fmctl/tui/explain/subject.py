"""What an explanation is about."""

from __future__ import annotations

from dataclasses import dataclass

from fmctl.report.view import Document


@dataclass(frozen=True, slots=True)
class Subject:
    """A row to explain: the document it stands in, what the plan was asked by option, and the model as it was named."""

    document: Document
    row: Document
    asked: dict[str, str]
    model: str
    saved_as: str = ""
