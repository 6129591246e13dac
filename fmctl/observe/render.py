"""A plan's row as files for Prometheus and Grafana. No network, no clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fmctl.observe.dashboard import dashboard
from fmctl.observe.rules import rules
from fmctl.observe.scrape import HEAD_FILE, NODES_FILE, Targets, prometheus_config, target_groups
from fmctl.observe.watched import Settings, Watched, watched

if TYPE_CHECKING:
    from fmctl.domain.rows.results import EstimateRow

PROMETHEUS, RULES, DASHBOARD = "prometheus.yml", "fmctl.rules.yml", "dashboard.json"


def render(
    row: EstimateRow, cluster: str, settings: Settings | None = None, targets: Targets | None = None
) -> dict[str, str]:
    """The files by name: prometheus.yml, fmctl.rules.yml, dashboard.json, and files of targets where none were given.

    Args:
        row: of a plan document (`result.rows[n]`).
        cluster: the cluster's name.
        settings: run, cap, capacity, pace; see `Settings`.
        targets: where the exporters are; None: nodes.json and head.json say it, and can change at any time.

    Raises:
        UsageError: a name, host or number that cannot be used.
    """
    return rendered(watched(row, cluster, settings), Targets() if targets is None else targets)


def rendered(seen: Watched, where: Targets) -> dict[str, str]:
    """The files of what is watched."""
    found = {
        PROMETHEUS: as_yaml(prometheus_config(seen, where, RULES)),
        RULES: _head(seen) + as_yaml(rules(seen)),
        DASHBOARD: json.dumps(dashboard(seen), indent=2) + "\n",
    }
    if where.in_files:
        head = () if where.head is None else (where.head,)
        found |= {NODES_FILE: _as_json(where.nodes), HEAD_FILE: _as_json(head)}
    return found


def _as_json(hosts: tuple[str, ...]) -> str:
    return json.dumps(target_groups(hosts), indent=2) + "\n"


def _head(seen: Watched) -> str:
    """What the rules leave out, where people will look for it."""
    return "".join(
        f"# {line}\n" for line in ("Made by fmctl; render it again instead of editing.", *seen.expected.unknown)
    )


def as_yaml(found: Mapping[str, object]) -> str:
    """YAML through the library: no anchors, no tags, long lines whole."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    return str(yaml.dump(dict(found), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100_000))
