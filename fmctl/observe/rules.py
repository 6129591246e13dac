"""Recording and alert rules of one cluster, as plain values for YAML."""

from __future__ import annotations

from fmctl.observe import names
from fmctl.observe.alerts import Alert, hardware_alerts
from fmctl.observe.promql import selector, span
from fmctl.observe.run_alerts import run_alerts
from fmctl.observe.watched import Watched

RATE_S = 120.0
"""assumed: long enough for eight scrapes of 15 s, short enough to see a step of half a minute come and go."""


def alerts(seen: Watched) -> tuple[Alert, ...]:
    """All alerts of a cluster and its run, in the order of the file."""
    return hardware_alerts(seen) + run_alerts(seen)


def rules(seen: Watched) -> dict[str, object]:
    """A rule file: one group, so that an alert sees what was recorded in the same moment."""
    found = recording_rules(seen) + [alert_rule(alert, seen) for alert in alerts(seen)]
    return {"groups": [{"name": f"fmctl-{seen.cluster}", "interval": span(seen.settings.scrape_s), "rules": found}]}


def recording_rules(seen: Watched) -> list[dict[str, object]]:
    """Every signal under its one name, and XIDs as labels."""
    window_s = seen.window(RATE_S)
    sel, run_sel = selector(seen.labels), selector(seen.run_labels)
    found = [(one.record, one.expression(sel, window_s)) for one in names.HARDWARE_SIGNALS]
    found += [(one.record, one.expression(run_sel, window_s)) for one in names.RUN_SIGNALS]
    found += [(names.XID_SEEN, names.xid_expression(sel))]
    return [{"record": record, "expr": expression} for record, expression in found]


def alert_rule(alert: Alert, seen: Watched) -> dict[str, object]:
    """One alert as Prometheus wants it. The cluster is a label even where the expression keeps none."""
    rule: dict[str, object] = {"alert": alert.name, "expr": alert.expression}
    if alert.wait_s > 0:
        rule["for"] = span(alert.wait_s)
    rule["labels"] = {"severity": alert.severity, "component": alert.component, "cluster": seen.cluster}
    rule["annotations"] = {"summary": f"{seen.cluster}: {alert.summary}", "next_step": alert.next}
    return rule
