"""A report as one HTML page that needs nothing else: no script, no font, no address of anybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from fmctl import __version__
from fmctl.base.printing import printable
from fmctl.report.svg import as_svg
from fmctl.report.text import clean_report
from fmctl.report.view import Report, Section, Table

_STYLE = """
:root { --ink: #1a1f24; --dim: #5d6772; --page: #fcfcfb; --rule: #dfe3e6; --curve: #0b66c3; --band: #0b66c322;
  --mark: #b4430c; --good: #1a7f37; --warn: #9a6700; --bad: #b42318; color-scheme: light dark }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --dim: #98a2ad; --page: #14181c; --rule: #2d343b;
  --curve: #58a6ff; --band: #58a6ff2b; --mark: #f0883e; --good: #57ab5a; --warn: #d4a72c; --bad: #f47067 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.5rem; color: var(--ink); background: var(--page);
  font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1.2rem; overflow-wrap: anywhere }
h2 { font-size: 1.05rem; margin: 2.2rem 0 .6rem; padding-bottom: .3rem; border-bottom: 1px solid var(--rule) }
.scroll, pre { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 600; color: var(--dim) }
th, td { padding: .25rem 1.4rem .25rem 0; vertical-align: top; overflow-wrap: anywhere }
tbody tr + tr td { border-top: 1px solid var(--rule) }
.right { text-align: right; white-space: nowrap }
.facts td:first-child { color: var(--dim); white-space: nowrap }
.good { color: var(--good) } .warn { color: var(--warn) } .bad { color: var(--bad) }
.warning { border-left: 3px solid var(--warn); padding-left: .8rem }
figure { margin: 1rem 0 }
svg { width: 100%; height: auto; display: block }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif } svg .title { font-size: 14px; font-weight: 600 }
svg .tick { fill: var(--dim) }
.grid { stroke: var(--rule) } .band { fill: var(--band) } .expected { stroke: var(--curve); stroke-dasharray: 5 4 }
.curve { fill: none; stroke: var(--curve); stroke-width: 1.8; stroke-linejoin: round } .dot { fill: var(--curve) }
.mark { stroke: var(--mark); stroke-dasharray: 2 3 }
footer { margin-top: 3rem; color: var(--dim); font-size: .85rem }
@media print { body { padding: 0; max-width: none } h2, figure { break-inside: avoid; break-after: avoid } }
"""
_CLASSES = {
    "inside": "good", "ok": "good", "COMPLETED": "good", "above": "warn", "below": "warn", "tight": "warn",
    "OOM": "bad", "FAILED": "bad",
}  # fmt: skip
# Nothing is fetched, run or sent, whatever stands in a name.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def as_html(report: Report, warnings: Sequence[str] = ()) -> str:
    """The page."""
    return "".join(_page(report, warnings))


def _page(report: Report, warnings: Sequence[str]) -> Iterator[str]:
    report = clean_report(report)
    title = escape(report.title or "fmctl")
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    yield from (f'<p class="warning">{escape(printable(warning))}</p>\n' for warning in warnings)
    for section in report.sections:
        yield from _section(section)
    yield f"<footer>Made by fmctl {escape(__version__)}. Times are UTC.</footer>\n</body>\n</html>\n"


def _section(section: Section) -> Iterator[str]:
    yield "<section>\n"
    if section.title:
        yield f"<h2>{escape(section.title)}</h2>\n"
    yield from (f"<p>{escape(line)}</p>\n" for line in section.lines)
    if section.code:
        yield f"<pre>{escape(section.code)}</pre>\n"
    if section.table is not None and section.table.rows:
        yield from _table(section.table)
    for plot in section.plots:
        yield f"<figure>{as_svg(plot)}</figure>\n"
    yield "</section>\n"


def _table(table: Table) -> Iterator[str]:
    sides = [' class="right"' if column.align == "right" else "" for column in table.columns]
    yield f'<div class="scroll"><table{"" if table.header else " class=facts"}>\n'
    if table.header:
        cells = (f"<th{side}>{escape(c.title)}</th>" for side, c in zip(sides, table.columns, strict=True))
        yield f"<thead><tr>{''.join(cells)}</tr></thead>\n"
    yield "<tbody>\n"
    for row in table.rows:
        yield f"<tr>{''.join(_cell(cell, side) for cell, side in zip(row, sides, strict=True))}</tr>\n"
    yield "</tbody>\n</table></div>\n"


def _cell(text: str, side: str) -> str:
    known = _CLASSES.get(text)
    return f'<td class="{known}">{escape(text)}</td>' if known and not side else f"<td{side}>{escape(text)}</td>"
