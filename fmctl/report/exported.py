"""A run so far as metrics: what Prometheus scrapes from `observe export`, and the same as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from fmctl.observe import names
from fmctl.observe.exposition import Family, Sample, exposition, printed
from fmctl.progress.compare import Compared
from fmctl.progress.state import Progress
from fmctl.report.envelope import envelope
from fmctl.report.known import Known
from fmctl.report.view import Answer, Column, Report, Section, Table

if TYPE_CHECKING:
    from fmctl.domain.rows.metrics import MetricsDocument


Labels = Mapping[str, str]
_KINDS = {name: (kind, text) for name, kind, text in names.JOB_METRICS + names.EXPORTED}


def families_of(
    found: Progress, figures: Sequence[Compared], known: Known, labels: Labels, readable: bool = True
) -> tuple[Family, ...]:
    """Every value that is known, with the run's labels; what is not known is no sample, and never 0."""
    told: dict[str, list[Sample]] = {}
    for name, more, value in (*_of_run(found), *_of_figures(figures), *_of_money(known)):
        if value is not None:
            told.setdefault(name, []).append(({**labels, **more}, float(value)))
    told["fmctl_log_readable"] = [(dict(labels), float(readable))]
    return tuple(Family(name, *_KINDS[name], tuple(samples)) for name, samples in told.items())


_Told = tuple[str, Labels, float | None]


def _of_run(p: Progress) -> Iterator[_Told]:
    yield names.STEP, {}, p.last_step
    yield names.STEP_SECONDS, {}, p.last_step_s
    yield names.LOSS, {}, p.loss
    yield names.GRADIENT_NORM, {}, p.grad_norm
    yield names.TOKENS, {}, p.tokens
    yield names.CHECKPOINT_TIME, {}, p.saved_at
    yield names.RUN_START, {}, p.began_at
    yield "fmctl_planned_steps", {}, p.total_steps
    yield "fmctl_last_record_timestamp_seconds", {}, p.last_at
    yield "fmctl_finish_timestamp_seconds", {}, p.finish_s
    if not p.records:  # a log that was not begun counts nothing
        return
    yield "fmctl_records_total", {}, p.records
    yield "fmctl_saves_total", {}, p.saves
    yield "fmctl_restarts_total", {}, p.restarts
    yield "fmctl_nan_steps_total", {}, p.nan_steps
    yield "fmctl_loss_spikes_total", {}, p.loss_spikes
    yield "fmctl_alloc_retries_total", {}, p.alloc_retries
    for kind, count in sorted(p.errors.items()):
        yield "fmctl_errors_total", {"kind": kind}, count


def _of_figures(figures: Sequence[Compared]) -> Iterator[_Told]:
    for one in figures:
        of = {"figure": one.name}
        yield "fmctl_predicted", of, one.predicted
        yield "fmctl_predicted_low", of, one.low
        yield "fmctl_predicted_high", of, one.high
        yield "fmctl_measured", of, one.measured
        yield "fmctl_outside", of, None if one.verdict == "unknown" else float(one.verdict != "inside")


def _of_money(known: Known) -> Iterator[_Told]:
    yield names.SPEND, {}, known.spent_usd
    yield names.CAPACITY_END, {}, known.ends_at


def exported_answer(families: Sequence[Family], plan: str, source: str, warnings: tuple[str, ...]) -> Answer:
    """The metrics as document and rows; values are texts, as Prometheus's own API writes them: NaN is one."""
    metrics = [
        {"name": one.name, "type": one.kind, "help": one.help,
         "samples": [{"labels": dict(labels), "value": printed(value)} for labels, value in one.samples]}
        for one in families
    ]  # fmt: skip
    document: MetricsDocument = envelope(
        "metrics", {"metrics": metrics}, inputs={"plan": plan, "source": source}, warnings=warnings
    )
    rows = [
        {"name": one.name, "type": one.kind, **labels, "value": printed(value)}
        for one in families
        for labels, value in one.samples
    ]
    return Answer(document, rows, lambda: _report(plan, families), tuple(document["warnings"]))


def _report(plan: str, families: Sequence[Family]) -> Report:
    columns = (Column("metric"), Column("labels", keep=1), Column("value", "right"))
    rows = tuple(
        (one.name, " ".join(f"{key}={text}" for key, text in labels.items()), printed(value))
        for one in families
        for labels, value in one.samples
    )
    return Report(f"{plan}: {len(rows)} metrics", (Section(table=Table(columns, rows)),))


def text_of(families: Sequence[Family]) -> str:
    """As Prometheus scrapes it."""
    return exposition(families)
