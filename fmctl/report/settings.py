"""Settings, schemas and the command line itself as answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Report, Section, Table, by_name

if TYPE_CHECKING:
    from fmctl.domain.rows.meta import (
        ConfigDocument,
        PassedRow,
        SchemaRow,
        SchemasDocument,
        SettingRow,
        Spec,
        SpecDocument,
    )


def config_answer(
    settings: Sequence[SettingRow], files: Mapping[str, str | None], passed: Sequence[PassedRow]
) -> Answer:
    """Settings with value, origin and meaning; what was passed over, is a warning of its own."""
    found = {"settings": list(settings), "files": dict(files), "not_taken": list(passed)}
    document: ConfigDocument = envelope("config", found)
    rows: list[SettingRow] = document["result"]["settings"]
    columns = (Column("setting"), Column("value"), Column("from"), Column("what it is for", keep=1))
    cells = tuple((row["name"], _said(row["value"]), row["origin"], row["doc"]) for row in rows)
    return Answer(document, rows, lambda: Report("Settings", (Section(table=Table(columns, cells)),)))


def files_answer(files: Mapping[str, str | None]) -> Answer:
    """Where settings and plans are kept."""
    document: ConfigDocument = envelope("config", {"settings": [], "files": dict(files), "not_taken": []})
    rows = [{"file": name, "path": path} for name, path in files.items()]
    cells = tuple((name, path or "none") for name, path in files.items())
    table = Table((Column(""), Column("")), cells, header=False)
    return Answer(document, rows, lambda: Report("Files", (Section(table=table),)))


def schemas_answer(names: Mapping[str, str]) -> Answer:
    """The names of the document schemas."""
    rows: list[SchemaRow] = [
        {"name": name, "schema": f"fmctl.{name}/1", "about": about} for name, about in names.items()
    ]
    document: SchemasDocument = envelope("schemas", {"schemas": rows})
    cells = tuple((row["name"], row["schema"], row["about"]) for row in rows)
    table = Table((Column("name"), Column("schema"), Column("about", keep=1)), cells)
    return Answer(document, rows, lambda: Report("Schemas", (Section(table=table),)))


def spec_answer(spec: Spec) -> Answer:
    """The command line: every command with its options."""
    document: SpecDocument = envelope("spec", spec)
    rows = [
        {"command": command["name"], "kind": "option" if option["flags"] else "argument", **by_name(option)}
        for command in spec["commands"]
        for option in command["parameters"]
    ]
    cells = tuple((command["name"], command["help"].split("\n", 1)[0]) for command in spec["commands"])
    table = Table((Column("command"), Column("does")), cells)
    return Answer(document, rows, lambda: Report("fmctl", (Section(table=table),)))


def _said(value: object) -> str:
    if value is None or value == []:
        return "-"
    return (
        ",".join(str(v) for v in value)
        if isinstance(value, list)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
