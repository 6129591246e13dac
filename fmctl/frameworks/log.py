"""What a framework's log reader is, and what readers share: fields, numbers with units, several records in a line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isinf, nan
from types import MappingProxyType
from typing import Literal

from fmctl.domain.logged import Job, Record

GIB, MIB = 2.0**30, 2.0**20
Where = tuple[float | None, int | None, str]  # at, rank, source: the same for all of a line
Read = Iterator[tuple[Record, int | None]]  # with the steps of the run, where the line says so
_SCALES = {"U": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12, "P": 1e15}
_LOSSES = ("lm loss", "lm_loss", "loss")


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """How a framework's lines are read. A line may hold several records, where writers share a file."""

    # By the words that stand in every line of a kind: one search at several GB/s decides whether a line is looked at.
    steps: tuple[tuple[bytes, Callable[[str, Job, Where], Read]], ...] = ()
    # Kind of event and its pattern, with groups step, s, ms or n; the first that matches counts.
    events: tuple[tuple[str, str], ...] = ()
    markers: tuple[bytes, ...] = ()  # one of these stands in every line of `events`
    memory: Literal["reserved", "allocated"] = "reserved"  # what it counts as the peak
    # What files of measured runs call its profiles, where not by their name, and their flags.
    measured_as: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    flags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def number(text: str) -> float | None:
    """`1.2E+00`, `10,050`, `nan`, `11.5K`: a number, None where it is none. Infinity is not a measurement: NaN."""
    try:
        value = float(text)
    except ValueError:
        return _scaled(text)
    return nan if isinf(value) else value


def positive(text: str) -> float | None:
    """A number above 0, else None: a time, rate or size of 0 is one that was not measured."""
    value = number(text)
    return value if value is not None and value > 0.0 else None


def segments(head: re.Pattern[str], line: str) -> Iterator[tuple[int, int | None, str]]:
    """(step, steps of the run, what follows up to the next head)."""
    heads = list(head.finditer(line))
    ends = [found.start() for found in heads[1:]] + [len(line)]
    for found, end in zip(heads, ends, strict=False):
        total = found.group(2)
        yield int(found.group(1)), int(total) if total.isdigit() else None, line[found.end() : end]


def named(part: str) -> tuple[str, str]:
    """(name, value) of a field; old lines have a blank where newer have a colon."""
    name, colon, value = part.rpartition(":")
    if not colon:
        name, _, value = part.strip().rpartition(" ")
    return name.strip(), value


def loss_of(fields: Mapping[str, str]) -> float | None:
    """The loss, by any of the names that it has."""
    return next((number(fields[name]) for name in _LOSSES if name in fields), None)


def _scaled(text: str) -> float | None:
    clean = text.strip().replace(",", "")
    if clean[-1:].isdigit():
        clean += "U"
    scale = _SCALES.get(clean[-1:].upper())
    if not scale:
        return None
    try:
        return float(clean[:-1]) * scale
    except ValueError:
        return None
