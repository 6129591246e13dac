"""`calibrate` as document, rows and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Report, Section, Table
from fmctl.report.words import plural

if TYPE_CHECKING:
    from fmctl.domain.rows.calibration import CalibrateDocument, DataFile, FamilyErrors, FitErrors, FittedConstant

_KINDS: Sequence[tuple[Literal["all", "dense", "moe"], str]] = (("all", "all"), ("dense", "dense"), ("moe", "MoE"))
_ERRORS: Sequence[tuple[Literal["shipped", "in_sample", "left_out"], str]] = (
    ("shipped", "shipped constants"),
    ("in_sample", "fitted"),
    ("left_out", "source left out"),
)


def calibrate_answer(
    result: Mapping[str, object], inputs: Mapping[str, object], provenance: Mapping[str, object]
) -> Answer:
    """The fitted constants and the errors that they leave; one row per constant."""
    document: CalibrateDocument = envelope("calibrate", result, inputs=inputs, provenance=provenance)
    rows = [{**one, "frameworks": " ".join(one["frameworks"])} for one in document["result"]["constants"]]
    return Answer(document, rows, lambda: calibrate_report(document))


def calibrate_report(document: CalibrateDocument) -> Report:
    """Constants, errors of tokens/s, families, files."""
    result = document["result"]
    used, yours = result["rows"]["used"], result["rows"]["yours"]
    title = f"{plural(len(result['constants']), 'constant')} fitted to {plural(used, 'run')}, {yours} of them yours"
    sections = (
        Section("Constants", _constants(result["constants"])),
        Section("Error of tokens/s, mean over families of the median", _errors(result["errors"])),
        Section("By family", _families(result["families"])),
        Section("Runs", _data(result["data"])),
    )
    return Report(title, sections)


def _constants(constants: Sequence[FittedConstant]) -> Table:
    columns = (
        Column("constant"),
        Column("value", "right"),
        Column("shipped", "right", keep=1),
        Column("prior", "right", keep=2),
        Column("low", "right", keep=3),
        Column("high", "right", keep=3),
        Column("", keep=1),
        Column("meaning", keep=4),
    )
    return Table(columns, tuple(_constant(one) for one in constants))


def _constant(one: FittedConstant) -> tuple[str, ...]:
    numbers = (f"{one[name]:.4g}" for name in ("value", "shipped", "prior", "low", "high"))
    return (one["name"], *numbers, "at bound" if one["at_bound"] else "", one["meaning"])


def _errors(errors: FitErrors) -> Table:
    columns = (Column("constants"), *(Column(title, "right") for _, title in _KINDS))
    rows = tuple((title, *(_percent(errors[name][kind]) for kind, _ in _KINDS)) for name, title in _ERRORS)
    return Table(columns, rows)


def _families(families: Sequence[FamilyErrors]) -> Table:
    columns = (Column("family"), Column("rows", "right", keep=1), *(Column(title, "right") for _, title in _ERRORS))
    rows = ((one["name"], str(one["rows"]), *(_percent(one[name]) for name, _ in _ERRORS)) for one in families)
    return Table(columns, tuple(rows))


def _data(data: Sequence[DataFile]) -> Table:
    columns = (Column("file"), Column("rows", "right"), Column("fitted", "right"), Column("digest", keep=1))
    rows = ((one["file"], str(one["rows"]), str(one["used"]), one["digest"][:19]) for one in data)
    return Table(columns, tuple(rows))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
