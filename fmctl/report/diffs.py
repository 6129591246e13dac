"""Two documents, field by field: what differs, by how much, and relative to the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict, TypeGuard, cast

from fmctl.plan.apart import differ, threshold
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Report, Section, Table, numbers, terms_of
from fmctl.report.words import closeness, say

if TYPE_CHECKING:
    from fmctl.domain.rows.results import DiffDocument, DiffField, EstimateRow

# What each objective compares in a document: group and name, of whole runs where both rows are one.
_RANKED_BY: Mapping[object, tuple[str, str]] = {
    "cost": ("cost", "usd_per_billion_tokens"),
    "time": ("run", "tokens_per_s"),
    "energy": ("energy", "wh_per_million_tokens"),
    "goodput": ("run", ""),
    "throughput": ("run", "tokens_per_s_per_gpu"),
}
_RUNS_BY: Mapping[object, str] = {
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


class Side(TypedDict):
    """One of the two documents, or what is made of a run."""

    inputs: Mapping[str, object]
    result: Mapping[str, object]
    warnings: Sequence[str]


def diff_answer(
    names: tuple[str, str], sides: tuple[Side, Side], *, every: bool = False, ranked: bool = True
) -> Answer:
    """What differs between two rows; `every` keeps the equal fields. ranked: they are predictions that plan orders.

    `sides` hold `inputs`, `result` and `warnings` of each.
    """
    left, right = (dict(_leaves({"inputs": side["inputs"], "result": side["result"]})) for side in sides)
    fields = list(dict.fromkeys([*left, *right]))
    compared = [_compared(name, left.get(name), right.get(name)) for name in fields]
    differing = [row for row in compared if row["a"] != row["b"]]
    warnings = tuple(dict.fromkeys(text for side in sides for text in side["warnings"]))
    body = {"a": names[0], "b": names[1], "different": len(differing), "compared": len(compared)}
    body["told_apart"] = _told_apart(*sides) if ranked else None
    body |= {"fields": compared if every else differing}
    document: DiffDocument = envelope("diff", body, inputs={"a": names[0], "b": names[1]}, warnings=warnings)
    rows = document["result"]["fields"]
    close = closeness(cast("EstimateRow", sides[0]["result"])) if ranked else ""
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


def _told_apart(a: Side, b: Side) -> bool | None:
    """Whether what both were ranked by differs by more than the model resolves; None where it cannot be compared."""
    rows = (cast("EstimateRow", a["result"]), cast("EstimateRow", b["result"]))  # of predictions they are that
    asked = {(side["inputs"].get("objective"), side["result"]["model"]) for side in (a, b)}
    objective = a["inputs"].get("objective")
    runs = [row.get("whole_run") for row in rows]
    if objective in _RUNS_BY and all(runs):
        values = [numbers(run)[_RUNS_BY[objective]] for run in runs if run]
    else:
        group, name = _RANKED_BY.get(objective, ("run", ""))
        values = [terms_of(row, group).get(name) for row in rows]
    widths = [high for row in rows if (high := row["time"].get("step_high_s"))]
    resolved = [least for row in rows if (least := row.get("resolution"))]
    compared = [value for value in values if value]
    if len(asked) > 1 or not len(compared) == len(widths) == len(resolved) == len(rows):
        return None
    halves = [high / row["time"]["step_s"] - 1.0 for high, row in zip(widths, rows, strict=True)]
    first, second = compared
    return differ(first, second, threshold(rows[0]["instance"] == rows[1]["instance"], resolved, halves))


def _leaves(tree: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    for name, value in tree.items():
        if name in _SKIPPED:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        elif name in _LISTED and isinstance(value, list | tuple):
            for one in value:  # lines of one name differ in what is billed
                which = one["name"] if name == "parts" else f"{one['name']} {one['item'].rpartition('/')[2]}"
                key = which.replace(",", "").replace(" ", "_").lower() + _LISTED[name]
                yield f"{path.removeprefix('result.')}{name}.{key}", one[_LISTED[name].strip("_")]
        else:
            yield path.removeprefix("result.") + name, value


def _compared(name: str, a: object, b: object) -> DiffField:
    absolute = relative = None
    if _number(a) and _number(b):
        absolute, relative = b - a, b / a - 1 if a else None
    return {"field": name, "a": a, "b": b, "absolute": absolute, "relative": relative}


def _number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _side(row: DiffField, side: Literal["a", "b"]) -> str:
    return "-" if row[side] is None else say(row["field"], row[side])
