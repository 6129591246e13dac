"""Known-bad versions (`domain.software`): refused when rendered, and by the job for what its environment names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote

from fmctl.base.errors import UsageError
from fmctl.domain.software import Bad, Condition, found, open_rows, parsed

_FUNCTIONS = """\
# Versions in JOB_SOFTWARE ("efa=1.47.0 nccl=2.28.3") that are known not to work here.
version_of() { tr ' ' '\\n' <<<"${JOB_SOFTWARE:-}" | sed -n "s/^$1=//p" | tail -n 1; }
at_least() { [ "$(printf '%s\\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
from_to() { [ -n "$1" ] && { [ -z "$2" ] || at_least "$1" "$2"; } && { [ -z "$3" ] || ! at_least "$1" "$3"; }; }
"""


def check(facts: Mapping[str, str], own: Sequence[Bad] = ()) -> None:
    """Raises UsageError for the first known-bad combination, a target's own ones among them."""
    for row in found(facts, own):
        named = " with ".join(one.words(facts[one.fact]) for one in row.conditions)
        raise UsageError(f"{named} does not work", why=f"{row.why} ({row.source})", next=row.take)


def pair_lines(facts: Mapping[str, str]) -> str:
    """Shell lines that stop a job whose environment names a bad version; empty where none can be."""
    lines = []
    for row, left in open_rows(facts):
        said = quote(f"versions in JOB_SOFTWARE do not work together here: {row.why}; take {row.take} ({row.source})")
        lines.append(f"if {' && '.join(map(_test, left))}; then\n  say {said}\n  exit 1\nfi\n")
    return _FUNCTIONS + "".join(lines) if lines else ""


def _test(one: Condition) -> str:
    first, before = (".".join(map(str, parsed(bound))) for bound in (one.first, one.before))
    return f'from_to "$(version_of {quote(one.fact)})" {quote(first)} {quote(before)}'
