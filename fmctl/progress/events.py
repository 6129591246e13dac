"""Lines that are no step: saves and loads with their time, starts and restarts, errors; what a job says of itself.

Each framework names its own in its folder. Those that stand in the logs of all of them come from PyTorch (elastic
agent, ProcessGroupNCCL), Slurm's step daemon and the NVIDIA driver's kernel messages.
"""

from __future__ import annotations

import re
from functools import cache

from fmctl.base.printing import printable
from fmctl.domain.logged import Event
from fmctl.frameworks.log import Log
from fmctl.frameworks.registry import logs

_LONGEST = 200
Patterns = tuple[tuple[str, re.Pattern[str]], ...]
_MARKERS = (
    b"restart worker group", b"CANCELLED AT", b"Node failure on", b"collective operation timeout", b"NCCL error in",
    b"NVRM: Xid (PCI", b"ut of memory", b"oom_kill event", b"fmctl-record: ", b"fmctl-quality: ",
)  # fmt: skip
_EVENTS = (
    ("restart", r"will restart worker group"),
    ("interrupted", r"CANCELLED AT .{0,80}? DUE TO (?:NODE FAILURE|JOB REQUEUE|PREEMPTION)|Node failure on"),
    ("nccl-error", r"collective operation timeout|NCCL error in"),
    ("xid", r"Xid \(PCI:[^)]{0,40}\): (?P<n>\d{1,5})"),
    ("out-of-memory", r"[Oo]ut of memory|oom_kill event"),
)


def markers() -> tuple[bytes, ...]:
    """One of these stands in every line below: plain searches for them are what most of a log costs."""
    return tuple(dict.fromkeys([marker for log in logs() for marker in log.markers] + [*_MARKERS]))


def patterns() -> Patterns:
    """Kinds of events with their patterns; the first that matches counts."""
    return _compiled(logs())


@cache
def _compiled(found: tuple[Log, ...]) -> Patterns:
    """Each framework's own, then those of all."""
    pairs = [pair for log in found for pair in log.events] + [*_EVENTS]
    return tuple((kind, re.compile(pattern)) for kind, pattern in pairs)


# What the job's script says of the start it makes (`targets.slurm.record`), and what a user's program says of quality.
_OURS = (("record", "fmctl-record: "), ("quality", "fmctl-quality: "))
_LONGEST_OURS = 600


def event(line: str, patterns: Patterns) -> Event | None:
    """What a line tells beside steps, None where it tells nothing that is known here."""
    for kind, head in _OURS:
        _, there, rest = line.partition(head)
        if there:
            return Event(kind, text=printable(rest[:_LONGEST_OURS]).strip())
    for kind, pattern in patterns:
        found = pattern.search(line)
        if found is not None:
            held = found.groupdict()
            step = held.get("step")
            return Event(kind, step=None if step is None else int(step), value=_value(held), text=_short(line))
    return None


def _value(held: dict[str, str | None]) -> float | None:
    for name, scale in (("s", 1.0), ("ms", 1e-3), ("n", 1.0)):
        text = held.get(name)
        if text is not None:
            try:
                return float(text) * scale
            except ValueError:  # 1.2.3
                return None
    return None


def _short(line: str) -> str:
    clean = printable(line[-4 * _LONGEST :].strip())
    return clean[:_LONGEST]
