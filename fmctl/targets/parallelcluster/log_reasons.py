"""What the head node and the scaling daemons wrote about a failure, turned into a cause.

Formats as ParallelCluster 3.16 writes them: clustermgtd and slurm_resume a time, a process number, in brackets a place
in the code, a level and "Error in CreateFleet request (...): InsufficientInstanceCapacity - ..."; cfn-init "[ERROR]
Command chef failed"; chef-client "FATAL: Mixlib::ShellOut::ShellCommandFailed: ...".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from fmctl.base.errors import FmctlError, shorten
from fmctl.domain.ports import Cloud
from fmctl.targets.parallelcluster.failures import CAUSES, LOG_CAUSES, VAGUE, Cause

Line = tuple[datetime, str]
HEAD_STREAMS = ("bootstrap_error_msg", "chef-client", "cfn-init")
SCALING_STREAMS = ("clustermgtd", "slurm_resume")
_LONGEST = 300
_MOST_LINES = 400  # of a stream's end; the reason stands there
_TELLING = re.compile(r"\b(?:ERROR|FATAL|CRITICAL)\b|ShellCommandFailed|STDERR|timed out|protected mode|failed", re.I)
# A time, a process number, the place in the code and the level stand before what a daemon says.
_PREFIX = re.compile(r"^\W*\d{4}-\d\d-\d\d[T ][\d:,.+]+\W+(?:\d+ - )?(?:\[[\w.:-]+\] - )?(?:\w+ - |\w+: )?")


@dataclass(frozen=True, slots=True)
class Told:
    """A cause that a log tells of: when, which, and the line."""

    at: datetime
    cause: Cause
    line: str


def lines_of(
    cloud: Cloud, name: str, streams: Sequence[str], after: datetime | None = None
) -> list[tuple[datetime, str]]:
    """Telling lines of the streams, oldest first; a stream that cannot be read is left out."""
    found: list[Line] = []
    for stream in streams:
        with suppress(FmctlError):
            found += list(cloud.log_lines(name, stream, after))[-_MOST_LINES:]
    return sorted(((at, plain(text)) for at, text in found if _TELLING.search(text)), key=lambda one: one[0])


def plain(line: str) -> str:
    """A line without its time, process and level."""
    return shorten(" ".join(_PREFIX.sub("", line).split()), _LONGEST)


def told(lines: Iterable[Line]) -> Told | None:
    """The newest line that tells of a known cause, the precise causes first: a vague one only says that one exists."""
    newest = list(lines)[::-1]
    precise = [cause for cause in (*CAUSES, *LOG_CAUSES) if cause.name not in VAGUE]
    vague = [cause for cause in CAUSES if cause.name in VAGUE]
    for causes in (precise, vague):
        for at, text in newest:
            for cause in causes:
                if re.search(cause.pattern, text, re.I):
                    return Told(at, cause, text)
    return None
