"""Answers as text in the formats that people, programs and documents read; `fmctl.base.outputs` names them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from fmctl.base.errors import UnknownName, UsageError, shorten
from fmctl.base.outputs import OUTPUTS
from fmctl.base.printing import csv_cell, json_text, printable, printable_lines
from fmctl.report.envelope import plain
from fmctl.report.view import Answer, Report, Row, Section, Table

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

# What Markdown would take for its own.
_MARKS = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_LINK = re.compile(r"(?<=[a-zA-Z])(?=://)|(?<=\b[wW]{3})(?=\.)|(?<=\w)(?=@)")  # GitHub makes links of these by itself
_BLOCK = re.compile(r"^(?:[-+=>#]|\d+(?=[.)]))")  # lists, headings, quotations


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Format:
    """One format: how it writes an answer, and how any plain value, such as some fields of the rows."""

    answer: Callable[[Answer], str]
    value: Callable[[object], str]
    whole: bool = False  # it prints the document as it is, warnings and all; other formats leave warnings to stderr


def found(name: str) -> Format:
    """The format of that name, imported now."""
    module, _, title = OUTPUTS[name].partition(":")
    one: Format = getattr(import_module(module), title)
    return one


def as_json(value: object) -> str:
    """Two spaces deep, keys in the order they were made, characters as they are where they can be seen."""
    return json_text(value, indent=2) + "\n"


def as_yaml(value: object) -> str:
    """The same document as YAML; where a text holds what cannot be seen, all that is not ASCII is escaped."""
    import yaml

    text = str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120))
    if text == printable_lines(text):
        return text
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=False, width=120))


def as_jsonl(rows: Iterable[Row]) -> str:
    """One compact object per row."""
    return "".join(json_text(plain(row)) + "\n" for row in rows)


def as_csv(rows: Sequence[Row]) -> str:
    """Rows under the names of their fields, numbers bare, unknown empty; no text is a formula."""
    import csv
    from io import StringIO

    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if names:
        writer.writerow(map(csv_cell, names))
    for row in rows:
        writer.writerow(["" if row.get(name) is None else csv_cell(_cell(row[name])) for name in names])
    return stream.getvalue()


def as_markdown(report: Report) -> str:
    """Headings and pipe tables; no text of others is a link, an image, HTML or more than one line."""
    parts = [f"# {_words(report.title)}"] if report.title else []
    for section in report.sections:
        parts += [f"## {_words(section.title)}"] if section.title else []
        parts += ["\n\n".join(map(_line, section.lines))] if section.lines else []
        parts += [_fenced(section.code)] if section.code else []
        parts += [_pipes(section.table)] if section.table is not None and section.table.rows else []
        parts += _sketched(section)
    return "\n\n".join(parts) + "\n"


def _sketched(section: Section) -> list[str]:
    """Curves as a line of eighths each, which any reader of Markdown shows."""
    if not section.plots:
        return []
    from fmctl.report.text import sparkline

    return [_fenced("\n".join(lines), "text") for plot in section.plots if (lines := sparkline(plot))]


def _fenced(text: str, kind: str = "") -> str:
    """Lines as they are, within a fence longer than any in them."""
    shown = printable_lines(text).rstrip("\n")
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", shown))])
    return f"{fence}{kind}\n{shown}\n{fence}"


def _words(text: str) -> str:
    """A text within a line that Markdown shows as it is written."""
    shown = _MARKS.sub(r"\\\g<0>", printable(text).strip())
    return _LINK.sub(r"\\", _ENTITY.sub("&amp;", shown).replace("<", "&lt;"))


def _line(text: str) -> str:
    """The same for a line of its own, which begins no list, heading or quotation."""
    return _BLOCK.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", _words(text))


def as_table(report: Report) -> str:
    """Aligned columns for a pipe."""
    from fmctl.report.text import plain_text

    return plain_text(report)


def _html(report: Report, warnings: Sequence[str] = ()) -> str:
    from fmctl.report.html import as_html

    return as_html(report, warnings)


def picked(answer: Answer, names: Sequence[str], form: str) -> str:
    """Only some fields of the rows: in JSON and YAML a bare list of objects, for that is no longer the document."""
    known = list(dict.fromkeys(name for row in answer.rows for name in row))
    wanted = [_known(name, known) for name in names] if known else list(names)
    rows = [{name: row.get(name) for name in wanted} for row in answer.rows]
    return found(form).value(rows)


def queried(document: Mapping[str, object], expression: str, form: str) -> str:
    """What a JMESPath expression finds in the document; one text or number alone is printed bare in a table."""
    return found(form).value(plain(_answered(expression, lambda compiled: compiled.search(document))))


def check_query(expression: str) -> None:
    """Refuse what is no JMESPath before anything is done. Raises UsageError."""
    _answered(expression, lambda compiled: None)


def _answered(expression: str, ask: Callable[[ParsedResult], object]) -> object:
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return ask(jmespath.compile(expression))
    except JMESPathError as error:
        why = " ".join(str(error).split("\n", 1)[0].split())
        raise UsageError(
            f"--query '{shorten(expression)}' is not JMESPath", why=shorten(why, 160), next="--query 'result'"
        ) from None
    except (RecursionError, ValueError, TypeError, OverflowError, ArithmeticError) as error:
        raise UsageError(f"--query '{shorten(expression)}' cannot be answered", why=type(error).__name__) from None


def _tabled(write: Callable[[Report], str]) -> Callable[[object], str]:
    """Any plain value as a table: one text or number bare, and what is no table as JSON."""

    def value(found: object) -> str:
        if not isinstance(found, list | dict):
            return ("" if found is None else printable_lines(str(found))) + "\n"
        rows = _rows(found)
        if not _tabular(rows):
            return as_json(found)
        from fmctl.report.text import table_of

        names = list(dict.fromkeys(name for row in rows for name in row))
        return write(Report("", (Section(table=table_of(rows, names)),) if rows else ()))

    return value


def _rows(value: object) -> list[Row]:
    items = value if isinstance(value, list) else [] if value is None else [value]
    return [item if isinstance(item, dict) else {"value": item} for item in items]


def _tabular(rows: Sequence[Row]) -> bool:
    return all(not isinstance(cell, dict | list) for row in rows for cell in row.values())


def _known(name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise UnknownName("field", name, known, next=f"--fields {','.join(known[:3])}")
    return name


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json_text(plain(value)) if isinstance(value, dict | list | tuple) else value


def _pipes(table: Table) -> str:
    titles = [_words(column.title) for column in table.columns] if table.header else ["" for _ in table.columns]
    rules = ["---:" if column.align == "right" else "---" for column in table.columns]
    lines = [titles, rules, *(map(_words, row) for row in table.rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


TABLE = Format(lambda answer: as_table(answer.report()), _tabled(as_table))
JSON = Format(lambda answer: as_json(answer.document), as_json, whole=True)
JSONL = Format(lambda answer: as_jsonl(answer.rows), lambda value: as_jsonl(_rows(value)))
CSV = Format(lambda answer: as_csv(answer.rows), lambda value: as_csv(_rows(value)))
MARKDOWN = Format(lambda answer: as_markdown(answer.report()), _tabled(as_markdown))
HTML = Format(lambda answer: _html(answer.report(), answer.warnings), _tabled(_html))
YAML = Format(lambda answer: as_yaml(answer.document), as_yaml, whole=True)
