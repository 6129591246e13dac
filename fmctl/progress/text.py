"""Parts that lines of every framework share: colours, clocks, ranks."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CLOCK = re.compile(
    r"(?:(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)|(\d\d/\d\d/\d{4}) (\d\d:\d\d)):(\d\d(?:[.,]\d{1,9})?)(Z|[+-]\d\d:?\d\d)?"
)
# torchrun's `[rank3]:`, srun --label's `3: `, DeepSpeed's `[Rank 3]`.
_RANK = re.compile(r"^\s*(?:\[rank(\d{1,7})\]:|(\d{1,7}): )|\[Rank (\d{1,7})\]")


def plain(line: str) -> str:
    """The line without terminal colours and cursor movements."""
    return _ANSI.sub("", line) if "\x1b" in line else line


@lru_cache(maxsize=4096)
def _minute_s(day: str, minute: str, zone: str) -> float | None:
    """Start of a minute, s since 1970; None where no calendar has it. US dates are month first, as nanotron writes."""
    form = "%m/%d/%Y %H:%M%z" if "/" in day else "%Y-%m-%d %H:%M%z"
    try:
        told = datetime.strptime(f"{day} {minute}{zone or '+0000'}", form).timestamp()  # noqa: DTZ007 - %z is in it
    except (ValueError, OverflowError):
        return None
    return told if told >= 0.0 else None  # digits of another number: there were no logs before 1970


def clock_s(line: str) -> float | None:
    """The first date and time in a line, s since 1970; a clock that names no zone is taken as UTC."""
    found = _CLOCK.search(line)
    if found is None:
        return None
    day, minute, us_day, us_minute, second, zone = found.groups()
    start = _minute_s(day or us_day, minute or us_minute, (zone or "").replace("Z", "+0000"))
    return None if start is None else start + float(second.replace(",", "."))


def rank_of(line: str) -> int | None:
    """The rank that wrote a line, where the launcher or the framework says so."""
    found = _RANK.search(line)
    return None if found is None else int(found.group(found.lastindex or 1))
