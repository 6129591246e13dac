"""A run shown as it goes on: one place of a terminal, redrawn; for programs one document per change."""

from __future__ import annotations

import os
import shutil
import time

from fmctl.base.config import Settings
from fmctl.base.printing import json_text, printable
from fmctl.cli.options import Output
from fmctl.cli.output import colour
from fmctl.cli.streams import draw_stdout, stdout_is_terminal, write_stdout
from fmctl.report.view import Answer
from fmctl.usecases.following import Followed, Sleep, watch

_HIDE, _SHOW = "\033[?25l", "\033[?25h"


def live(found: Followed, out: Output, settings: Settings, sleep: Sleep = time.sleep) -> None:
    """Show a run until it is over. The terminal is left as it was, whatever ends it."""
    if not stdout_is_terminal() or settings.text("output") != "table":
        watch(found, _line, sleep)
        return
    screen = _Screen(colour(out, settings), still=os.environ.get("TERM") == "dumb")
    try:
        screen.begin()
        watch(found, screen.show, sleep)
    finally:
        screen.end()


def _line(answer: Answer) -> None:
    """One document a line; what its reader should know is in it."""
    write_stdout(json_text(answer.document) + "\n")


class _Screen:
    """So many lines of a terminal, drawn over. still: a terminal that cannot, and gets them one after another."""

    def __init__(self, coloured: bool, still: bool) -> None:
        self._colour, self._still = coloured, still
        self._lines = 0

    def begin(self) -> None:
        """The cursor would jump about."""
        if not self._still:
            draw_stdout(_HIDE)

    def end(self) -> None:
        """The cursor back, below what was drawn."""
        if not self._still:
            draw_stdout(_SHOW)

    def show(self, answer: Answer) -> None:
        from fmctl.report.text import terminal_text

        size = shutil.get_terminal_size((80, 24))
        text = terminal_text(answer.report(), max(size.columns, 20), colour=self._colour)
        lines = text.splitlines() + [printable(f"warning: {note}")[: size.columns] for note in answer.warnings]
        if self._still:
            draw_stdout("\n".join(lines) + "\n\n")
            return
        lines = lines[: max(size.lines - 1, 1)]  # more would scroll, and could not be drawn over
        up = f"\033[{self._lines}F" if self._lines else "\r"
        draw_stdout(up + "\033[J" + "\n".join(lines) + "\n")
        self._lines = len(lines)
