"""The pages of an explanation: which sections of the document each shows, and the picture above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from fmctl.domain.terms import TERM_BY_NAME, Kind
from fmctl.report.words import compact_layout, label, money, say, short_layout
from fmctl.tui.explain.pipeline import drawn
from fmctl.tui.explain.terms import stacked
from fmctl.tui.words import clean, wrapped

if TYPE_CHECKING:
    from fmctl.domain.rows.results import DiffField, EstimateRow, ExplainDocument, TermPart


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its name, the sections of the document on it."""

    name: str
    sections: tuple[str, ...]
    kinds: tuple[Kind, ...] = ()  # of those sections only terms of these kinds; empty: all but the totals


PAGES = (
    Page("step", ("time",)),
    Page("memory", ("memory",)),
    Page("pipeline", ("time", "communication"), ("wait", "send")),
    Page("network", ("communication",)),
    Page("money", ("bill", "money")),
    Page("run", ("run",)),
    Page("energy", ("energy", "flop", "checkpoint")),
    Page("levers", ()),
)
_HEADLINES: Mapping[str, str] = {
    "time.step_s": "step",
    "flop.mfu": "MFU",
    "fits": "memory",
    "memory.margin_bytes": "margin",
    "run.tokens_per_s": "tokens",
    "whole_run.wall_p50_s": "run",
    "whole_run.comparable_usd": "cost",
    "cost.usd_per_billion_tokens": "cost of 10⁹ tokens",
    "layout.dp": "DP",
    "layout.vpp": "VPP",
}
_WITHOUT_RATIO = ("memory.margin_bytes", "layout.dp", "layout.vpp")


def parts_of(document: ExplainDocument, page: Page) -> list[TermPart]:
    """The parts of a page, in the order of its sections. The total that parts add up to is in the line over them."""
    by_name = {section["name"]: section["parts"] for section in document["result"]["sections"]}
    found = [part for name in page.sections for part in by_name.get(name, ())]
    if page.kinds:
        return [part for part in found if _kind(part) in page.kinds]
    return [part for part in found if _kind(part) != "total"]


def _kind(part: TermPart) -> Kind | None:
    spec = TERM_BY_NAME.get(part["name"])
    return None if spec is None else spec.kind


def headline(row: EstimateRow) -> Content:
    """The row in one line of 80: layout, step, MFU, memory, cost."""
    cost, per = money(row)
    times, memory = row["time"], row["memory"]
    texts = [
        short_layout(compact_layout(row["layout"])),
        f"step {say('_s', times['step_s'])}",
        f"MFU {say('mfu', row['flop'].get('mfu'))}",
        f"{row['fits']}, margin {say('_bytes', memory.get('margin_bytes'))}",
        cost if per == "the run" else f"{cost} per {per}",
    ]
    return Content(clean(" · ".join(texts)))


def picture(row: EstimateRow, page: Page, document: ExplainDocument, width: int) -> Content | None:
    """What stands above the parts of a page; None where nothing does."""
    if page.name == "memory":
        return _memory(row, document, width)
    if page.name == "pipeline":
        return _pipeline(row, width)
    total = next(
        (s["total"] for s in document["result"]["sections"] if s["name"] in page.sections and s["total"]), None
    )
    if total is None:
        return None
    low, high = row["time"].get("step_low_s"), row["time"].get("step_high_s")
    span = f"  80 %: {say('_s', low)} to {say('_s', high)}" if page.name == "step" and low else ""
    title = f"{total['title']} {say(total['name'], total['value'])}"
    whole = Content.assemble((title, "bold"), (span, "$foreground 60%"))
    measured = row.get("measured_fraction")
    if page.name != "step" or measured is None:
        return whole
    known = f"{say('share', measured)} of kernel time measured"
    between = "  " if whole.cell_length + 2 + len(known) <= width else "\n"  # a line of its own, not half of one
    return Content.assemble(whole, between, (known, "$foreground 60%"))


