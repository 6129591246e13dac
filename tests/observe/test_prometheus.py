"""A real Prometheus scrapes a fake fleet: a cluster per fault, all at once; each alert fires on its fault alone.

What Prometheus is asked goes through fmctl's own adapter. Durations of rules are shortened by `pace`.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmctl.adapters.prometheus.client import Answer, Prometheus
from fmctl.base.errors import UsageError
from fmctl.observe.measured import Window, measure
from fmctl.observe.render import DASHBOARD, PROMETHEUS, RULES, as_yaml, render
from fmctl.observe.scrape import EXPORTERS, JOB_HEAD, SLURM_JOBS, Targets
from fmctl.observe.watched import Settings
from tests.observe.conftest import ROW
from tests.observe.fake_fleet import CAP_USD, EFA, FAULTS, HEALTHY, MORE, NODES, Fault, address, serve
from tests.observe.server import running

pytestmark = pytest.mark.real("prometheus")

PACE = 1 / 80
LONGEST_S = 55.0
QUIET_S = 4.0
TWICE = (SLURM_JOBS, JOB_HEAD)  # the same exporters again, on other pages and nodes
HOSTILE_RUN = "r\"1\\ {{ $x }} $y [[z]] '`"
# (expected alerts, fault, run) of each cluster; the two healthy ones are first.
CLUSTERS: list[tuple[set[str], Fault, str]] = [
    (set(), HEALTHY, "r1"),
    (set(), HEALTHY, HOSTILE_RUN),
    ({"RunStalled"}, FAULTS["RunStalled"], HOSTILE_RUN),
    *(({name}, fault, "r1") for name, fault in (*FAULTS.items(), *MORE)),
]


@dataclass(frozen=True)
class Seen:
    """A Prometheus that has watched for a while: which alerts fired at any time, by cluster, with their annotations."""

    server: Prometheus
    fired: dict[str, set[str]]
    annotations: dict[str, dict[str, str]]
    files: list[dict[str, str]]
    began: float


def configured(folder: Path, ports: dict[str, int]) -> list[dict[str, str]]:
    """Every cluster rendered as users render it; their jobs in one configuration."""
    exporters = tuple(replace(one, port=ports[one.name], path="/metrics") for one in EXPORTERS if one not in TWICE)
    jobs: list[dict[str, Any]] = []
    rendered = []
    for number, (_, _, run) in enumerate(CLUSTERS):
        settings = Settings(run=run, cap_usd=CAP_USD, efa_devices=EFA, scrape_s=1, pace=PACE)
        hosts = tuple(address(number, node) for node in range(NODES))
        files = render(ROW, f"c{number}", settings, Targets(hosts, head=hosts[0], exporters=exporters))
        (folder / f"c{number}.{RULES}").write_text(files[RULES])
        config = yaml.safe_load(files[PROMETHEUS])
        jobs += config["scrape_configs"]
        rendered.append(files)
    whole = config | {"rule_files": [f"*.{RULES}"], "scrape_configs": jobs}
    (folder / PROMETHEUS).write_text(as_yaml(whole))
    return rendered


@pytest.fixture(scope="module")
def seen(prometheus: str, open_loopback: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("prometheus")
    clusters = [(fault, run) for _, fault, run in CLUSTERS]
    names = tuple({one.name: None for one in EXPORTERS})
    with serve(clusters, names) as ports:
        rendered = configured(folder, ports)
        began = time.time()
        with running(prometheus, folder) as (server, _):
            fired, annotations = watch(server)
            yield Seen(server, fired, annotations, rendered, began)


def watch(server: Prometheus) -> tuple[dict[str, set[str]], dict[str, dict[str, str]]]:
    """Until every fault was seen and a moment longer, in which nothing else may come."""
    fired: dict[str, set[str]] = defaultdict(set)
    annotations: dict[str, dict[str, str]] = {}
    ends = time.monotonic() + LONGEST_S
    quiet_from = None
    while time.monotonic() < ends:
        for alert in server.alerts():
            if alert.state == "firing":
                fired[alert.labels["cluster"]].add(alert.name)
                annotations[alert.name] = dict(alert.annotations)
        if quiet_from is None and all(wanted <= fired[f"c{n}"] for n, (wanted, _, _) in enumerate(CLUSTERS)):
            quiet_from = time.monotonic()
        if quiet_from is not None and time.monotonic() > quiet_from + QUIET_S:
            break
        time.sleep(0.5)
    return fired, annotations


@pytest.mark.parametrize("number", range(len(CLUSTERS)))
def test_each_alert_fires_on_its_fault_and_on_no_other(seen: Seen, number: int) -> None:
    assert seen.fired[f"c{number}"] == CLUSTERS[number][0]


def test_annotations_are_whole_sentences_with_figures(seen: Seen) -> None:
    assert set(seen.annotations) == set(FAULTS)
    for name, found in seen.annotations.items():
        for text in found.values():
            assert "error" not in text.split()[:2] and "<" not in text and "{{" not in text.replace(HOSTILE_RUN, ""), (
                name
            )
            assert "no value" not in text, name
    said = {name: found["summary"] for name, found in seen.annotations.items()}
    assert "27.52 USD/h, 6.88 USD/h each" in said["GpusIdle"]  # 4 GPUs at 880.64 / 128
    assert "XID 79" in said["GpuXidFatal"] or "XID 48" in said["GpuXidFatal"]
    assert "40 s a step; predicted 28.29 s" in said["RunSlowerThanPredicted"]
    assert "1100000 USD spent of 1000000 USD" in said["SpendOverCap"]
    assert "state=drain" in seen.annotations["GpuXidFatal"]["next_step"]


def test_a_hostile_run_is_recorded_under_its_own_name(seen: Seen) -> None:
    found = seen.server.instant('fmctl:run_step{cluster="c1"}').series
    assert [one.labels["run"] for one in found] == [HOSTILE_RUN]


def test_signals_are_in_their_units(seen: Seen) -> None:
    def value(query: str) -> float:
        (one,) = seen.server.instant(query).series
        return one.values[0]

    assert value('max(fmctl:gpu_sm_clock:hertz{cluster="c0"})') == 1755e6
    assert value('max(fmctl:gpu_memory_used:bytes{cluster="c0"})') == 70_000 * 2**20
    assert 0.8 < value('min(fmctl:gpu_busy:ratio{cluster="c0"})') < 1
    assert value('count(fmctl:gpu_busy:ratio{cluster="c0"})') == 4
    assert value('sum(fmctl:efa_devices:count{cluster="c0"})') == 8
    assert value('avg(fmctl:efa_sent:bytes_per_s{cluster="c0"})') == pytest.approx(4e10, rel=0.2)
    assert value('fmctl:lustre_size:bytes{cluster="c0"}') == 7e12
    assert value('fmctl:run_tokens:per_s{cluster="c0"}') == pytest.approx(148_000, rel=0.2)


def test_every_query_of_the_dashboard_has_an_answer(seen: Seen) -> None:
    panels = json.loads(seen.files[0][DASHBOARD])["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    empty = [query for query in queries if not seen.server.instant(query).series]
    # No XID alerts in a healthy fleet, but one was a cleanup; everything else has a value.
    assert not empty
    assert len(queries) > 40


def test_the_hostile_cluster_has_a_dashboard_too(seen: Seen) -> None:
    panels = json.loads(seen.files[1][DASHBOARD])["panels"]
    (loss,) = next(panel for panel in panels if panel["title"] == "Loss")["targets"]
    assert len(seen.server.instant(loss["expr"]).series) == 1


def test_a_range_is_a_series_of_times(seen: Seen) -> None:
    end = time.time()
    (one,) = seen.server.range('fmctl_step{cluster="c0"}', seen.began + 5, end, 1.0).series
    assert len(one.times) == len(one.values) > 5
    assert all(later - earlier == pytest.approx(1.0) for earlier, later in zip(one.times, one.times[1:], strict=False))
    assert list(one.values) == sorted(one.values)


def test_scalars_and_nothing(seen: Seen) -> None:
    assert seen.server.instant("1 + 1").series[0].values == (2.0,)
    assert seen.server.instant("nothing_of_that_name").series == ()
    (nan,) = seen.server.instant("0 / vector(0)").series
    assert math.isnan(nan.values[0])


def test_a_run_is_measured_by_what_rules_recorded_as_by_what_exporters_say(seen: Seen) -> None:
    """Every other test of measured runs is without rules; here they are installed, and change nothing."""

    class WithoutRules:
        def instant(self, query: str, at: float | None = None) -> Answer:
            return seen.server.instant(re.sub(r"\bfmctl:[a-z_]+:[a-z_]+", "absent", query), at)

    window = Window(seen.began + 6, time.time())
    hot = f"c{next(n for n, (_, fault, _) in enumerate(CLUSTERS) if fault is FAULTS['GpuThermalThrottling'])}"
    for cluster in ("c0", hot):
        found, bare = (measure(one, cluster, window, 4, 700.0) for one in (seen.server, WithoutRules()))
        assert found.warnings == bare.warnings == ()
        assert (
            found.values == pytest.approx(bare.values, rel=0.05, abs=0.03) and found.where.keys() == bare.where.keys()
        )
        assert found.gpu_power_w == bare.gpu_power_w == 2600.0
    assert found.values["thermal_share"] > 0.9 and found.where["thermal_share"].endswith("GPU 0")


def test_a_query_that_is_none_says_why(seen: Seen) -> None:
    with pytest.raises(UsageError) as caught:
        seen.server.instant("sum(")
    assert "parse error" in str(caught.value.why)
