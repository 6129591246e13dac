"""Models and prices as documents, rows and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from fmctl.domain.hardware import Price, StoragePrice
from fmctl.domain.model import LayerKind, ModelArch
from fmctl.report.envelope import envelope
from fmctl.report.view import Align, Answer, Column, Report, Row, Section, Table, facts
from fmctl.report.words import label, plural, say

if TYPE_CHECKING:
    from fmctl.domain.rows.catalogue import ModelDocument, ModelResult, ModelRow, ModelsDocument, PricesDocument


Columns = tuple[tuple[str, str, int], ...]
_MODELS: Columns = (
    ("name", "model", 0),
    ("total_params", "parameters", 0),
    ("active_params", "active", 0),
    ("n_layers", "layers", 0),
    ("hidden", "hidden", 0),
    ("n_experts", "experts", 0),
    ("max_seq", "sequence", 0),
    ("family", "family", 1),
    ("vocab", "vocabulary", 2),
)
PRICES: Columns = (
    ("instance", "instance", 0),
    ("region", "region", 0),
    ("option", "option", 0),
    ("usd_per_h", "price", 0),
    ("date", "date", 0),
    ("note", "note", 2),
    ("source", "source", 1),
)
_STORAGE: Columns = (
    ("item", "item", 0),
    ("region", "region", 0),
    ("unit", "per", 0),
    ("usd", "price", 0),
    ("date", "date", 0),
    ("source", "source", 1),
)


def models_answer(models: Sequence[ModelArch]) -> Answer:
    """`models list`."""
    rows = [_model_row(arch) for arch in models]
    document: ModelsDocument = envelope("models", {"models": rows})
    return Answer(document, rows, lambda: listed(plural(len(rows), "model"), rows, _MODELS))


def model_answer(arch: ModelArch) -> Answer:
    """`models show`: the architecture down to its layer kinds."""
    row = _model_row(arch)
    kinds = [{"count": count, **_kind(kind)} for kind, count in zip(arch.kinds, arch.kind_counts(), strict=True)]
    body = {**row, "kinds": kinds, "pattern": list(arch.pattern), **_model_rest(arch)}
    document: ModelDocument = envelope("model", body)
    return Answer(document, [{**row, **_model_rest(arch)}], lambda: _model_report(document["result"]))


def prices_answer(prices: Sequence[Price], storage: Sequence[StoragePrice] = ()) -> Answer:
    """`prices list` and `prices show`: dated, with source, unknown where unknown."""
    rows, kept = [asdict(price) for price in prices], [asdict(price) for price in storage]
    unknown = sum(row["usd_per_h"] is None for row in rows)
    warnings = (f"{plural(unknown, 'price')} not known",) if unknown else ()
    document: PricesDocument = envelope("prices", {"prices": rows, "storage": kept}, warnings=warnings)

    def report() -> Report:
        sections = [Section(table=table(rows, PRICES))] if rows else []
        sections += [Section("Storage, transfer, fees", table(kept, _STORAGE))] if kept else []
        return Report(plural(len(rows) + len(kept), "price"), tuple(sections))

    return Answer(document, [*rows, *kept], report, warnings)


def listed(title: str, rows: Sequence[Row], columns: Columns) -> Report:
    """A report that is one table."""
    return Report(title, (Section(table=table(rows, columns)),))


def table(rows: Sequence[Row], columns: Columns) -> Table:
    """A table of these fields: (name, title, how soon it is dropped on a narrow screen)."""
    heads = tuple(Column(title, _align(rows, name), keep) for name, title, keep in columns)
    return Table(heads, tuple(tuple(_cell(name, row[name]) for name, _, _ in columns) for row in rows))


def _align(rows: Sequence[Row], name: str) -> Align:
    return "right" if any(isinstance(row[name], int | float) for row in rows) else "left"


def _cell(name: str, value: object) -> str:
    unknown_count = name in ("total_params", "active_params", "n_experts") and not value
    return "-" if unknown_count else say(name, value)


def _model_row(arch: ModelArch) -> ModelRow:
    return {
        "name": arch.name,
        "family": arch.family,
        "total_params": arch.official_total or None,
        "active_params": arch.official_active or None,
        "n_layers": arch.n_layers,
        "hidden": arch.hidden,
        "vocab": arch.vocab,
        "max_seq": arch.max_seq,
        "n_experts": arch.n_experts,
        "mtp_layers": arch.mtp_layers,
        "hf_id": arch.hf_id,
        "source": arch.source,
        "retrieved": arch.retrieved,
    }


def _model_rest(arch: ModelArch) -> dict[str, object]:
    return {
        "tied_embeddings": arch.tied_embeddings,
        "learned_positions": arch.learned_positions,
        "norm": arch.norm,
        "norms_per_block": arch.norms_per_block,
        "qk_norm": arch.qk_norm,
        "bias": arch.bias,
        "notes": arch.notes,
    }


def _kind(kind: LayerKind) -> dict[str, object]:
    return {
        "name": kind.name,
        "mixer": None if kind.mixer is None else _set(asdict(kind.mixer)),
        "feed_forward": None if kind.feed_forward is None else _set(asdict(kind.feed_forward)),
    }


def _set(values: dict[str, object]) -> dict[str, object]:
    """Only what is set: most mixers use a third of the fields."""
    return {name: value for name, value in values.items() if value or name == "gated"}


def _model_report(body: ModelResult) -> Report:
    hidden = ("kinds", "pattern")
    about = facts(*((label(name), _cell(name, v)) for name, v in body.items() if name not in hidden and v))
    sections = [Section(table=about)]
    for kind in body["kinds"]:
        parts = facts(("mixer", _said(kind["mixer"])), ("feed-forward", _said(kind["feed_forward"])))
        sections.append(Section(f"{kind['count']} x {kind['name']}", parts))
    return Report(body["name"], tuple(sections))


def _said(part: Mapping[str, object] | None) -> str:
    if part is None:
        return "none"
    return ", ".join(
        str(value)
        if name == "type"
        else name.replace("_", " ")
        if value is True
        else f"{name.replace('_', ' ')} {value}"
        for name, value in part.items()
        if value is not False
    )
