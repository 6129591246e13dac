"""A run's own metrics, out of its log and its plan, offered to Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fmctl.usecases.following import POLL_S, Followed, is_over

if TYPE_CHECKING:
    from fmctl.observe.exposition import Family

# assumed: two scrapes at the usual interval, so that the last values are seen before the exporter ends.
LINGER_S = 30.0


def serve(
    found: Followed, labels: dict[str, str], where: tuple[str, int], say: Callable[[str], None],
    warn: Callable[[tuple[str, ...]], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:  # fmt: skip
    """Offer a run's metrics until it is over. Raises OperationFailed where the port cannot be had."""
    from fmctl.adapters.prometheus.metrics_http import PATH, MetricsServer
    from fmctl.observe.exposition import CONTENT_TYPE
    from fmctl.report.exported import text_of

    said: set[str] = set()
    with MetricsServer(*where, CONTENT_TYPE) as server:
        quiet_s = 0.0
        while True:
            quiet_s = 0.0 if found.advance() else quiet_s + POLL_S
            families, warnings = families_now(found, labels)
            server.set(text_of(families))
            if not said:
                say(f"metrics on http://{where[0]}:{server.port}{PATH}; Ctrl-C ends it")
            fresh = [one for one in (*warnings, *([found.trouble] if found.trouble else [])) if one not in said]
            warn(tuple(fresh))
            said |= {"", *fresh}
            if is_over(found, quiet_s):
                break
            sleep(POLL_S)
        found.keep()
        sleep(LINGER_S)


def families_now(found: Followed, labels: dict[str, str]) -> tuple[tuple[Family, ...], tuple[str, ...]]:
    """What is offered, with the cost until now, and what could not be had."""
    from fmctl.report.exported import families_of
    from fmctl.report.known import figures_of

    progress = found.summary.progress()
    until_log = found.beside.known(found.measured, progress.last_at)
    figures = figures_of(found.row, progress, found.instance, until_log)
    now = found.beside.known(found.measured, None)
    return families_of(progress, figures, now, labels, found.trouble is None), now.all_warnings()
