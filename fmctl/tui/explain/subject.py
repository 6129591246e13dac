"""What an explanation is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.domain.rows.results import EstimateRow


@dataclass(frozen=True, slots=True)
class Subject:
    """A row to explain: the document it stands in, what the plan was asked by option, and the model as it was named."""

    document: PlanOrEstimate
    row: EstimateRow
    asked: dict[str, str]
    model: str
    saved_as: str = ""
