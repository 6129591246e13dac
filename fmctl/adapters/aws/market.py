"""What AWS sells and at what price; who we are is asked first: bad credentials are one error, not one per question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from fmctl.base.errors import UsageError

if TYPE_CHECKING:
    from fmctl.adapters.aws.capacity import Capacity
    from fmctl.adapters.aws.pricing import Snapshot
    from fmctl.adapters.aws.session import Session

_HERE = ("//127.", "//localhost", "//[::1]")


def prices(
    profile: str | None,
    instances: Sequence[str],
    regions: Sequence[str],
    now: datetime,
    progress: Callable[[int, int], None],
) -> Snapshot:
    """See `usecases.services.Market`."""
    from functools import cache

    from fmctl.adapters.aws.pricing import LIST_REGION, ask
    from fmctl.adapters.aws.session import Session

    sessions: Callable[[str], Session] = cache(lambda region: Session(profile, region))
    first = sessions(LIST_REGION)
    _refuse_a_lab(first)
    first.caller()
    return ask(sessions, instances, regions, now, progress)


def capacity(profile: str | None, regions: Sequence[str]) -> Sequence[Capacity]:
    """See `usecases.services.Market`."""
    from fmctl.adapters.aws.capacity import AwsCapacity
    from fmctl.adapters.aws.session import Session

    sessions = [Session(profile, region) for region in regions]
    sessions[0].caller()  # of the first alone: a region that the account has not enabled knows no caller
    return [AwsCapacity(session) for session in sessions]


def _refuse_a_lab(session: Session) -> None:
    """A snapshot counts in every plan from then on: prices that a local AWS made up must not become one."""
    endpoint = str(session.client("sts").meta.endpoint_url)
    if any(here in endpoint for here in _HERE):
        raise UsageError(
            f"{endpoint} is a local AWS", why="its prices are made up, and every plan would use them",
            next="without AWS_ENDPOINT_URL",
        )  # fmt: skip
