"""stdout and stderr as they really are: perhaps closed, full, or read by nobody.

All that fmctl prints and asks goes through here, and through `fmctl.base.printing`: others wrote part of it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from fmctl.base.errors import UnwritableFile
from fmctl.base.printing import block, printable_lines


def write_stdout(text: str) -> None:
    """Write data; nothing in it steers a terminal, whoever wrote it.

    Raises:
        BrokenPipeError: the reader went away, which is its right.
        UnwritableFile: stdout is closed, or the disk behind it is full.
    """
    draw_stdout(printable_lines(text))


def draw_stdout(text: str) -> None:
    """Write what fmctl itself drew, colours and all; whatever others wrote in it has been made printable before.

    Raises as `write_stdout` does.
    """
    if sys.stdout is None:
        raise UnwritableFile("cannot write to stdout", why="it is closed", next="-O FILE")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except UnicodeEncodeError:
        sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "ascii", "replace"))
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        discard_stdout()
        raise UnwritableFile("cannot write to stdout", why=getattr(error, "strerror", None) or str(error)) from None


def write_stderr(text: str) -> None:
    """Write words for a person; nothing in them steers a terminal. Where nobody can read them they are lost."""
    draw_stderr(printable_lines(text))


def draw_stderr(text: str) -> None:
    """Write what fmctl itself drew, such as a line that is overwritten."""
    with suppress(OSError, ValueError, AttributeError):
        try:
            sys.stderr.write(text)
        except UnicodeEncodeError:
            sys.stderr.write(text.encode("ascii", "replace").decode())
        sys.stderr.flush()


def tell(*lines: str) -> None:
    """Lines of what goes on, each signed, and each one line whatever stands in it."""
    write_stderr(block(f"fmctl: {line}" for line in lines))


def discard_stdout() -> None:
    """Point stdout nowhere, so that the interpreter's own flush at the end does not fail again."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def stdout_is_terminal() -> bool:
    """Whether a person looks at stdout."""
    return _is_terminal(sys.stdout)


def stdin_is_terminal() -> bool:
    """Whether a person types."""
    return _is_terminal(sys.stdin)


def stderr_is_terminal() -> bool:
    """Whether a person looks at stderr."""
    return _is_terminal(sys.stderr)


def _is_terminal(stream: object) -> bool:
    try:
        return bool(stream is not None and stream.isatty())  # type: ignore[attr-defined]
    except ValueError:
        return False
