"""A ClusterSpec from a plan document, a site, and what was asked for: used by render and by launch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from fmctl.domain.checked import KINDS, checked
from fmctl.domain.cluster import Capacity, ClusterSpec, Site
from fmctl.domain.digest import plan_digest
from fmctl.domain.planrow import row_of, rows_of
from fmctl.domain.program import positive
from fmctl.domain.purchase import BLOCK, ODCR, ON_DEMAND, PURCHASES, SPOT

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.domain.rows.results import EstimateRow, Saved

IDLE_MINUTES = 30
UNKNOWN_RUN_HOURS = 24.0
_START_HOURS = 1.0
_SPARE = 1.2
_UNSAVED = "unsaved"


@dataclass(frozen=True, slots=True)
class Asked:
    """What render and launch take beside plan and site; None is chosen from the plan."""

    row: int = 1
    cluster: str | None = None
    purchase: str | None = None
    reservation: str | None = None
    max_hours: float | None = None  # None is the plan's slowest run and a fifth, with an hour to start
    idle_minutes: int = IDLE_MINUTES
    static: bool = False
    efa: bool = True
    created_by: str = ""  # who asks
    recipe: str = ""  # the program that trains, where a framework has several (empty: its first)


def spec(document: PlanOrEstimate, site: Site, asked: Asked, plan: str = "") -> ClusterSpec:
    """What is to be rendered.

    Args:
        document: `fmctl.plan/1` or `fmctl.estimate/1`.
        site: where it goes.
        asked: what was asked for.
        plan: the plan's name, where the document was never saved under one.

    Raises:
        UsageError: no such row, or a name that cannot be used.
        UnreadableFile: the document has no rows.
    """
    rows = rows_of(document)
    row = row_of(rows, asked.row)
    name = plan_name(document, plan)
    cost = row["cost"]
    return ClusterSpec(
        name=cluster_name(name) if asked.cluster is None else checked("cluster", asked.cluster, "--cluster-name"),
        plan=name,
        plan_digest=plan_digest({**document, "result": {"rows": rows}}),
        row=row,
        site=site,
        capacity=bought(asked, str(cost.get("price_option", ""))),
        max_hours=default_hours(row) if asked.max_hours is None else asked.max_hours,
        idle_minutes=asked.idle_minutes,
        usd_per_h=cost.get("usd_per_h"),
        price_date=str(cost.get("price_date", "")),
        created_by=asked.created_by,
        efa=asked.efa,
        recipe=asked.recipe,
    )


def plan_name(document: PlanOrEstimate, given: str = "") -> str:
    """The name it was saved under, else the one given, else `unsaved`."""
    saved: Saved | None = document.get("saved") if document["schema"] == "fmctl.plan/1" else None
    if saved is not None:
        return checked("plan", saved.get("name"), "the plan's name")
    return given if re.fullmatch(KINDS["plan"].pattern, given) else _UNSAVED


def cluster_name(plan: str) -> str:
    """A name for the plan's cluster that every target takes: letters, digits and dashes, a letter first."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", plan).strip("-")[:50].rstrip("-")
    return name if name[:1].isalpha() and len(name) > 1 else f"fm-{name}"


def bought(asked: Asked, price_option: str) -> Capacity:
    """How the GPUs are bought: as asked, else as the plan was priced; on demand with a reservation is an ODCR."""
    purchase = asked.purchase
    if purchase is None:
        purchase = price_option if price_option in (BLOCK.name, SPOT.name) else ON_DEMAND.name
        if asked.reservation is not None and not PURCHASES[purchase].reserved:
            purchase = ODCR.name
    return Capacity(purchase, asked.reservation, asked.static)


def default_hours(row: EstimateRow) -> float:
    """Hours until the end: P90 of the plan's run and a fifth, or a day where no tokens were stated."""
    whole = row.get("whole_run")
    slow_s = (
        positive(whole.get("wall_p90_s") if whole else None)
        or positive(row["run"].get("run_high_s"))
        or positive(row["run"].get("run_s"))
    )
    return UNKNOWN_RUN_HOURS if not slow_s else float(ceil(slow_s / 3600 * _SPARE + _START_HOURS))
