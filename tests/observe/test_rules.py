"""Rules, alerts, scrape jobs and dashboard as values: what is there, what is left out, what a user may name."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fmctl.base.errors import UsageError
from fmctl.observe import names, xids
from fmctl.observe.promql import literal, quoted
from fmctl.observe.render import DASHBOARD, PROMETHEUS, RULES, render
from fmctl.observe.rules import alerts
from fmctl.observe.scrape import HEAD_FILE, NODES_FILE, Targets
from fmctl.observe.watched import Settings, watched
from tests.observe.conftest import BLOCK, ROW
from tests.observe.fake_fleet import FAULTS, MORE

EVERYTHING = Settings(run="r1", cap_usd=1e6, efa_devices=4)


def by_name(row: dict[str, Any], settings: Settings = EVERYTHING) -> dict[str, Any]:
    return {alert.name: alert for alert in alerts(watched(row, "c1", settings))}


def rule_file(row: dict[str, Any], settings: Settings = EVERYTHING) -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(render(row, "c1", settings)[RULES])["groups"]
    return list(group["rules"])


def test_every_alert_has_a_planted_fault_and_every_fault_its_alert(row: dict[str, Any]) -> None:
    assert set(by_name(row)) == set(FAULTS)
    assert {name for name, _ in MORE} <= set(FAULTS)


def test_every_alert_says_how_bad_what_and_what_next(row: dict[str, Any]) -> None:
    for rule in rule_file(row):
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
            assert rule["annotations"]["summary"].startswith("c1: ")
            assert len(rule["annotations"]["next_step"]) > 20, rule["alert"]


def test_alerts_read_recorded_signals_only(row: dict[str, Any]) -> None:
    """Which exporter is installed is settled where signals are recorded, and nowhere else."""
    rules = rule_file(row)
    recorded = {rule["record"] for rule in rules if "record" in rule}
    assert len(recorded) == len(names.SIGNALS) + 1 == sum("record" in rule for rule in rules)
    for rule in rules:
        if "alert" in rule:
            assert set(re.findall(r"fmctl:[a-z_0-9]+(?::[a-z_0-9]+)?", rule["expr"])) <= recorded
            assert not re.search(r"(?<![\w:])(DCGM|node_|slurm_|lustre_)", rule["expr"]), rule["alert"]


def test_what_the_job_exports_is_what_is_read(row: dict[str, Any]) -> None:
    read = set(re.findall(r"\bfmctl_[a-z_]+", render(row, "c1", EVERYTHING)[RULES]))
    assert read == {name for name, _, _ in names.JOB_METRICS}


def test_the_plans_own_figures_are_the_thresholds(row: dict[str, Any]) -> None:
    found = by_name(row)
    assert found["RunSlowerThanPredicted"].expression.endswith("> 32.469")
    assert found["RunFasterThanPredicted"].expression.endswith("< 24.644")
    # 1.5 x 3514.6 + 4.8 + 1097.6
    assert float(found["CheckpointOverdue"].expression.rpartition("> ")[2]) == pytest.approx(6374.3)
    # 880.64 / 128
    assert "* 6.88" in found["GpusIdle"].expression and "USD/h" in found["GpusIdle"].summary
    assert "880.64" in found["SpendOverCap"].expression
    # 20 x 32.469 s is more than ten minutes
    assert "[649s]" in found["RunStalled"].expression


def test_what_the_plan_does_not_know_is_not_filled_in(row: dict[str, Any]) -> None:
    row["cost"]["usd_per_h"] = None
    row["whole_run"] = None
    text = render(row, "c1")[RULES]
    found = by_name(row, Settings())
    assert not {"CheckpointOverdue", "SpendNearCap", "SpendOverCap"} & set(found)
    assert "not known" in found["GpusIdle"].summary and " * " not in found["GpusIdle"].expression
    for words in (
        "price not on file",
        "no whole run in the plan",
        "no cap given",
        "EFA interfaces of a node not given",
    ):
        assert f"# {words}" in text
    assert "max_over_time(fmctl:efa_devices:count" in found["EfaDown"].expression
    spent = next(panel for panel in json.loads(render(row, "c1")[DASHBOARD])["panels"] if panel["title"] == "Spent")
    assert "/ 3600" not in spent["targets"][0]["expr"]


def test_a_cap_without_a_price_counts_only_what_is_exported(row: dict[str, Any]) -> None:
    row["cost"]["usd_per_h"] = None
    assert "time()" not in by_name(row)["SpendOverCap"].expression


def test_nodes_without_efa_are_not_asked_for_it(row: dict[str, Any]) -> None:
    assert "EfaDown" not in by_name(row, Settings(efa_devices=0))


def test_the_end_of_capacity_is_the_plans_last_block_or_what_is_said(row: dict[str, Any]) -> None:
    row["whole_run"]["blocks"] = [BLOCK | {"end": "2026-12-01T11:30:00+00:00"}, BLOCK]
    end_s = datetime(2027, 1, 19, 11, 30, tzinfo=UTC).timestamp()
    found = by_name(row)["CapacityEnding"].expression
    assert f"vector({end_s!r})" in found
    # 70 minutes from the last save to the end, and one interval: 4200 + 3514.6
    assert "< 7714.6)" in found
    said = datetime(2027, 2, 1, tzinfo=UTC)
    found = by_name(row, Settings(capacity_end=said))["CapacityEnding"].expression
    assert f"vector({said.timestamp()!r})" in found
    assert "vector" not in by_name(ROW)["CapacityEnding"].expression


def test_durations_follow_the_pace(row: dict[str, Any]) -> None:
    slow, fast = (rule_file(row, Settings(scrape_s=1, pace=pace)) for pace in (1.0, 0.01))
    waits = [{rule["alert"]: rule["for"] for rule in one if "for" in rule} for one in (slow, fast)]
    assert waits[0]["RunSlowerThanPredicted"] == "900s" and waits[1]["RunSlowerThanPredicted"] == "9s"
    assert waits[0].keys() == waits[1].keys()


def test_every_xid_is_in_one_class() -> None:
    assert len(xids.BY_CODE) == len(xids.XIDS)
    kinds = (xids.FATAL, xids.NVLINK, xids.MEMORY, xids.APPLICATION, xids.FOLLOWS)
    assert sum(len(xids.codes(kind)) for kind in kinds) == len(xids.XIDS)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(13, "application"), (31, "application"), (43, "follows"), (45, "follows"), (48, "fatal"), (63, "memory"),
     (64, "fatal"), (74, "nvlink"), (79, "fatal"), (94, "memory"), (95, "fatal"), (119, "fatal"), (120, "fatal"),
     (149, "nvlink"), (154, "follows")],
)  # fmt: skip
def test_well_known_xids(code: int, kind: str) -> None:
    assert xids.BY_CODE[code].kind == kind


def test_the_catalogs_resets_and_reboots_are_never_taken_for_the_programs_fault() -> None:
    for xid in xids.XIDS:
        if xid.action in ("RESET_GPU", "RESTART_BM"):
            assert xid.kind in (xids.FATAL, xids.NVLINK), xid


def test_scrape_jobs_read_files_or_hosts(row: dict[str, Any]) -> None:
    files = render(row, "c1")
    assert set(files) == {PROMETHEUS, RULES, DASHBOARD, NODES_FILE, HEAD_FILE}
    assert files[NODES_FILE] == "[]\n"
    assert "file_sd_configs" in files[PROMETHEUS] and "static_configs" not in files[PROMETHEUS]
    files = render(row, "c1", targets=Targets(("n1", "10.0.0.2"), head="h"))
    assert set(files) == {PROMETHEUS, RULES, DASHBOARD}
    jobs = {job["job_name"]: job for job in yaml.safe_load(files[PROMETHEUS])["scrape_configs"]}
    assert jobs["c1-dcgm"]["static_configs"] == [{"targets": ["n1", "10.0.0.2"]}]
    assert jobs["c1-slurm"]["static_configs"] == [{"targets": ["h"]}]
    assert jobs["c1-slurm-jobs"]["metrics_path"] == "/metrics/jobs"


@pytest.mark.parametrize("host", ["", "a b", "a:9100", "-a", "a\n", "${1}", "http://a", "a" * 300])
def test_what_is_no_host_is_refused(row: dict[str, Any], host: str) -> None:
    with pytest.raises(UsageError):
        render(row, "c1", targets=Targets((host,)))


@pytest.mark.parametrize("cluster", ['a"b', "a{b", "$(x)", "a\nb", "", "ü", "a" * 61, "{{ $value }}", "../x"])
def test_what_is_no_cluster_is_refused(row: dict[str, Any], cluster: str) -> None:
    with pytest.raises(UsageError):
        render(row, cluster)


@pytest.mark.parametrize("run", ["", "a\nb", "\x00", "\ud800", "x" * 257])
def test_what_is_no_run_is_refused(row: dict[str, Any], run: str) -> None:
    with pytest.raises(UsageError):
        render(row, "c1", Settings(run=run))


@pytest.mark.parametrize(
    "settings",
    [Settings(cap_usd=0), Settings(cap_usd=float("nan")), Settings(scrape_s=-1), Settings(pace=float("inf")),
     Settings(efa_devices=-1), Settings(capacity_end=datetime(2027, 1, 1))],  # noqa: DTZ001
)  # fmt: skip
def test_settings_that_cannot_be_used(row: dict[str, Any], settings: Settings) -> None:
    with pytest.raises(UsageError):
        render(row, "c1", settings)


@pytest.mark.parametrize("path", ["time.step_high_s", "flop.mfu", "cost.usd_per_h", "whole_run.save_interval_s"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0, -1, "x", {}])
def test_a_damaged_row_is_refused(row: dict[str, Any], path: str, value: Any) -> None:
    group, name = path.split(".")
    row[group][name] = value
    with pytest.raises(UsageError, match="cannot be watched"):
        render(row, "c1")


def test_a_row_without_its_parts_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be watched"):
        render({"model": "m"}, "c1")


@given(st.text())
def test_a_quoted_value_ends_where_it_should_and_says_nothing_to_grafana(value: str) -> None:
    found = quoted(value)
    inner = found[1:-1]
    assert found[0] == found[-1] == '"'
    assert not set('"$[]{}\n') & set(inner)
    assert re.sub(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", "", inner).count("\\") == 0


@given(st.text())
def test_templates_print_a_name_as_it_is(value: str) -> None:
    shown = literal(value)
    assert shown.replace('{{"{"}}', "\x00").count("{") == 0
    assert shown.replace('{{"{"}}', "{") == value


def test_the_dashboard_draws_what_was_predicted(row: dict[str, Any]) -> None:
    found = json.loads(render(row, "c1", EVERYTHING)[DASHBOARD])
    drawn = {
        (panel["title"], target["legendFormat"]): target["expr"]
        for panel in found["panels"]
        for target in panel.get("targets", ())
    }
    assert drawn["Step time", "predicted"] == "vector(28.287)"
    assert drawn["Step time", "80 % high"] == "vector(32.469)"
    assert drawn["MFU", "predicted"] == "vector(0.5259)"
    assert drawn["GPU memory", "predicted"] == "vector(74257716806.7)"
    assert drawn["Time since the last checkpoint", "planned interval"] == "vector(3514.6)"
    assert drawn["Spent", "cap"] == "vector(1000000.0)"
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    assert json.loads(render(row, "c1", EVERYTHING)[DASHBOARD])["uid"] == found["uid"]
    assert json.loads(render(row, "c2", EVERYTHING)[DASHBOARD])["uid"] != found["uid"]


def test_panels_do_not_lie_over_each_other(row: dict[str, Any]) -> None:
    panels = json.loads(render(row, "c1")[DASHBOARD])["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels) and all(x + 8 <= 24 for x, _ in places)
