"""What is known beside a run's log: metrics of its nodes, what its cluster costs, when its capacity ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.units import parse_duration_s
from fmctl.usecases.options import Nodes
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.rows.results import EstimateRow
    from fmctl.observe.measured import Measured, Source
    from fmctl.operate.records import Record
    from fmctl.progress.state import Progress
    from fmctl.report.known import Known


class Beside:
    """What is known beside a log: asked at any time, and never a reason to fail.

    Args:
        row: of the plan.
        source: of metrics; None: not asked for.
        label: the cluster's name among metrics.
        since_s: how far back metrics are looked at; None: to the log's beginning.
        record: of the cluster; None where it is not known.
        now: the clock.
    """

    def __init__(
        self, row: EstimateRow, source: Source | None, label: str, since_s: float | None,
        record: Record | None, now: Callable[[], datetime], warnings: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self._row, self._source, self.label, self._since_s = row, source, label, since_s
        self._record, self._now, self._warnings = record, now, warnings
        self.limit_w: float | None = None

    @property
    def asks(self) -> bool:
        """Whether there is a Prometheus to ask."""
        return self._source is not None

    def measure(self, found: Progress) -> Measured | None:
        """Metrics in the time of the run; a log without a clock has none, but where --since says how long."""
        from fmctl.observe.measured import Measured, Window, measure

        if self._source is None:
            return None
        end = self._now().timestamp() if found.last_at is None else found.last_at
        start = found.began_at if self._since_s is None else end - self._since_s
        if start is None:
            why = "Prometheus was not asked: the log has no clock yet; --since 1h takes the last hour"
            return Measured(self.label, Window(end, end), {}, {}, None, 0, (why,))
        return measure(self._source, self.label, Window(start, end), self._row["gpus"], self.limit_w)

    def known(self, measured: Measured | None, at: float | None) -> Known:
        """All of it, with the cost until a time (s since 1970; None: now)."""
        from fmctl.report.known import Known

        record, until = self._record, self._now().timestamp() if at is None else at
        spent = None if record is None else _spent(record, until)
        whole = self._row.get("whole_run")
        ends = [datetime.fromisoformat(one["end"]) for one in (whole["blocks"] if whole else ())]
        known_ends = ends[-1:] + ([] if record is None else [record.end])
        return Known(
            measured=measured,
            spent_usd=spent,
            usd_per_h=None if record is None else record.hourly_usd,
            ends_at=min((one.timestamp() for one in known_ends), default=None),
            warnings=self._warnings,
        )


def _spent(record: Record, until: float) -> float | None:
    """Hours since the cluster began at what it costs; as counted, where it is gone."""
    if record.spent_usd is not None or record.hourly_usd is None:
        return record.spent_usd
    return record.hourly_usd * max(min(until, record.end.timestamp()) - record.began.timestamp(), 0.0) / 3600.0


def beside_for(
    row: EstimateRow, cluster: str, nodes: Nodes, record: Record | None, asked: tuple[Services, Settings],
    warnings: tuple[str, ...] = (),
) -> Beside:  # fmt: skip
    """What is known beside the log of a run on that cluster. Raises UsageError."""
    from fmctl.domain.checked import checked

    services, settings = asked
    url = nodes.prometheus if nodes.prometheus is not None else settings.text("prometheus_url")
    since_s = None if nodes.since is None else parse_duration_s(nodes.since, what="--since")
    source = None if url is None else services.prometheus(url)
    label = checked("cluster", nodes.metrics_cluster or cluster, "cluster name")
    return Beside(row, source, label, since_s, record, services.now, warnings)
