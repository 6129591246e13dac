"""What AWS sells now, as documents, rows and tables: `prices refresh` and `capacity`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING

from fmctl.adapters.aws.pricing import NotAsked, Snapshot
from fmctl.operate.availability import Need, Quota, Region, State, Way, free_instances, raise_quota
from fmctl.report.catalogue import Columns, table
from fmctl.report.envelope import envelope
from fmctl.report.view import Answer, Report, Row, Section, Table, numbers
from fmctl.report.words import plural

if TYPE_CHECKING:
    from fmctl.adapters.aws.capacity import BlockOffering
    from fmctl.domain.ports import Reservation
    from fmctl.domain.rows.capacity import Capacity, CapacityDocument, ScoreRow, ZoneRow
    from fmctl.domain.rows.catalogue import PricesRefreshDocument, Refreshed

_FOUND: Columns = (("what", "what", 0), ("rows", "rows", 0), ("without_price", "without a price", 0))
_MISSING: Columns = (("what", "not answered", 0), ("said", "why, and what next", 0))
_WAYS: Columns = (
    ("region", "region", 1),
    ("way", "way", 0),
    ("state", "to be had", 0),
    ("said", "found, and what next", 0),
)
_BLOCKS: Columns = (
    ("id", "Capacity Block", 0),
    ("zone", "zone", 0),
    ("count", "count", 0),
    ("start", "start, UTC", 0),
    ("end", "end", 3),
    ("usable_until", "usable until", 0),
    ("fee_usd", "fee", 0),
    ("usd_per_h", "each per h", 1),
)
_RESERVATIONS: Columns = (
    ("id", "reservation", 0),
    ("kind", "kind", 0),
    ("zone", "zone", 0),
    ("state", "state", 0),
    ("total", "instances", 0),
    ("free", "free", 0),
    ("start", "start, UTC", 2),
    ("end", "end", 1),
)
_QUOTAS: Columns = (
    ("region", "region", 1),
    ("purchase", "vCPU quota", 0),
    ("limit_vcpu", "limit", 0),
    ("used_vcpu", "used", 0),
    ("needed_vcpu", "needed", 0),
    ("enough", "enough", 0),
    ("code", "code", 2),
)
_TIMES = ("start", "end", "usable_until")
_USD = ("fee_usd", "usd_per_h")


# --- prices refresh ---------------------------------------------------------------------------------------------------


def refresh_answer(
    kept: Snapshot, instances: Sequence[str], regions: Sequence[str], unlisted: Iterable[NotAsked] = ()
) -> Answer:
    """How many rows of what were found, where they lie, and what AWS would not say."""
    missing = [*kept.missing, *unlisted]
    result = {
        "day": kept.day.isoformat(),
        "found": _counted(kept),
        "files": [str(path) for path in kept.files],
        "not_asked": [{"what": one.what, "why": one.why, "next": one.next or None} for one in missing],
    }
    warnings = (f"{plural(len(missing), 'question')} not answered",) if missing else ()
    inputs = {"instances": list(instances), "regions": list(regions)}
    document: PricesRefreshDocument = envelope(
        "prices-refresh", result, inputs=inputs, provenance={"source": "AWS"}, warnings=warnings
    )
    return Answer(document, document["result"]["found"], lambda: _refresh_report(document["result"]), warnings)


def _counted(kept: Snapshot) -> list[dict[str, object]]:
    known: dict[str, list[bool]] = {}
    for price in kept.prices:
        known.setdefault(price.option, []).append(price.usd_per_h is not None)
    for item in kept.storage:
        known.setdefault("storage", []).append(item.usd is not None)
    return [{"what": what, "rows": len(some), "without_price": some.count(False)} for what, some in known.items()]


def _refresh_report(result: Refreshed) -> Report:
    rows = sum(one["rows"] for one in result["found"])
    sections = [Section(table=table(result["found"], _FOUND)), Section("Kept in", lines=tuple(result["files"]))]
    if result["not_asked"]:
        sections.append(Section(table=table([_with_said(one, "why") for one in result["not_asked"]], _MISSING)))
    return Report(f"{plural(rows, 'price')} of {result['day']}", tuple(sections))


def _with_said(row: Row, words: str) -> dict[str, object]:
    """The row with its words and the next step in one cell, which may fold on a screen."""
    return {**row, "said": f"{row[words]}; {row['next']}" if row["next"] else row[words]}


# --- capacity ---------------------------------------------------------------------------------------------------------


def capacity_answer(need: Need, found: Sequence[Region], ways: Sequence[Way], state: State, now: datetime) -> Answer:
    """Every section of every region; what could not be asked stands beside it, with why."""
    not_asked = _not_asked(found)
    result = {
        "instance": need.instance,
        "count": need.count,
        "days": need.days,
        "available": state,
        "ways": [asdict(way) | {"next": way.next or None} for way in ways],
        "blocks": [_block(region.name, one) for region in found for one in region.blocks.found],
        "reservations": [_reservation(region.name, one) for region in found for one in region.reservations.found],
        "quotas": [_quota(region.name, answer.found[0]) for region in found for answer in region.quotas],
        "spot_scores": [asdict(one) for region in found for one in region.spot.found],
        "zones": [{"region": region.name, "zone_id": zone} for region in found for zone in region.zones.found],
        "not_asked": not_asked,
    }
    inputs = {
        "instance": need.instance,
        "count": need.count,
        "days": need.days,
        "start": _iso(need.start),
        "regions": [region.name for region in found],
    }
    provenance = {"source": "AWS", "asked_at": now.isoformat()}
    missing = len(not_asked)
    warnings = (f"{plural(missing, 'question')} not answered",) if missing else ()
    document: CapacityDocument = envelope("capacity", result, inputs=inputs, provenance=provenance, warnings=warnings)
    return Answer(document, _rows(document["result"]), lambda: _capacity_report(document), warnings)


def _iso(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _block(region: str, one: BlockOffering) -> Mapping[str, object]:
    times = {name: _iso(getattr(one, name)) for name in _TIMES}
    return {"region": region, **asdict(one), **times, "usd_per_h": one.usd_per_h}


def _reservation(region: str, one: Reservation) -> Mapping[str, object]:
    times = {"start": _iso(one.start), "end": _iso(one.end)}
    return {"region": region, **asdict(one), **times, "free": free_instances(one)}


def _quota(region: str, one: Quota) -> dict[str, object]:
    short = one.enough is False and one.code is not None
    return {"region": region} | asdict(one) | {"enough": one.enough, "next": raise_quota(one) if short else None}


def _not_asked(found: Sequence[Region]) -> list[dict[str, object]]:
    return [
        {"region": region.name, "section": name, "why": answer.why, "next": answer.next or None}
        for region in found
        for name, answer in region.sections()
        if answer.why
    ]


def _rows(result: Capacity) -> list[Row]:
    """Blocks, reservations and quotas as flat rows, each saying what it is."""
    sections: tuple[tuple[str, Sequence[Row]], ...] = (
        ("block", result["blocks"]),
        ("reservation", result["reservations"]),
        ("quota", result["quotas"]),
        ("way", result["ways"]),
    )
    return [{"row": kind, **row} for kind, rows in sections for row in rows]


def _capacity_report(document: CapacityDocument) -> Report:
    result, regions = document["result"], document["inputs"]["regions"]
    assert isinstance(regions, list), "a list of names"
    title = f"{result['count']} x {result['instance']} for {plural(result['days'], 'day')}"
    title += f" in {', '.join(regions)}, asked {_shown(str(document['provenance']['asked_at']))} UTC"
    sections = [Section(table=table([_with_said(way, "found") for way in result["ways"]], _WAYS))]
    listed: tuple[tuple[Sequence[Row], Columns], ...] = (
        (result["blocks"], _BLOCKS),
        (result["reservations"], _RESERVATIONS),
        (result["quotas"], _QUOTAS),
    )
    for rows, columns in listed:
        if rows:
            sections.append(Section(table=_table([_as_read(row) for row in rows], columns)))
    zones = _listed((one["region"], _zone(one)) for one in result["zones"])
    scores = _listed((one["region"], f"{_zone(one)} {one['score']}") for one in result["spot_scores"])
    sections += [Section("Zones that offer it", lines=zones)] if zones else []
    sections += [Section("Spot placement scores, 1 to 10; of a single type AWS scores low", lines=scores)] * bool(
        scores
    )
    missing = [{"what": f"{one['section'].replace('_', ' ')}, {one['region']}", **one} for one in result["not_asked"]]
    if missing:
        sections.append(Section(table=table([_with_said(one, "why") for one in missing], _MISSING)))
    return Report(title, (*sections, Section(lines=("nothing was bought or reserved",))))


def _zone(one: ZoneRow | ScoreRow) -> str:
    return one["zone_id"] or "the region"


def _listed(found: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """One line per region."""
    by_region: dict[str, list[str]] = {}
    for region, said in found:
        by_region.setdefault(region, []).append(said)
    return tuple(f"{region}: {', '.join(said)}" for region, said in by_region.items())


def _table(rows: Sequence[Row], columns: Columns) -> Table:
    """A table whose sums are exact, and whose dates lose the year on a narrow screen."""
    made = table(rows, columns)
    fields = [name for name, _, _ in columns]
    heads = [
        replace(head, short=_without_year) if name in _TIMES else replace(head, align="right") if name in _USD else head
        for name, head in zip(fields, made.columns, strict=True)
    ]
    return replace(made, columns=tuple(heads))


def _without_year(text: str) -> str:
    return re.sub(r"^\d{4}-", "", text)


def _as_read(row: Row) -> dict[str, object]:
    """Times without seconds, and fees to the cent: somebody is going to pay them."""
    shown = {name: _shown(None if row[name] is None else str(row[name])) for name in _TIMES if name in row}
    sums = {name: _exact(numbers(row)[name], str(row["currency"])) for name in _USD if name in row}
    return {**row, **shown, **sums}


def _exact(usd: float | None, currency: str) -> str:
    return f"unknown: {currency}" if usd is None else f"${usd:,.2f}"


def _shown(iso: str | None) -> str:
    """A time of the document as people read it, in UTC."""
    return "-" if iso is None else iso[:16].replace("T", " ")
