"""Values of a parsed document whose shape others decide: one of another kind than was asked for is empty or None."""

from __future__ import annotations

from collections.abc import Mapping

Fields = Mapping[str, object]
"""A part of a parsed document: each value has to be read before it is used."""


def text(found: object) -> str:
    """The text, "" where it is none."""
    return found if isinstance(found, str) else ""


def number(found: object) -> float | None:
    """The number, None where it is none; a truth value is none."""
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def part(found: object) -> Fields:
    """The fields, none where it is no mapping."""
    return found if isinstance(found, dict) else {}


def rows(found: object) -> list[Fields]:
    """The mappings of a list, none where it is no list."""
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def texts(found: object) -> list[str]:
    """The texts of a list, none where it is no list."""
    return [one for one in found if isinstance(one, str)] if isinstance(found, list | tuple) else []
