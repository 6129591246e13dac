"""What watches a plan's cluster: Prometheus rules, alerts and scrape jobs, and a dashboard, as files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError, UsageError, shorten
from fmctl.base.units import parse_list, parse_usd
from fmctl.domain.planrow import row_number, row_of, rows_of
from fmctl.usecases.options import Watched
from fmctl.usecases.plans import plan_document, shared_store
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.rows.results import EstimateRow
    from fmctl.observe.watched import Settings as Watching
    from fmctl.report.view import Answer


def render(plan_name: str, wanted: Watched, settings: Settings, services: Services) -> tuple[dict[str, str], Answer]:
    """(files, document) of what watches the cluster of a plan. Raises UnknownName, UsageError."""
    number = row_number(wanted.row)
    document, notes = plan_document(plan_name, shared_store(settings, services))
    from fmctl.observe.render import rendered
    from fmctl.observe.scrape import Targets
    from fmctl.observe.watched import watched
    from fmctl.report.observing import observe_answer
    from fmctl.targets.spec import cluster_name
    from fmctl.targets.spec import plan_name as named

    row = row_of(rows_of(document), number)
    plan = named(document, Path(plan_name).stem)
    cluster = cluster_name(plan) if wanted.cluster_name is None else wanted.cluster_name
    hosts = () if wanted.hosts is None else tuple(parse_list(wanted.hosts, what="--hosts"))
    seen = watched(row, cluster, _watching(wanted, row, services))
    files = rendered(seen, Targets(hosts, wanted.head))
    answer = observe_answer(files, seen, plan, number, notes)
    return files, answer


def _watching(wanted: Watched, row: EstimateRow, services: Services) -> Watching:
    from fmctl.observe.watched import Settings as Watching

    return Watching(
        run=wanted.run,
        cap_usd=None if wanted.cap is None else parse_usd(wanted.cap, what="--cap"),
        efa_devices=_efa_devices(str(row["instance"]), services),
        capacity_end=None if wanted.ends is None else _moment(wanted.ends),
    )


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(
            f"--ends '{shorten(text)}' is not a time with its zone", next="--ends 2027-03-01T11:30:00+00:00"
        )
    return found


def _efa_devices(instance: str, services: Services) -> int | None:
    """Of a node, by the catalogue; None for a type it does not have, and for UltraServers, whose nodes are parts."""
    if instance.startswith("u-"):
        return None
    try:
        return int(services.catalogue.load_instance(instance).efa_interfaces)
    except FmctlError:
        return None
