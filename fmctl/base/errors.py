"""Every error fmctl raises on purpose.

    FmctlError
    ├── UsageError               usage             exit 2   a bad option, value or combination
    │   ├── UnknownName          unknown-KIND      exit 2   no such model, instance, plan, field ...
    │   ├── UnreadableFile       unreadable-file   exit 2   missing, forbidden, or not what it should be
    │   ├── CannotRun            cannot-run        exit 2   a training program has no words for a layout
    │   └── PriceUnknown         price-unknown     exit 2   asked to rank or cap on a price nobody has published
    ├── NoLayout                 no-layout         exit 3   nothing fits: reasons counted, nearest miss named
    ├── PermissionDenied         permission        exit 4   credentials, rights, the wrong account
    ├── CapacityUnavailable      capacity          exit 5   no capacity, or the quota is too small
    ├── StalePlan                stale-plan        exit 6   the plan no longer holds
    ├── OperationTimeout         timeout           exit 7   we stopped waiting; the operation goes on
    └── OperationFailed          operation-failed  exit 1   it was tried and did not work
        ├── UnwritableFile       unwritable-file   exit 1   the disk, the folder or its rights said no
        ├── NotThere             not-there         exit 1   a service answered: nothing is at that address
        └── ServiceUnavailable   unavailable       exit 1   throttled, a 5xx or no answer: the same call may work later

An error says *what* happened, *why* if that is known, and the *next* command to try. The words are for a person; `code`
and `exit_code` are for programs and do not change.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from fmctl.base.printing import printable

_LONGEST_NAME = 80


class ExitCode(IntEnum):
    """What the process returns, as promised to scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_LAYOUT = 3
    PERMISSION = 4
    CAPACITY = 5
    STALE = 6
    TIMEOUT = 7
    DIFFERENT = 10
    INTERRUPTED = 130


BUSY = "busy"  # the cause of an error that may pass: whoever was asked had no time, or did not answer


class FmctlError(Exception):
    """The root: whatever reaches the user is one of these.

    Args:
        what: what happened, one line, no full stop.
        why: the reason, when it is known.
        next: a command to run, or the thing to change.
        cause: what it was, in a word for programs: BUSY, or another that its raiser names.
    """

    code: str = "failed"
    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, what: str, *, why: str | None = None, next: str | None = None, cause: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next = next
        self.cause = cause

    def lines(self) -> list[str]:
        """The error as a person reads it on stderr, one string per line."""
        shown = [f"fmctl: error: {self.what}"]
        shown += [f"  why: {self.why}"] if self.why else []
        shown += [f"  next: {self.next}"] if self.next else []
        return shown


class UsageError(FmctlError):
    """The command was not understood, or a value is not one that can be used."""

    code = "usage"
    exit_code = ExitCode.USAGE


class UnknownName(UsageError):
    """A name that is not in a list.

    Args:
        kind: what was looked for, singular: "model", "instance", "price option".
        name: what was given.
        choices: the names there are.
        next: the command that lists them.
        meant: the names that `name` stands for by another word, where that is known.
    """

    def __init__(
        self, kind: str, name: str, choices: Iterable[str], next: str | None = None, meant: Iterable[str] = ()
    ) -> None:
        self.kind = kind
        self.name = name
        self.suggestions = list(meant) or did_you_mean(name, choices)
        why = f"did you mean {_either(self.suggestions)}?" if self.suggestions else None
        super().__init__(f"no {kind} called '{shorten(name)}'", why=why, next=next)
        self.code = "unknown-" + kind.replace(" ", "-")


class UnreadableFile(UsageError):
    """A file is missing, may not be read, or does not hold what it should."""

    code = "unreadable-file"


class PriceUnknown(UsageError):
    """A price is needed to answer and nobody has published it; fmctl does not guess."""

    code = "price-unknown"


class NoLayout(FmctlError):
    """No layout fits."""

    code = "no-layout"
    exit_code = ExitCode.NO_LAYOUT


class PermissionDenied(FmctlError):
    """Credentials are missing or expired, lack a right, or belong to another account."""

    code = "permission"
    exit_code = ExitCode.PERMISSION


class CapacityUnavailable(FmctlError):
    """There is no capacity, or the quota is too small."""

    code = "capacity"
    exit_code = ExitCode.CAPACITY


class StalePlan(FmctlError):
    """A saved plan no longer holds: a price, an account, a digest or the world has changed."""

    code = "stale-plan"
    exit_code = ExitCode.STALE


class OperationTimeout(FmctlError):
    """`--timeout` was reached; the operation itself goes on."""

    code = "timeout"
    exit_code = ExitCode.TIMEOUT


class CannotRun(UsageError):
    """A training program has no words for a layout."""

    code = "cannot-run"


class OperationFailed(FmctlError):
    """An operation was tried and did not work."""

    code = "operation-failed"


class UnwritableFile(OperationFailed):
    """A file could not be written; what stood there before still does."""

    code = "unwritable-file"


class NotThere(OperationFailed):
    """A service answered, and has nothing at that address."""

    code = "not-there"


class ServiceUnavailable(OperationFailed):
    """A service was too busy or did not answer; whether it did what was asked is not known."""

    code = "unavailable"


def did_you_mean(word: str, choices: Iterable[str], n: int = 3) -> list[str]:
    """The at most `n` choices nearest to `word`, best first; case does not count."""
    from difflib import SequenceMatcher, get_close_matches  # only ever needed on the way out

    by_lower = {choice.lower(): choice for choice in choices}
    wanted = word.strip().lower()[:_LONGEST_NAME]
    if not wanted:
        return []
    near = get_close_matches(wanted, by_lower, n=n, cutoff=0.6)
    holding = [name for name in by_lower if wanted in name and name not in near]
    holding.sort(key=lambda name: -SequenceMatcher(None, wanted, name).ratio())
    return [by_lower[name] for name in (near + holding)[:n]]


def shorten(text: str, longest: int = _LONGEST_NAME) -> str:
    """What a user typed, safe to repeat in one line: printable, and the middle of a long one dropped."""
    clean = printable(text)
    return clean if len(clean) <= longest else f"{clean[: longest // 2]}...{clean[-longest // 4 :]}"


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
