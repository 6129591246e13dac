"""The record of a cluster in the state store: `clusters/NAME.json`, `fmctl.cluster/1`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from fmctl import __version__
from fmctl.base.errors import FmctlError, UnreadableFile, UsageError, shorten
from fmctl.base.parse import NotParsed, from_json
from fmctl.domain.checked import KINDS
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.ports import Identity
from fmctl.operate.actions import ours, reused, spec_digest
from fmctl.operate.costs import CostLine, cost_lines, total_usd_per_h
from fmctl.operate.journal import masked
from fmctl.operate.state import StateStore, save
from fmctl.targets.target import Beside, Rendering, State

SCHEMA = "fmctl.cluster/1"
FOLDER, _SUFFIX = "clusters", ".json"


@dataclass(frozen=True, slots=True)
class Record:
    """A cluster that fmctl launched."""

    name: str
    region: str
    account: str  # masked
    plan: str
    plan_digest: str
    spec_digest: str
    config_digest: str
    tags: Mapping[str, str]
    instance: str
    nodes: int
    usd_per_h: float | None
    max_hours: float  # with all extensions
    created_by: str
    began: datetime
    end: datetime  # when AWS deletes it
    state: str = "launching"  # launching, running, failed, deleting or gone, as last known here
    boundary: str | None = None
    retained: tuple[str, ...] = field(default=())  # resources left by a deletion
    purchase: str = ""  # how its nodes are bought
    price_date: str = ""  # of usd_per_h
    spent_usd: float | None = None  # what they cost at most from creation to teardown; None before, or without a price
    lines: tuple[CostLine, ...] = field(default=())  # all that costs, by the hour
    reused: tuple[str, ...] = field(default=())  # kind and id of what the cluster uses and did not make
    launch: str = ""  # by which what it made is told from what another launch of the name made; "" of an older fmctl
    stack: str = ""  # id of its stack, the account masked; "" before there is one
    created: datetime | None = None  # when that stack began

    def is_of(self, state: State) -> bool:
        """Whether a cluster that is there is the one this record tells of."""
        return ours(state, self.tags) and self.stack in ("", masked(state.id))

    def over(self, now: datetime) -> bool:
        """Whether the end has come since anybody looked, as far as the record tells."""
        return self.state in ("launching", "running", "failed") and self.end <= now

    def spent(self, until: datetime) -> float | None:
        """USD at most from its creation to a time; None without a price."""
        hours = (until - (self.created or self.began)).total_seconds() / 3600.0
        return None if self.hourly_usd is None else self.hourly_usd * max(hours, 0.0)

    @property
    def hourly_usd(self) -> float | None:
        """USD an hour of all lines whose price is known; None where that of the nodes is not."""
        return total_usd_per_h(self.lines) if self.lines else self.usd_per_h

    @property
    def cap_usd(self) -> float | None:
        """What those lines cost until the end."""
        return None if self.hourly_usd is None else self.hourly_usd * self.max_hours


def record_of(
    spec: ClusterSpec, rendering: Rendering, who: Identity, began: datetime, end: datetime, beside: Beside, launch: str
) -> Record:
    """What is remembered of a launch; spec: with the price of that moment."""
    boundary = spec.site.permissions_boundary
    return Record(
        name=spec.name,
        region=who.region,
        account=masked(who.account),
        plan=spec.plan,
        plan_digest=spec.plan_digest,
        spec_digest=spec_digest(spec),
        config_digest=rendering.digest,
        tags=dict(rendering.tags),
        instance=spec.instance,
        nodes=spec.nodes,
        usd_per_h=spec.usd_per_h,
        max_hours=spec.max_hours,
        created_by=spec.created_by,
        began=began,
        end=end,
        boundary=None if boundary is None else masked(boundary),
        purchase=spec.capacity.purchase,
        price_date=spec.price_date,
        lines=cost_lines(spec, began.date(), beside),
        reused=reused(spec, beside),
        launch=launch,
    )


def write_record(store: StateStore, record: Record) -> None:
    """Keep a record, replacing the one before. Raises UnwritableFile, StalePlan."""
    found = {"schema": SCHEMA, "fmctl_version": __version__} | asdict(record)
    found |= {"began": record.began.isoformat(), "end": record.end.isoformat()}
    found |= {"created": None if record.created is None else record.created.isoformat()}
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    save(store, f"{FOLDER}/{record.name}{_SUFFIX}", text)


def read_record(store: StateStore, name: str) -> Record | None:
    """The record of a cluster, None where this store knows none. Raises UnreadableFile, UsageError."""
    check_name(name)
    stored = store.read(f"{FOLDER}/{name}{_SUFFIX}")
    return None if stored is None else _record(stored.text, name, store)


def _record(text: str, name: str, store: StateStore) -> Record:
    from fmctl.documents.cluster import read_cluster

    found = read_cluster(text, f"the record of {name} in {store.where}")
    if found["name"] != name:
        raise UnreadableFile(
            f"the record of {name} in {store.where} is damaged",
            why=f"it is that of {shorten(str(found['name']))}",
            next="put it aside, then `fmctl status` and `fmctl teardown` go by what AWS says",
        )
    known = {key: found[key] for key in Record.__dataclass_fields__ if key in found}
    known["lines"] = tuple(CostLine(**one) for one in found.get("lines", ()))
    known |= {key: tuple(found.get(key, ())) for key in ("retained", "reused")}
    return Record(**known)


def region_of(store: StateStore, name: str) -> str | None:
    """The region that a record names, where it is one of a cluster that is not gone; None where it tells none.

    Read without the record's whole schema: AWS is asked while that is loaded.
    """
    check_name(name)
    stored = store.read(f"{FOLDER}/{name}{_SUFFIX}")
    try:
        found = from_json(stored.text) if stored is not None else None
    except NotParsed:
        return None
    if not isinstance(found, Mapping) or found.get("state") == "gone":
        return None
    region = found.get("region")
    return region if isinstance(region, str) and re.fullmatch(KINDS["region"].pattern, region) else None


def check_name(name: str) -> None:
    """Raise UsageError where a target would not take the name (or it would be no name of a file)."""
    kind = KINDS["cluster"]
    if re.fullmatch(kind.pattern, name) is None:
        why = f"a name is {kind.words}"
        raise UsageError(f"'{shorten(name)}' cannot be the name of a cluster", why=why, next="--name llama-70b")


def cluster_names(store: StateStore) -> list[str]:
    """Names of the clusters that the store knows, gone ones too; what has no such name is no record."""
    return listed(store)[0]


def listed(store: StateStore) -> tuple[list[str], list[str]]:
    """(names of the clusters that the store knows, keys beside them that are no records), by one listing."""
    names, strays = [], []
    for key in store.keys(FOLDER):
        name = key.removeprefix(f"{FOLDER}/").removesuffix(_SUFFIX)
        if key.endswith(_SUFFIX) and re.fullmatch(KINDS["cluster"].pattern, name):
            names.append(name)
        elif key != f"{FOLDER}/":  # the object that stands for a folder in the S3 console is nothing to tell of
            strays.append(key)
    return names, strays


@dataclass(frozen=True, slots=True)
class Known:
    """What a store knows of clusters, and what of it cannot be read."""

    records: tuple[Record, ...]  # newest first
    unread: Mapping[str, FmctlError] = field(default_factory=dict)  # why, by name
    strays: tuple[str, ...] = ()  # keys that are no records

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was passed over, one line each."""
        said = [
            f"the record of {name} was passed over: {error.why or error.what}" for name, error in self.unread.items()
        ]
        return (*said, *(f"{key} was passed over: it is no record of a cluster" for key in self.strays))


def known_clusters(store: StateStore) -> Known:
    """All clusters that the store knows; one that cannot be read is named and stops nobody."""
    names, strays = listed(store)
    records: list[Record] = []
    unread: dict[str, FmctlError] = {}
    for name, found in zip(names, store.read_all(f"{FOLDER}/{name}{_SUFFIX}" for name in names), strict=True):
        try:
            if isinstance(found, FmctlError):
                raise found
            if found is not None:
                records.append(_record(found.text, name, store))
        except FmctlError as error:
            unread[name] = error
    return Known(tuple(sorted(records, key=lambda record: record.began, reverse=True)), unread, tuple(strays))
