"""The local AWS and the environments of ParallelCluster as documents, rows and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fmctl.domain.purchase import BLOCK, ODCR
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Column, Report, Section, Table, by_name, facts

if TYPE_CHECKING:
    from fmctl.domain.lab import LabState
    from fmctl.domain.rows.lab import LabDocument, PclusterDocument, PclusterEnvironment

_FIELDS = ("endpoint", "pid", "port", "speed", "site", "log", "environment", "seed")
_HONEST = (
    "Emulated: no capacity, quota, price, permission or boot is real; CREATE_COMPLETE here says that the real "
    "validators, templates and fmctl agree.",
)


def lab_answer(found: LabState | None, *, ended: bool = False) -> Answer:
    """The lab that runs, the one that was just ended, or none."""
    shown = dict.fromkeys(_FIELDS) if found is None or ended else {name: by_name(found)[name] for name in _FIELDS}
    document: LabDocument = envelope("lab", {"running": found is not None and not ended, **shown})
    rows = [{name: value for name, value in document["result"].items() if name != "seed"}]
    return Answer(document, rows, lambda: _lab_report(found, ended))


def pcluster_answer(found: Sequence[PclusterEnvironment], default_version: str) -> Answer:
    """The environments that have ParallelCluster."""
    document: PclusterDocument = envelope("pcluster", {"default_version": default_version, "environments": list(found)})
    rows: list[PclusterEnvironment] = document["result"]["environments"]
    columns = (Column("version"), Column("from"), Column("node.js"), Column(""), Column("where", keep=1))
    cells = tuple((one["version"] or "none", one["origin"], one["node_version"] or "none", _works(one), one["path"])
                  for one in rows)  # fmt: skip
    lines = () if rows else (f"None. fmctl pcluster install brings {default_version}.",)
    section = Section(table=Table(columns, cells) if rows else None, lines=lines)
    return Answer(document, rows, lambda: Report("ParallelCluster", (section,)))


def _lab_report(found: LabState | None, ended: bool) -> Report:
    if found is None:
        return Report("No lab runs", (Section(lines=("fmctl lab start",)),))
    if ended:
        return Report(f"The lab at {found['endpoint']} is gone", ())
    exports = tuple(f"export {name}={value}" for name, value in found["environment"].items())
    about = facts(
        ("endpoint", found["endpoint"]), ("process", str(found["pid"])), ("speed", f"{found['speed']:g} x"),
        ("site file", found["site"]), ("log", found["log"]),
    )  # fmt: skip
    seed = found["seed"]
    held = [(kind, ODCR.name, one) for kind, one in seed["reservations"].items()]
    held += [(kind, BLOCK.name, one) for kind, one in seed["blocks"].items()]
    columns = (Column("instance"), Column("purchase"), Column("nodes", "right"), Column("zone"), Column("reservation"))
    cells = tuple((kind, how, str(one["count"]), one["zone"], one["id"]) for kind, how, one in held)
    sections = (
        Section(table=about),
        Section("To talk to it", lines=exports),
        Section("Reserved in it", Table(columns, cells)),
        Section(lines=_HONEST),
    )
    return Report("A local AWS", sections)


def _works(one: PclusterEnvironment) -> str:
    return "ok" if one["works"] and one["version"] else "needs node.js 18" if one["version"] else "no ParallelCluster"
