"""What `observe export --once -o json` answers: a run's metrics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fmctl.documents.base import Envelope, Open


class MetricSample(Open):
    """One value; a text, as Prometheus's own API writes it, so that NaN and +Inf are values too."""

    labels: dict[str, str]
    value: str


class Metric(Open):
    """One metric with its samples."""

    name: str
    type: Literal["counter", "gauge"]
    help: str
    samples: list[MetricSample]


class Metrics(Open):
    """All that are known of a run; what is not known is absent."""

    metrics: list[Metric]


class MetricsDocument(Envelope):
    """A run as metrics."""

    schema_: Literal["fmctl.metrics/1"] = Field(alias="schema")
    result: Metrics
