"""From bytes of a log to records and events, in the order of their lines.

Most lines of a large log are neither. Blocks are searched for a few literal words, each at several GB/s, and only lines
that hold one are decoded and looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any, cast

from fmctl.domain.logged import Item, Job, Record
from fmctl.frameworks.registry import logs
from fmctl.progress import events
from fmctl.progress.text import clock_s, plain, rank_of

# Of a longer line only its end counts: whatever is written without a line break must not fill the memory.
LONGEST_LINE = 1 << 16
_LARGEST_STEP = 10**12
_LAST_S = 253_402_300_800.0  # the year 10000, which no calendar here has
_MOST_FLOAT32 = 3.5e38
_MOST_STEP_S, _MOST_RATE, _MOST_BYTES = 1e9, 1e15, 1e18
_DECODER = json.JSONDecoder()
_JSON, _EVENT = 1, 2  # kinds of lines; those of step lines follow
# Words that several markers share: one search instead of many.
_SHARED = (b"iteration", b"memory")


def _searches(markers: list[tuple[bytes, int]]) -> list[tuple[bytes, list[tuple[bytes, int]]]]:
    """(what to search a block for, the markers that a line with it may hold)."""
    found: dict[bytes, list[tuple[bytes, int]]] = {}
    for marker, kind in markers:
        word = next((shared for shared in _SHARED if shared in marker), marker)
        found.setdefault(word, []).append((marker, kind))
    return list(found.items())


@dataclass(frozen=True, slots=True)
class Names:
    """What the fields of a JSON line are called."""

    step: str = "step"
    step_time_s: str = "step_time_s"
    tokens_per_s: str = "tokens_per_s"
    loss: str = "loss"
    grad_norm: str = "grad_norm"
    memory_bytes: str = "memory_bytes"
    at: str = "at"  # s since 1970, or a date and time
    rank: str = "rank"


class Parser:
    """Reads the lines of one log. `total_steps` is what the log itself says of its run's length.

    Args:
        job: what the log does not say.
        names: fields of JSON lines.
        source: the log's name, for its records.
    """

    def __init__(self, job: Job | None = None, names: Names | None = None, source: str = "") -> None:
        self.job = job or Job()
        self.names = names or Names()
        self.source = source
        self.total_steps = self.job.total_steps
        json_key = json.dumps(self.names.step).encode() + b":"
        self._events = events.patterns()
        steps = [step for log in logs() for step in log.steps]
        self._readers = tuple((_EVENT << 1 + i, read) for i, (_, read) in enumerate(steps))
        self._searches = _searches(
            [(marker, _EVENT << 1 + i) for i, (marker, _) in enumerate(steps)]
            + [(json_key, _JSON)]
            + [(marker, _EVENT) for marker in events.markers()]
        )

    def block(self, data: bytes, until: int | None = None) -> list[Item]:
        """Items of a block of lines, up to a byte of it; the last one may lack its line break."""
        found: list[Item] = []
        for start, (end, kinds) in sorted(self._lines(data, len(data) if until is None else until).items()):
            clipped = data[max(start, end - LONGEST_LINE) : end]
            self._line(plain(clipped.decode("utf-8", "replace")), kinds, found)
        return found

    def line(self, text: str) -> list[Item]:
        """Items of one line."""
        return self.block(text.encode("utf-8", "replace"))

    def _lines(self, data: bytes, until: int) -> dict[int, tuple[int, int]]:
        """Lines that hold a marker: start -> (end, kinds of its markers)."""
        lines: dict[int, tuple[int, int]] = {}
        for word, markers in self._searches:
            at = data.find(word, 0, until)
            while at >= 0:
                start = data.rfind(b"\n", 0, at) + 1
                end = data.find(b"\n", at, until)
                end = until if end < 0 else end
                kinds = 0
                for marker, kind in markers:
                    if data.find(marker, start, end) >= 0:
                        kinds |= kind
                if kinds:
                    lines[start] = (end, lines.get(start, (0, 0))[1] | kinds)
                at = data.find(word, end, until)
        return lines

    def _line(self, line: str, kinds: int, found: list[Item]) -> None:
        at, rank = clock_s(line), rank_of(line)
        for kind, read in self._readers:
            if kinds & kind:
                for record, total in read(line, self.job, (at, rank, self.source)):
                    self.total_steps = total or self.total_steps
                    found.append(_possible(record))
        if kinds & _JSON:
            found.extend(map(_possible, self._json(line, at, rank)))
        if kinds & _EVENT:
            told = events.event(line, self._events)
            if told is not None:
                found.append(told._replace(at=at, rank=rank, source=self.source))

    def _json(self, line: str, at: float | None, rank: int | None) -> Iterator[Record]:
        """The JSON object that ends a line, or is it."""
        try:
            held, _ = _DECODER.raw_decode(line, line.index("{"))
        except (ValueError, RecursionError):
            return
        names = self.names
        step = _figure(held.get(names.step)) if isinstance(held, dict) else None
        if step is None or not 0 <= step < _LARGEST_STEP:
            return
        rank_told, tokens, step_s = (_figure(held.get(n)) for n in (names.rank, names.tokens_per_s, names.step_time_s))
        if tokens is None and step_s and self.job.tokens_per_step is not None:
            tokens = self.job.tokens_per_step / step_s
        yield Record(
            step=int(step),
            at=_moment(held.get(names.at), at),
            step_s=step_s if step_s is not None and step_s > 0.0 else None,
            tokens_per_s=tokens,
            loss=_figure(held.get(names.loss), finite=False),
            grad_norm=_figure(held.get(names.grad_norm), finite=False),
            memory_bytes=_figure(held.get(names.memory_bytes)),
            rank=rank if rank_told is None else int(rank_told),
            source=self.source,
        )


def _possible(record: Record) -> Record:
    """The record without figures that no training run has: a damaged line must not become a rate."""
    wrong = [
        name
        for name, value, most in (
            ("tokens_per_s", record.tokens_per_s, _MOST_RATE),
            ("step_s", record.step_s, _MOST_STEP_S),
            ("memory_bytes", record.memory_bytes, _MOST_BYTES),
        )
        if value is not None and not 0.0 <= value <= most
    ]
    beyond = [name for name in ("loss", "grad_norm") if abs(getattr(record, name) or 0.0) > _MOST_FLOAT32]
    if not wrong and not beyond:
        return record
    return record._replace(**cast("dict[str, Any]", dict.fromkeys(wrong) | dict.fromkeys(beyond, nan)))


def _figure(value: object, *, finite: bool = True) -> float | None:
    """A number of a JSON field; json reads NaN and Infinity, which a loss may be and nothing else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        figure = float(value)
    except OverflowError:
        return None
    if isfinite(figure):
        return figure
    return None if finite else float("nan")


def _moment(value: object, otherwise: float | None) -> float | None:
    if isinstance(value, str):
        return clock_s(value)
    told = _figure(value)
    return told if told is not None and 0.0 <= told < _LAST_S else otherwise
