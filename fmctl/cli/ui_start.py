"""The planning process's way in: light to name, so that the session need not import what it will not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmctl.report.view import Document
    from fmctl.tui.core import Question, Trouble
    from fmctl.tui.worker import Cancelled, Say


def answer(question: Question, say: Say, cancelled: Cancelled) -> tuple[Document | None, Trouble | None]:
    """See `ui_answers.answer`."""
    from fmctl.cli.ui_answers import answer

    return answer(question, say, cancelled)
