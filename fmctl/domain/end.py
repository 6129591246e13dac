"""The end of a cluster that AWS itself keeps: what it is called there, and whether it would come about now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

_LONGEST = 64  # of the names of IAM roles and of EventBridge schedules
ENDS, _WARNS = "fmctl-end-", "fmctl-warn-"
"""What the names of the schedules begin with."""


@dataclass(frozen=True, slots=True)
class End:
    """A scheduled end as AWS has it now."""

    at: datetime | None  # when it comes; None where its schedule says no single time
    launch: str = ""  # which launch arranged it; "" of fmctl before launches had ids, or of somebody else
    stack: str = ""  # id of the one stack that it deletes; "" where it deletes by name, as before there is a stack
    wrong: tuple[str, ...] = ()  # why it would not delete the cluster; empty where it would
    unseen: str = ""  # what of it could not be looked at

    @property
    def holds(self) -> bool:
        """Whether the cluster will be deleted at that time, as far as could be looked at."""
        return self.at is not None and not self.wrong

    @property
    def said(self) -> str:
        """Why it does not hold; "" where it does."""
        return "; ".join(self.wrong) or ("" if self.at is not None else "its schedule says no time")


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose an end is, and what it deletes."""

    launch: str
    stack: str = ""  # id of the one stack, once there is one; else whichever has the cluster's name
    before: tuple[str, ...] = ()  # launches whose end it may take the place of


def end_name(cluster: str) -> str:
    """Name of the schedule, which belongs to a region; of a long name its beginning and a digest of all of it."""
    return _short(f"{ENDS}{cluster}", cluster)


def role_name(cluster: str, region: str) -> str:
    """Name of the role, which belongs to the whole account: a name may be used once in each region."""
    return _short(f"{ENDS}{cluster}-{region}", f"{cluster}\n{region}")


def warning_name(cluster: str) -> str:
    """Name of the schedule that warns of the end."""
    return end_name(cluster).replace(ENDS, _WARNS, 1)[:_LONGEST]


def _short(whole: str, of: str) -> str:
    return whole if len(whole) <= _LONGEST else f"{whole[: _LONGEST - 9]}-{sha256(of.encode()).hexdigest()[:8]}"