def _memory(row: EstimateRow, document: ExplainDocument, width: int) -> Content:
    memory = row["memory"]
    capacity, margin = memory["device_bytes"], memory["margin_bytes"]
    if capacity is None or margin is None:
        return Content("this document holds no parts of the memory")
    parts: list[TermPart] = next((s["parts"] for s in document["result"]["sections"] if s["name"] == "memory"), [])
    line, legend = stacked(parts, capacity, margin, max(width - 2, 10))
    title = f"{say('_bytes', capacity)} of a GPU of the fullest stage: {row['fits']}"
    said = [Content(text) for text in wrapped(" · ".join(map(clean, legend)), max(width, 20))]
    return Content("\n").join([Content.styled(title, "bold"), Content.styled(line, "$secondary"), *said])


def _pipeline(row: EstimateRow, width: int) -> Content:
    layout, work = row["layout"], row["workload"]
    if layout["pp"] == 1:
        return Content("One stage: there is no pipeline and no bubble. w and a larger PP show one.")
    count = work["global_batch"] // (layout["dp"] * layout["micro_batch"])
    shown = drawn(layout["pp"], layout["vpp"], count)
    lines = [f"stage {i:<2} {line[: max(width - 9, 10)]}" for i, line in enumerate(shown.lines)]
    title = (
        f"{layout['schedule']}, {layout['pp']} stages, {layout['vpp']} chunks each; "
        f"{shown.micro_batches} of {count} micro batches"
    )
    legend = "a digit is a forward pass, a letter the backward pass of the same micro batch, a dot waits"
    return Content("\n").join(
        [Content.styled(title, "bold"), *(Content(line) for line in lines), Content.styled(legend, "$foreground 60%")]
    )


def term_text(part: TermPart, row: EstimateRow) -> Content:
    """One term opened: value, share, equation, what goes in, source, and how much of it is measured."""
    share = f", {part['share']:.1%} of the whole" if part["share"] is not None else ""
    lines = [
        Content.styled(clean(part["title"]), "bold $text-primary"),
        Content(f"{say(part['name'], part['value'])}{share}"),
        *_fact("equation", part["equation"]), *_fact("source", part["source"]), *_fact("name", part["name"]),
    ]  # fmt: skip
    spec = TERM_BY_NAME.get(part["name"])
    if spec is not None and spec.group in ("time", "communication", "memory"):
        lines += _fact("inputs", _inputs(row))
    if spec is not None and spec.group == "time":
        measured = row.get("measured_fraction")
        known = f"{say('share', measured)} of the kernel time has a shape inside a measured table"
        lines += _fact("measured", known if measured is not None else "not known")
    return Content("\n").join(lines)


def _fact(name: str, text: str) -> list[Content]:
    return [Content.assemble((f"\n{name}\n", "$foreground 60%"), clean(str(text)))] if text else []


def _inputs(row: EstimateRow) -> str:
    layout, work = row["layout"], row["workload"]
    named = [f"{label(name)} {value}" for name, value in layout.items() if value not in (0, 1, "none", False)]
    return ", ".join(
        [*named, f"sequence {work['seq_len']}", f"global batch {work['global_batch']}", f"{row['gpus']} GPUs"]
    )


def changes(fields: Sequence[DiffField]) -> Content:
    """What a change does, the figures that people ask for first: before, after, and the difference."""
    by_name = {field["field"]: field for field in fields}
    shown = []
    for name, title in _HEADLINES.items():
        field = by_name.get(name)
        if field is not None and field["a"] != field["b"]:
            plain = field["relative"] is None or name in _WITHOUT_RATIO
            relative = "" if plain else f" ({field['relative']:+.1%})"
            shown.append(f"{title} {say(name, field['a'])} → {say(name, field['b'])}{relative}")
    return Content(clean(" · ".join(shown) or "nothing differs"))
