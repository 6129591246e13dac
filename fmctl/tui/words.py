"""Text on its way to the screen: nothing in it steers a terminal or is taken for markup."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

SWITCHES = ("sequence_parallel",)
FLAGS = ("exhaustive",)


def clean(text: str) -> str:
    """The text with a space for every character that is not printed: names and logs come from anybody."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


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
