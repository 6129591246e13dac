"""fmctl in a process of its own: for what changes the process it runs in, such as a rehearsal's environment."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from fmctl.base.errors import OperationFailed, shorten

_children: set[subprocess.Popen[str]] = set()
_GRACE_S = 10.0


def answered(words: Sequence[str], say: Callable[[str], None]) -> dict[str, object]:
    """The JSON document of a command; what it writes to stderr is told line by line.

    Ended with this process, as Ctrl-C ends it, so that it clears up after itself.

    Raises:
        OperationFailed: the command failed; its own words.
    """
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "fmctl", *words, "-o", "json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
    ) as child:  # fmt: skip
        _children.add(child)
        try:
            said: list[str] = []
            reader = threading.Thread(target=_read, args=(child, said, say), daemon=True)
            reader.start()
            out = child.stdout.read() if child.stdout else ""
            reader.join()
            code = child.wait()
        finally:
            _children.discard(child)
    if code != 0:
        raise _error(said, code)
    found: dict[str, object] = json.loads(out)
    return found


def _read(child: subprocess.Popen[str], said: list[str], say: Callable[[str], None]) -> None:
    error = False
    for line in child.stderr or ():
        said.append(line)
        error = error or line.startswith("{")
        if not error:
            say(line.rstrip("\n").removeprefix("fmctl: "))


def _error(said: Sequence[str], code: int) -> OperationFailed:
    text = "".join(said)
    begin = text.find("{\n")
    with suppress(ValueError, KeyError, TypeError):
        found = json.loads(text[begin:])["result"] if begin >= 0 else {}
        if found:
            return OperationFailed(str(found["what"]), why=found.get("why"), next=found.get("next"))
    return OperationFailed(f"the command ended with {code}", why=shorten(" ".join(text.split()), 300), next=None)


@atexit.register
def _end() -> None:
    for child in list(_children):
        with suppress(OSError):
            child.send_signal(2)
    for child in list(_children):
        with suppress(OSError, subprocess.TimeoutExpired):
            child.wait(_GRACE_S)
