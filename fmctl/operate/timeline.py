"""The events of a cluster's parts as one span per part: when each began, how long it took, which one is slow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fmctl.operate.watch import SLOW_FACTOR, SLOW_LEAST_S
from fmctl.targets.target import Part


@dataclass(frozen=True, slots=True)
class Span:
    """One resource of one phase of its stack (CREATE, UPDATE, DELETE)."""

    resource: str
    type: str
    status: str
    began_s: float  # seconds after the first event of all
    took_s: float  # so far, where it is not `over`
    usual_s: float
    over: bool
    slow: bool  # in progress for much longer than `usual_s` (assumed)
    reason: str  # what the target said last


def spans(events: Iterable[Part], now: datetime) -> tuple[Span, ...]:
    """One span per resource and phase, in the order in which they began; those of nested stacks too.

    The stack itself is none of its resources: it lasts as long as all of them.
    """
    found = sorted((event for event in events if not event.whole), key=lambda event: event.at)
    groups: dict[tuple[str, str, str], list[Part]] = {}
    for event in found:
        groups.setdefault((event.path, event.name, event.phase), []).append(event)
    return tuple(_span(of_one, found[0].at, now) for of_one in groups.values())


def phase(found: Sequence[Span]) -> tuple[Span, ...]:
    """The spans of what happens now: of the phase that began last."""
    if not found:
        return ()
    last = max(found, key=lambda span: span.began_s).status.partition("_")[0]
    return tuple(span for span in found if span.status.startswith(last))


def _span(events: Sequence[Part], first: datetime, now: datetime) -> Span:
    began, last = events[0], events[-1]
    over = not last.under_way
    took = ((last.at if over else max(now, last.at)) - began.at).total_seconds()
    usual = last.usual_s
    slow = not over and took > max(SLOW_FACTOR * usual, SLOW_LEAST_S)
    began_s = (began.at - first).total_seconds()
    return Span(last.name, last.kind, last.status, began_s, took, usual, over, slow, last.reason)
