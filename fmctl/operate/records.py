"""The record of a cluster in the state store: `clusters/NAME.json`, `fmctl.cluster/1`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from fmctl import __version__
from fmctl.base.errors import UsageError, shorten
from fmctl.domain.checked import KINDS
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.ports import Identity
from fmctl.operate.actions import reused, spec_digest
from fmctl.operate.costs import CostLine, cost_lines, total_usd_per_h
from fmctl.operate.journal import masked
from fmctl.operate.state import StateStore, save
from fmctl.targets.target import Beside, Rendering

SCHEMA = "fmctl.cluster/1"


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

    @property
    def hourly_usd(self) -> float | None:
        """USD an hour of all lines whose price is known; None where that of the nodes is not."""
        return total_usd_per_h(self.lines) if self.lines else self.usd_per_h

    @property
    def cap_usd(self) -> float | None:
        """What those lines cost until the end."""
        return None if self.hourly_usd is None else self.hourly_usd * self.max_hours


def record_of(
    spec: ClusterSpec, rendering: Rendering, who: Identity, began: datetime, end: datetime, beside: Beside
) -> Record:
    """What is remembered of a launch."""
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
    )


def write_record(store: StateStore, record: Record) -> None:
    """Keep a record, replacing the one before. Raises UnwritableFile, StalePlan."""
    found = {"schema": SCHEMA, "fmctl_version": __version__} | asdict(record)
    found |= {"began": record.began.isoformat(), "end": record.end.isoformat()}
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    save(store, f"clusters/{record.name}.json", text)


def read_record(store: StateStore, name: str) -> Record | None:
    """The record of a cluster, None where this store knows none. Raises UnreadableFile, UsageError."""
    check_name(name)
    stored = store.read(f"clusters/{name}.json")
    if stored is None:
        return None
    from fmctl.documents.cluster import read_cluster

    found = read_cluster(stored.text, f"the record of {name} in {store.where}")
    known = {key: found[key] for key in Record.__dataclass_fields__ if key in found}
    known["lines"] = tuple(CostLine(**one) for one in found.get("lines", ()))
    known |= {key: tuple(found.get(key, ())) for key in ("retained", "reused")}
    return Record(**known)


def check_name(name: str) -> None:
    """Raise UsageError where a target would not take the name (or it would be no name of a file)."""
    kind = KINDS["cluster"]
    if re.fullmatch(kind.pattern, name) is None:
        why = f"a name is {kind.words}"
        raise UsageError(f"'{shorten(name)}' cannot be the name of a cluster", why=why, next="--name llama-70b")


def cluster_names(store: StateStore) -> list[str]:
    """Names of the clusters that the store knows, gone ones too."""
    return [key.removeprefix("clusters/").removesuffix(".json") for key in store.keys("clusters")]


def read_records(store: StateStore) -> list[Record]:
    """All clusters that the store knows, newest first. Raises UnreadableFile."""
    found = [record for name in cluster_names(store) if (record := read_record(store, name)) is not None]
    return sorted(found, key=lambda record: record.began, reverse=True)
