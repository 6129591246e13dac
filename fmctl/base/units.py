"""Read quantities as people write them (15T, 80GiB, 21d, $1.9M, 8..256) and, through `formats`, print them again.

Numbers are read exactly: `2.3B` is 2,300,000,000 and not one less. Whatever cannot be read raises `UsageError`, which
says what was read, what is accepted, and shows an example.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from fmctl.base.errors import UsageError, shorten
from fmctl.base.formats import (
    UNKNOWN,
    format_bytes,
    format_count,
    format_percent,
    format_seconds,
    format_usd,
    format_watts_hours,
    significant,
)

__all__ = [
    "UNKNOWN",
    "NodeCounts",
    "format_bytes",
    "format_count",
    "format_percent",
    "format_seconds",
    "format_usd",
    "format_watts_hours",
    "parse_bytes",
    "parse_count",
    "parse_deadline",
    "parse_duration_s",
    "parse_list",
    "parse_nodes",
    "parse_number",
    "parse_usd",
    "significant",
]

_LARGEST = 10**24
_SMALLEST = 1e-9
_LONGEST = 60
_QUANTITY = re.compile(
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9][0-9_]*|)(?:\.(?P<part>[0-9]*))?"  # 1,000 but not 1,5
    r"(?:[eE](?P<exponent>[+-]?[0-9]{1,3}))?\s*(?P<unit>[A-Za-z]*)"
)
_ISO_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")

_COUNTS = {"": 1, "k": 10**3, "M": 10**6, "B": 10**9, "G": 10**9, "T": 10**12, "P": 10**15}
_BYTES = {"": 1, "B": 1}
_BYTES |= {f"{letter}B": 1000**power for power, letter in enumerate("kMGTPE", start=1)} | {"KB": 1000}
_BYTES |= {f"{letter}iB": 1024**power for power, letter in enumerate("KMGTPE", start=1)}
_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DOLLARS = {"": 1, "k": 10**3, "M": 10**6, "B": 10**9}
_PLAIN = {"": 1}


class NodeCounts(NamedTuple):
    """How many nodes may be used: from `lowest` to `highest`, and only those `listed` when any are."""

    lowest: int
    highest: int
    listed: tuple[int, ...] = ()

    def __contains__(self, nodes: object) -> bool:
        """Whether that many nodes are allowed."""
        if not isinstance(nodes, int):
            return False
        return nodes in self.listed if self.listed else self.lowest <= nodes <= self.highest


def parse_count(text: str, *, what: str = "count", zero: bool = False) -> int:
    """A whole number: `1024`, `1_000`, `2.5B`, `15T`.

    Args:
        text: what was typed.
        what: the option's name, for the error.
        zero: whether 0 is allowed.

    Raises:
        UsageError: not a whole number above zero, or above 1e24.
    """
    amount = _read(text, _COUNTS, what, "a whole number such as 1024, 2.5B or 15T", zero=zero)
    if isinstance(amount, float):
        raise _refused(text, what, "a whole number such as 1024, 2.5B or 15T", "it has a fraction left over")
    return amount


def parse_bytes(text: str, *, what: str = "size", zero: bool = False) -> int:
    """Bytes: `80GiB`, `1.5TB`, `4096`. Raises UsageError, for `80Gb` too, which could be gigabits."""
    accepted = "a size such as 80GiB or 1.5TB"
    amount = round(_read(text, _BYTES, what, accepted, zero=zero))
    if not amount and not zero:
        raise _refused(text, what, accepted, "it is less than a byte")
    return amount


def parse_duration_s(text: str, *, what: str = "duration", zero: bool = False) -> float:
    """Seconds: `90m`, `36h`, `21d`, `1w`, `30s`. Raises UsageError, also when the unit is missing."""
    return float(_read(text, _SECONDS, what, "a duration such as 90m, 36h, 21d or 1w", zero=zero))


def parse_deadline(text: str, *, what: str = "deadline") -> float | date:
    """A duration in seconds (`60d`), or a calendar date (`2027-03-01`) for the caller to hold against its own now.

    Raises:
        UsageError: neither of the two, or a day that no calendar has.
    """
    if not _ISO_DATE.fullmatch(text.strip()):
        accepted = "a duration such as 60d or a date such as 2027-03-01"
        return float(_read(text, _SECONDS, what, accepted))
    year, month, day = (int(part) for part in text.strip().split("-"))
    try:
        return date(year, month, day)
    except ValueError as error:
        raise _refused(text, what, "a duration such as 60d or a date such as 2027-03-01", str(error)) from None


def parse_usd(text: str, *, what: str = "amount", zero: bool = False) -> float:
    """US dollars: `$1.9M`, `4M`, `250k`, `412.50`. Raises UsageError."""
    return float(_read(text.strip().removeprefix("$"), _DOLLARS, what, "dollars such as 4M, 250k or 412.50", zero=zero))


def parse_number(text: str, *, what: str = "number", zero: bool = False) -> float:
    """A plain number without unit: `1.2`, `390`. Raises UsageError."""
    return float(_read(text, _PLAIN, what, "a number such as 1.2", zero=zero))


def parse_nodes(text: str, *, what: str = "nodes") -> NodeCounts:
    """Node counts: `8` (just that), `8..256` (from and to), `8,16,24` (these). Raises UsageError."""
    lowest, dots, highest = text.partition("..")
    if dots:
        first, last = parse_count(lowest, what=what), parse_count(highest, what=what)
        if first > last:
            raise _refused(text, what, "a range such as 8..256", "it runs backwards")
        return NodeCounts(first, last, (first,) if first == last else ())
    listed = tuple(sorted(parse_count(part, what=what) for part in parse_list(text, what=what)))
    return NodeCounts(listed[0], listed[-1], listed)


def parse_list(text: str, *, what: str = "list") -> list[str]:
    """Names between commas, blanks trimmed, repeats dropped, order kept. Raises UsageError when one is empty."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise _refused(text, what, "names between commas such as a,b", "one of them is empty")
    return list(dict.fromkeys(names))


