"""Text on its way to the screen: nothing in it steers a terminal or is taken for markup."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from textwrap import wrap

from rich.cells import cell_len, chop_cells, set_cell_size

from fmctl.base.printing import printable

# The words that say a state, and how they are coloured besides.
STATE_STYLES: Mapping[str, str] = {
    "ok": "$text-success",
    "tight": "bold $text-warning",
    "OOM": "bold $text-error",
    "unknown": "$foreground 60%",
    "ready": "$text-success",
    "done": "$text-success",
    "warning": "bold $text-warning",
    "stuck": "bold $text-warning",
    "fail": "bold $text-error",
    "failed": "bold $text-error",
}
SWITCHES = ("sequence_parallel",)
FLAGS = ("exhaustive",)


def clean(text: str) -> str:
    """The text as one printable line: names and logs come from anybody."""
    return printable(text)


def cut(text: str, room: int) -> str:
    """The text in at most so many cells; one that loses its end says so by an ellipsis."""
    return text if cell_len(text) <= room else set_cell_size(text, room - 1).rstrip() + "…"


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most so many cells; wide characters count as two."""
    if cell_len(text) == len(text):
        return wrap(text, width, break_long_words=True)
    return [piece.strip() for piece in chop_cells(text, max(width, 2))]


def command_line(words: Sequence[str], options: Mapping[str, str] | None = None) -> str:
    """The command that prints the same answer, quoted for a shell: `fmctl plan llama-3.1-70b --tokens 15T`."""
    shown = ["fmctl", *words]
    for name, value in (options or {}).items():
        option = "--" + name.replace("_", "-")
        if name in SWITCHES:
            shown.append(option if value == "true" else option.replace("--", "--no-", 1))
        elif name in FLAGS:
            shown += [option] if value == "true" else []
        else:
            shown += [option, value]
    return clean(shlex.join(shown))
