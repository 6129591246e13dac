"""Two documents, field by field: what differs, by how much, and relative to the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fmctl.base.untyped import Data
from fmctl.plan.apart import differ, threshold
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Document, Report, Row, Section, Table, by_name
from fmctl.report.words import closeness, say

if TYPE_CHECKING:
    from fmctl.domain.rows.results import DiffDocument, DiffField

# What each objective compares in a document: group and name, of whole runs where both rows are one.
_RANKED_BY: Mapping[Any, tuple[str, str]] = {
    "cost": ("cost", "usd_per_billion_tokens"),
    "time": ("run", "tokens_per_s"),
    "energy": ("energy", "wh_per_million_tokens"),
    "goodput": ("run", ""),
    "throughput": ("run", "tokens_per_s_per_gpu"),
}
_RUNS_BY: Mapping[Any, str] = {
    "cost": "comparable_usd",
    "time": "wall_p50_s",
    "energy": "kwh",
    "goodput": "goodput",
}
_SKIPPED = (
    "chosen",
    "notes",
    "rank",
    "pareto",
    "told_apart",
    "top",
    "options",
    "blocks",
    "ways",
    "run_notes",
    "local_disks",
)
# Lists of a whole run that are compared line by line, and the unit of what is compared.
_LISTED = {"lines": "_usd", "parts": "_s"}


def diff_answer(
    names: tuple[str, str], sides: tuple[Document, Document], *, every: bool = False, ranked: bool = True
) -> Answer:
    """What differs between two rows; `every` keeps the equal fields. ranked: they are predictions that plan orders.

    `sides` hold `inputs`, `result` and `warnings` of each.
    """
    left, right = (dict(_leaves({"inputs": side["inputs"], "result": side["result"]})) for side in sides)
    fields = list(dict.fromkeys([*left, *right]))
    compared = [_compared(name, left.get(name), right.get(name)) for name in fields]
    differing = [row for row in compared if row["a"] != row["b"]]
    warnings = tuple(dict.fromkeys(text for side in sides for text in side.get("warnings", ())))
    body = {"a": names[0], "b": names[1], "different": len(differing), "compared": len(compared)}
    body["told_apart"] = _told_apart(*sides) if ranked else None
    body |= {"fields": compared if every else differing}
    document = envelope("diff", body, inputs={"a": names[0], "b": names[1]}, warnings=warnings)
    rows: list[Row] = document["result"]["fields"]
    close = closeness(sides[0]["result"]) if ranked else ""
    return Answer(document, rows, lambda: diff_report(document, close), warnings)


def diff_report(document: DiffDocument, close: str = "") -> Report:
    """A table of what differs. `close`: how close two predictions must be not to be told apart."""
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
    alike = body["told_apart"] is False and bool(rows)
    said = (
        (Section(lines=(f"≈ the model cannot tell {body['a']} from {body['b']}: {close} of the step time",)),)
        if alike
        else ()
    )
    return Report(title, (Section(table=Table(columns, rows)), *said) if rows else ())


def _told_apart(a: Document, b: Document) -> bool | None:
    """Whether what both were ranked by differs by more than the model resolves; None where it cannot be compared."""
    rows = (a["result"], b["result"])
    asked = {(side["inputs"].get("objective"), side["result"]["model"]) for side in (a, b)}
    objective = a["inputs"].get("objective")
    if objective in _RUNS_BY and all(row.get("whole_run") for row in rows):
        values = [row["whole_run"][_RUNS_BY[objective]] for row in rows]
    else:
        group, name = _RANKED_BY.get(objective, ("run", ""))
        values = [row[group].get(name) for row in rows]
    widths = [row["time"].get("step_high_s") for row in rows]
    resolved = [row.get("resolution") for row in rows]
    if len(asked) > 1 or not all((*values, *widths, *resolved)):
        return None
    halves = [high / row["time"]["step_s"] - 1.0 for high, row in zip(widths, rows, strict=True)]
    first, second = values
    return differ(first, second, threshold(rows[0]["instance"] == rows[1]["instance"], resolved, halves))


def _leaves(tree: Data, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if name in _SKIPPED:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        elif name in _LISTED:
            for one in value:  # lines of one name differ in what is billed
                which = one["name"] if name == "parts" else f"{one['name']} {one['item'].rpartition('/')[2]}"
                key = which.replace(",", "").replace(" ", "_").lower() + _LISTED[name]
                yield f"{path.removeprefix('result.')}{name}.{key}", one[_LISTED[name].strip("_")]
        else:
            yield path.removeprefix("result.") + name, value


def _compared(name: str, a: Any, b: Any) -> DiffField:
    numbers = all(isinstance(side, int | float) and not isinstance(side, bool) for side in (a, b))
    return {
        "field": name,
        "a": a,
        "b": b,
        "absolute": b - a if numbers else None,
        "relative": b / a - 1 if numbers and a else None,
    }


def _side(row: DiffField, side: str) -> str:
    return "-" if by_name(row)[side] is None else say(row["field"], by_name(row)[side])
