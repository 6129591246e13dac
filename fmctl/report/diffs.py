"""Two documents, field by field: what differs, by how much, and relative to the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Document, Report, Row, Section, Table
from fmctl.report.words import say

_SKIPPED = ("chosen", "notes", "rank", "pareto", "top", "options")


def diff_answer(names: tuple[str, str], sides: tuple[Document, Document], *, every: bool = False) -> Answer:
    """What differs between two rows; `every` keeps the equal fields.

    `sides` hold `inputs`, `result` and `warnings` of each.
    """
    left, right = (dict(_leaves({"inputs": side["inputs"], "result": side["result"]})) for side in sides)
    fields = list(dict.fromkeys([*left, *right]))
    compared = [_compared(name, left.get(name), right.get(name)) for name in fields]
    differing = [row for row in compared if row["a"] != row["b"]]
    warnings = tuple(dict.fromkeys(text for side in sides for text in side.get("warnings", ())))
    body = {"a": names[0], "b": names[1], "different": len(differing), "compared": len(compared)}
    body |= {"fields": compared if every else differing}
    document = envelope("diff", body, inputs={"a": names[0], "b": names[1]}, warnings=warnings)
    rows: list[Row] = document["result"]["fields"]
    return Answer(document, rows, lambda: diff_report(document), warnings)


def diff_report(document: Mapping[str, Any]) -> Report:
    """A table of what differs."""
    body = document["result"]
    title = f"{body['a']} against {body['b']}: {body['different']} of {body['compared']} fields differ"
    columns = (
        Column("field", short=lambda text: text.rpartition(".")[2]),
        Column(body["a"], "right"),
        Column(body["b"], "right"),
        Column("difference", "right", keep=1),
        Column("relative", "right"),
    )
    rows = tuple(
        (
            row["field"],
            _side(row, "a"),
            _side(row, "b"),
            "" if row["absolute"] is None else say(row["field"], row["absolute"]),
            "" if row["relative"] is None else f"{row['relative']:+.1%}",
        )
        for row in body["fields"]
    )
    return Report(title, (Section(table=Table(columns, rows)),) if rows else ())


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if name in _SKIPPED:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield path.removeprefix("result.") + name, value


def _compared(name: str, a: Any, b: Any) -> Document:
    numbers = all(isinstance(side, int | float) and not isinstance(side, bool) for side in (a, b))
    return {
        "field": name,
        "a": a,
        "b": b,
        "absolute": b - a if numbers else None,
        "relative": b / a - 1 if numbers and a else None,
    }


def _side(row: Mapping[str, Any], side: str) -> str:
    return "-" if row[side] is None else say(row["field"], row[side])
