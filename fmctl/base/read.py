"""Values of a parsed document whose shape others decide: one of another kind than was asked for is empty or None."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite, nan

Fields = Mapping[str, object]
"""A part of a parsed document: each value has to be read before it is used."""


def text(found: object) -> str:
    """The text, "" where it is none."""
    return found if isinstance(found, str) else ""


def number(found: object) -> float | None:
    """The number, None where it is none or not finite; a truth value is none."""
    try:
        told = float(found) if isinstance(found, int | float) and not isinstance(found, bool) else nan
    except OverflowError:  # an integer of hundreds of digits
        return None
    return told if isfinite(told) else None


def zoned(at: datetime) -> datetime:
    """The moment in UTC; one without zone is UTC. Raises ValueError at the edges of the calendar."""
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{at} cannot be told in UTC") from None


def moment(said: str) -> datetime:
    """A moment as ISO 8601 writes it, in UTC. Raises ValueError where it is none, or says no zone."""
    found = datetime.fromisoformat(said)
    if found.tzinfo is None:
        raise ValueError("a date and time without its zone")
    return zoned(found)


def part(found: object) -> Fields:
    """The fields, none where it is no mapping."""
    return found if isinstance(found, dict) else {}


def rows(found: object) -> list[Fields]:
    """The mappings of a list, none where it is no list."""
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def texts(found: object) -> list[str]:
    """The texts of a list, none where it is no list."""
    return [one for one in found if isinstance(one, str)] if isinstance(found, list | tuple) else []
