"""The planning process's way in: light to name, so that the session need not import what it will not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.usecases.session.items import Cancelled, Partly, Question, Trouble


def answer(question: Question, say: Partly, cancelled: Cancelled) -> tuple[PlanOrEstimate | None, Trouble | None]:
    """See `answers.answer`."""
    from fmctl.usecases.session.answers import answer

    return answer(question, say, cancelled)
