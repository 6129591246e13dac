"""A run's own metrics. Made of `fmctl.documents.metrics` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Envelope


class MetricSample(TypedDict):
    """One value."""

    labels: dict[str, str]
    value: str


class Metric(TypedDict):
    """One metric with its samples."""

    name: str
    type: Literal["counter", "gauge"]
    help: str
    samples: list[MetricSample]


class Metrics(TypedDict):
    """All that are known of a run."""

    metrics: list[Metric]


class MetricsDocument(Envelope):
    """A run as metrics."""

    schema: Literal["fmctl.metrics/1"]
    result: Metrics
