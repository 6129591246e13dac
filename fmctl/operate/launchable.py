"""What a launch needs before anything is asked or made: a name and an end."""

from __future__ import annotations

from fmctl.base.errors import UsageError
from fmctl.domain.cluster import ClusterSpec
from fmctl.operate.records import check_name

MOST_HOURS = 24.0 * 366


def check_launchable(spec: ClusterSpec) -> None:
    """A name and an end. Raises UsageError."""
    check_name(spec.name)
    if not 0 < spec.max_hours <= MOST_HOURS:
        raise UsageError(f"{spec.name} needs an end: {spec.max_hours} hours are none", next="--max-hours 24")