def _read(text: str, units: Mapping[str, int], what: str, accepted: str, *, zero: bool = False) -> int | float:
    """A number and a unit out of `units`: an int when it is whole, exactly."""
    clean = text.strip()
    match = _QUANTITY.fullmatch(clean) if len(clean) <= _LONGEST else None
    below = _QUANTITY.fullmatch(clean[1:].lstrip()) if clean[:1] in ("-", "\u2212") and len(clean) <= _LONGEST else None
    if below is not None and (below["whole"] or below["part"]):
        least = "0 or more" if zero else "above 0"
        raise UsageError(f"{what} '{shorten(text)}' has to be {least}: {accepted}", why="it is negative")
    if match is None or not (match["whole"] or match["part"]):
        raise _refused(text, what, accepted, _why_not(clean))
    scale = _scale(match["unit"], units)
    if scale is None:
        wrong = f"the unit '{match['unit']}' is not one of" if match["unit"] else "the unit is missing:"
        raise _refused(text, what, accepted, f"{wrong} {', '.join(unit for unit in units if unit)}")
    amount = _amount(match, scale)
    if amount > _LARGEST:
        raise _refused(text, what, accepted, "it is more than 1e24")
    if 0 < amount < _SMALLEST:
        raise _refused(text, what, accepted, "it is less than 1e-9")
    if amount == 0 and not zero:
        raise _refused(text, what, accepted, "it must be more than zero")
    return amount


def _amount(match: re.Match[str], scale: int) -> int | float:
    """Integers as long as possible: 2.3e9 by floats would be one short of 2,300,000,000."""
    part = match["part"] or ""
    digits = int((match["whole"] + part).replace("_", "").replace(",", "")) * scale
    power = int(match["exponent"] or 0) - len(part)
    if power >= 0:
        return digits * int(10**power)
    divisor = int(10**-power)
    whole, rest = divmod(digits, divisor)
    return digits / divisor if rest else whole


def _scale(unit: str, units: Mapping[str, int]) -> int | None:
    """The unit as written, or written all in one case where no two units differ by case alone."""
    if unit in units:
        return units[unit]
    if unit not in (unit.lower(), unit.upper()):
        return None
    by_lower = {name.lower(): scale for name, scale in units.items()}
    return by_lower.get(unit.lower())


def _why_not(clean: str) -> str:
    if not clean:
        return "it is empty"
    if len(clean) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    if clean.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return "it is not a finite number"
    return "it is negative" if clean.startswith(("-", "\u2212")) else "it cannot be read"


def _refused(text: str, what: str, accepted: str, why: str) -> UsageError:
    return UsageError(f"{what} '{shorten(text)}' is not {accepted}", why=why)
