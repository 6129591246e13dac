"""What the end of a cluster is called in AWS: the role that deletes it, its schedule, the one that warns of it."""

from __future__ import annotations

from hashlib import sha256

_LONGEST = 64  # of the names of IAM roles and of EventBridge schedules
_BEFORE, _WARNS = "fmctl-end-", "fmctl-warn-"


def end_name(cluster: str) -> str:
    """Name of the schedule and of the role; of a long name its beginning and a digest of all of it."""
    whole = f"{_BEFORE}{cluster}"
    return whole if len(whole) <= _LONGEST else f"{whole[: _LONGEST - 9]}-{sha256(cluster.encode()).hexdigest()[:8]}"


def warning_name(cluster: str) -> str:
    """Name of the schedule that warns of the end."""
    return end_name(cluster).replace(_BEFORE, _WARNS, 1)[:_LONGEST]
