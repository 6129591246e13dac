"""promtool's own checks, and its unit tests generated for every alert: fires on its planted fault, no other does."""

from __future__ import annotations

import json
import math
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmctl.observe.render import PROMETHEUS, RULES, render
from fmctl.observe.scrape import Targets
from fmctl.observe.watched import Settings
from tests.observe.fake_fleet import CAP_USD, EFA, FAULTS, HEALTHY, MORE, NODES, Fault, Sample, series

pytestmark = pytest.mark.real("prometheus")

EVERY_S, LAST = 60, 45
HOSTILE = [
    '"',
    "\\",
    '"} or vector(1) #',
    "$run [[run]] ${run}",
    "{{ $labels.node }}",
    "{{",
    "`x`",
    "ä 火 🔥",
    "a|b.*",
    "%s",
]


def ran(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("targets", [Targets(), Targets(("n1", "n2"), head="h")])
def test_configuration_and_rules_pass_promtools_check(
    promtool: str, tmp_path: Path, row: dict[str, Any], targets: Targets
) -> None:
    folder = written(tmp_path, render(row, "c1", Settings(cap_usd=1.0, efa_devices=32), targets))
    assert "valid prometheus config" in ran(promtool, "check", "config", str(folder / PROMETHEUS))


@pytest.mark.parametrize("unknown", ["cost", "whole_run"])
def test_rules_of_a_plan_that_does_not_know_everything(
    promtool: str, tmp_path: Path, row: dict[str, Any], unknown: str
) -> None:
    row |= {unknown: {"usd_per_h": None} if unknown == "cost" else None}
    ran(promtool, "check", "rules", str(written(tmp_path, render(row, "c1")) / RULES))


@pytest.mark.parametrize("run", HOSTILE)
def test_hostile_names_stay_names(promtool: str, tmp_path: Path, row: dict[str, Any], run: str) -> None:
    """The rules parse, find the run of exactly that name, and no other."""
    files = render(row, "c1", Settings(run=run, scrape_s=EVERY_S))
    stalled = Fault({"fmctl_step": 7})
    tests = [test_of("hostile", ["RunStalled"], stalled, run), test_of("other", [], stalled, run + "x")]
    checked(promtool, tmp_path, files, tests)


def test_every_alert_fires_on_its_fault_alone(promtool: str, tmp_path: Path, row: dict[str, Any]) -> None:
    files = render(row, "c1", Settings(run="r1", cap_usd=CAP_USD, efa_devices=EFA, scrape_s=EVERY_S))
    tests = [test_of("healthy", [], HEALTHY, "r1")]
    tests += [test_of(name, [name], fault, "r1") for name, fault in (*FAULTS.items(), *MORE)]
    checked(promtool, tmp_path, files, tests)


def test_a_missing_efa_device_is_found_without_being_told_how_many(
    promtool: str, tmp_path: Path, row: dict[str, Any]
) -> None:
    files = render(row, "c1", Settings(scrape_s=EVERY_S))
    tests = [test_of("lost", ["EfaDown"], HEALTHY, "r1", gone_after=20)]
    checked(promtool, tmp_path, files, tests)


def test_a_run_that_has_just_begun_is_not_stalled(promtool: str, tmp_path: Path, row: dict[str, Any]) -> None:
    files = render(row, "c1", Settings(scrape_s=EVERY_S))
    begun = test_of("begun", [], FAULTS["RunStalled"], "r1")
    for one in begun["input_series"]:
        if one["series"].startswith("fmctl_step{"):
            one["values"] = " ".join(["_"] * (LAST - 4) + ["1234"] * 5)
    checked(promtool, tmp_path, files, [begun])


def test_the_end_of_a_block_is_announced_in_time(promtool: str, tmp_path: Path, row: dict[str, Any]) -> None:
    """promtool's clock begins in 1970: a block that ends two hours after that, its last save 70 minutes before."""
    block = {"end": "1970-01-01T02:30:00+00:00", "save_by": "1970-01-01T01:20:00+00:00"}
    row["whole_run"]["blocks"] = [block]
    files = render(row, "c1", Settings(scrape_s=EVERY_S))
    checked(promtool, tmp_path, files, [test_of("ending", ["CapacityEnding"], HEALTHY, "r1")])
    row["whole_run"]["blocks"] = [{name: when.replace("T0", "T1") for name, when in block.items()}]
    files = render(row, "c1", Settings(scrape_s=EVERY_S))
    checked(promtool, tmp_path, files, [test_of("not yet", [], HEALTHY, "r1")])


def checked(promtool: str, folder: Path, files: dict[str, str], tests: list[dict[str, Any]]) -> None:
    written(folder, files)
    text = {"rule_files": [RULES], "evaluation_interval": f"{EVERY_S}s", "tests": tests}
    (folder / "tests.yml").write_text(yaml.safe_dump(text, allow_unicode=True))
    ran(promtool, "test", "rules", str(folder / "tests.yml"))


def test_of(name: str, firing: list[str], fault: Fault, run: str, gone_after: int = 0) -> dict[str, Any]:
    """One test of promtool: the fleet for 45 minutes, then which alerts fire."""
    wanted = [{"labels": f'{{alertname="{one}"}}', "value": 1} for one in firing]
    expression = 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0'
    return {
        "name": name,
        "interval": f"{EVERY_S}s",
        "input_series": fleet(fault, run, gone_after),
        "promql_expr_test": [{"expr": expression, "eval_time": f"{LAST}m", "exp_samples": wanted}],
    }


test_of.__test__ = False  # type: ignore[attr-defined]


def fleet(fault: Fault, run: str, gone_after: int) -> list[dict[str, str]]:
    """The fake fleet minute by minute, as scraped: with the labels that the scrape jobs give."""
    found: dict[str, list[str]] = defaultdict(list)
    for minute in range(LAST + 1):
        for key, value in scraped(fault, run, minute * EVERY_S):
            if not (0 < gone_after <= minute and 'device="rdmap0"' in key and "n0" in key and "_tx_" in key):
                found[key].append(f"{value:.10g}" if not math.isnan(value) else "NaN")
    return [{"series": key, "values": " ".join(values)} for key, values in found.items()]


def scraped(fault: Fault, run: str, t: float) -> list[tuple[str, float]]:
    found = []
    for node in range(NODES):
        for exporter in ("node", "dcgm", "efa", "slurm", "job"):
            if node and exporter == "slurm":
                continue
            where = {"cluster": "c1", "node": f"n{node}", "exporter": exporter}
            there = not (fault.silent == exporter and node == 0)
            samples: list[Sample] = series(exporter, node, t, fault, run) if there else []
            found += [(key(name, labels | where), value) for name, labels, value in samples]
            found.append((key("up", where), float(there)))
    return found


def key(name: str, labels: dict[str, str]) -> str:
    """A series as PromQL writes it: JSON's escapes are PromQL's, but for characters beyond ASCII."""
    return name + "{" + ",".join(f"{one}={json.dumps(text, ensure_ascii=False)}" for one, text in labels.items()) + "}"
