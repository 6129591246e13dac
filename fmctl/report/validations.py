"""`validate` as document, rows and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Report, Row, Section, Table, facts
from fmctl.report.words import plural

if TYPE_CHECKING:
    from fmctl.domain.rows.validation import ValidateDocument, ValidateGroup, ValidateRow, ValidateSummary

AXES = ("family", "gpu", "framework", "kind", "parallelism", "precision")
_HIDDEN = ("layout_key",)
_MOST_REASONS = 12


def validate_answer(
    records: Sequence[Row],
    summary: ValidateSummary,
    inputs: Mapping[str, object],
    provenance: Mapping[str, object],
) -> Answer:
    """Measured runs against predictions; `inputs["by"]` names the table that is shown."""
    rows = [{name: value for name, value in record.items() if name not in _HIDDEN} for record in records]
    document: ValidateDocument = envelope(
        "validate", {"rows": rows, "summary": summary}, inputs=inputs, provenance=provenance
    )
    flat = [_flat(row) for row in document["result"]["rows"]]
    return Answer(document, flat, lambda: validate_report(document))


def validate_report(document: ValidateDocument) -> Report:
    """The totals, then errors along one axis, then what was skipped and why."""
    summary, axis = document["result"]["summary"], str(document["inputs"]["by"])
    title = f"{plural(summary['rows'], 'measured run')}, {summary['predicted']} predicted"
    skipped = Counter(row["skipped"] for row in document["result"]["rows"] if row["skipped"])
    sections = [
        Section(table=_totals(summary)),
        Section(f"Errors by {axis}", _groups(axis, summary["by"][axis])),
    ]
    if skipped:
        reasons = tuple((why, str(count)) for why, count in skipped.most_common(_MOST_REASONS))
        sections.append(Section("Skipped", Table((Column("reason"), Column("rows", "right")), reasons)))
    return Report(title, tuple(sections))


def _flat(row: ValidateRow) -> Row:
    layout = row["layout"] or {}
    rest = {name: value for name, value in row.items() if name not in ("layout", "assumed")}
    return {**rest, "assumed": "; ".join(row["assumed"]), **{f"layout_{name}": value for name, value in layout.items()}}


def _totals(summary: ValidateSummary) -> Table:
    speed, memory, fit = summary["throughput"], summary["memory"], summary["fits"]
    order, span = summary["ranking"], summary["intervals"]
    return facts(
        ("predicted of those stating a layout", _percent(summary["predicted_share"])),
        ("tokens/s, mean over families of the median error", _percent(speed["mean_family_error"])),
        ("  dense", _percent(speed["dense_mean_family_error"])),
        ("  MoE", _percent(speed["moe_mean_family_error"])),
        ("  with the runs set apart", _percent(speed["mean_family_error_all_rows"])),
        ("peak memory, mean over families of the median error", _percent(memory["mean_family_error"])),
        ("fits or not, recorded outcomes predicted rightly", _percent(fit["right"])),
        ("runs that ran, predicted to fit", _percent(fit["ran_right"])),
        (f"Kendall tau, mean of {plural(order['groups'], 'group')} of layouts", _number(order["mean_tau"])),
        ("regret, mean", _percent(order["mean_regret"])),
        ("80 % interval holds, rows", _percent(span["coverage_rows"])),
        ("80 % interval holds, families weighed equally", _percent(span["coverage_families"])),
        ("median half width, dense", _percent(span["dense_half_width"])),
        ("median half width, MoE", _percent(span["moe_half_width"])),
    )


def _groups(axis: str, groups: Sequence[ValidateGroup]) -> Table:
    columns = (
        Column(axis),
        Column("rows", "right", keep=3),
        Column("compared", "right", keep=4),
        Column("error", "right"),
        Column("ratio", "right"),
        Column("p10", "right", keep=2),
        Column("p90", "right", keep=2),
        Column("in interval", "right", keep=1),
        Column("memory error", "right", keep=1),
        Column("memory ratio", "right", keep=5),
    )
    return Table(columns, tuple(_cells(group) for group in groups))


def _cells(group: ValidateGroup) -> tuple[str, ...]:
    speed, memory = group["throughput"], group["memory"]
    return (
        group["name"],
        str(group["total"]),
        str(speed["rows"]),
        _percent(speed["median_error"]),
        _number(speed["median_ratio"]),
        _number(speed["ratio_p10"]),
        _number(speed["ratio_p90"]),
        _percent(group["coverage"]),
        _percent(memory["median_error"]),
        _number(memory["median_ratio"]),
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
