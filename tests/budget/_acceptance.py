"""The acceptance figures of a file of runs as lines of a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from _accuracy import explanation

from fmctl.validation.acceptance import FAMILY_OFF, Figure, families_off

if TYPE_CHECKING:
    from fmctl.validation.records import Record

Off = tuple[str, str, str]  # family, error, whether it is explained


def off(records: Sequence[Record]) -> list[Off]:
    """Families that are far off, source left out, and whether docs/accuracy says why."""
    return [
        (name, f"{error:.0%}", "explained" if explanation(name) else "NOT explained")
        for name, error in families_off(records)
    ]


def text(figures: Sequence[Figure], far: Sequence[Off]) -> str:
    """One line per figure."""
    lines = [f"{'figure':<50}{'goal':>16}{'found':>9}  met"]
    for one in figures:
        met = "yes" if one.met else "no"
        lines.append(f"{one.name:<50}{one.goal:>16}{one.said(one.found):>9}  {met:<4}{one.note}".rstrip())
    lines.append(f"\nfamilies more than {FAMILY_OFF:.0%} off, source left out:" + ("" if far else " none"))
    lines += [f"  {name:<48}{error:>6}  {why}" for name, error, why in far]
    met = sum(one.met for one in figures)
    return "\n".join([*lines, f"\n{met} of {len(figures)} met"])


def markdown(figures: Sequence[Figure], far: Sequence[Off]) -> str:
    """The same as a table of docs/accuracy."""
    lines = ["| figure | goal | found | met | |", "|---|---:|---:|---|---|"]
    for one in figures:
        cells = (one.name, one.goal, one.said(one.found), "yes" if one.met else "**no**", one.note)
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    named = ", ".join(f"{name} {error} ({why})" for name, error, why in far) or "none"
    return "\n".join([*lines, "", f"Families more than {FAMILY_OFF:.0%} off with their source left out: {named}."])
