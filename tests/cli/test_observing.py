"""`observe render`: what goes where, and what is refused; the rules themselves are tested in tests/observe."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmctl.usecases.services import Services

FILES = ["dashboard.json", "fmctl.rules.yml", "head.json", "nodes.json", "prometheus.yml"]


@pytest.fixture
def saved(cli: Any) -> Any:
    """A saved plan `a` of two rows."""
    cli.ok("plan", "llama-3.1-70b", "--instances", "p5.48xlarge", "--nodes", "8,16", "--tokens", "1T", "--save", "a")
    return cli


def rules(document: Any) -> dict[str, Any]:
    return {one["name"]: one for one in document["result"]["alerts"]}


def test_a_folder_gets_the_files_and_stdout_nothing(saved: Any, tmp_path: Path) -> None:
    ran = saved("observe", "render", "a", "-O", "new/watch", "--cap", "2M")
    assert (ran.code, ran.out) == (0, "")
    assert sorted(path.name for path in (tmp_path / "new/watch").iterdir()) == FILES
    assert "wrote prometheus.yml, fmctl.rules.yml, dashboard.json, nodes.json, head.json to new/watch" in ran.err
    (group,) = yaml.safe_load((tmp_path / "new/watch/fmctl.rules.yml").read_text())["groups"]
    assert group["name"] == "fmctl-fm-a"
    assert json.loads((tmp_path / "new/watch/dashboard.json").read_text())["title"] == "fmctl fm-a"


def test_without_a_folder_everything_is_on_stdout(saved: Any) -> None:
    ran = saved.ok("observe", "render", "a", "--hosts", "n1,n2", "--head", "h")
    names = [line for line in ran.out.splitlines() if line.startswith("# ==> ")]
    assert names == [f"# ==> {name} <==" for name in ("prometheus.yml", "fmctl.rules.yml", "dashboard.json")]


def test_thresholds_are_the_plans(saved: Any) -> None:
    row = saved.ok("plan", "llama-3.1-70b", "--instances", "p5.48xlarge", "--nodes", "8,16", "--tokens", "1T", "--json")
    (second,) = row.json()["result"]["rows"][1:2]
    found = rules(saved.ok("observe", "render", "a", "--row", "2", "--json").json())
    assert found["RunSlowerThanPredicted"]["expression"].endswith(f"> {second['time']['step_high_s']!r}")
    assert "EfaDown" in found and "< 32.0" in found["EfaDown"]["expression"]
    assert "SpendOverCap" not in found


def test_an_end_that_was_said(saved: Any) -> None:
    document = saved.ok("observe", "render", "a", "--ends", "2027-03-01T11:30:00+00:00", "--json").json()
    assert "vector(1803900600.0)" in rules(document)["CapacityEnding"]["expression"]


def test_what_is_unknown_is_a_warning(saved: Any) -> None:
    """The made-up planner tells no whole run."""
    document = saved.ok("observe", "render", "a", "--json").json()
    assert "CheckpointOverdue" not in rules(document)
    assert [warning.partition(" (")[0].partition(":")[0] for warning in document["warnings"]] == [
        "no whole run in the plan",
        "no cap given",
    ]


def test_a_real_plan_in_a_capacity_block(cli: Any) -> None:
    """With the real catalogue, planner and prices: the checkpoint interval and the last block's end are the plan's."""
    cli.services = Services()
    words = ("plan", "llama-3.1-70b", "--instances", "p5en.48xlarge", "--nodes", "32", "--tokens", "500B",
             "--purchase", "capacity-block", "--start", "2099-03-01")  # fmt: skip
    cli.ok(*words, "--save", "b")
    whole = cli.ok(*words, "--json").json()["result"]["rows"][0]["whole_run"]
    document = cli.ok("observe", "render", "b", "--cap", "9M", "--json").json()
    found = rules(document)
    late_s = 1.5 * whole["save_interval_s"] + whole["save_stall_s"] + whole["save_drain_s"]
    assert found["CheckpointOverdue"]["expression"].endswith(f"> {late_s!r}")
    end_s = datetime.fromisoformat(whole["blocks"][-1]["end"]).timestamp()
    assert f"vector({end_s!r})" in found["CapacityEnding"]["expression"]
    assert "< 16.0" in found["EfaDown"]["expression"]
    assert document["warnings"] == []


@pytest.mark.parametrize(
    "given",
    [("--row", "9"), ("--cluster-name", 'a"}'), ("--run", ""), ("--cap", "0"), ("--hosts", "a,,b"), ("--hosts", "a:1"),
     ("--ends", "tomorrow"), ("--ends", "2027-03-01T11:30:00"), ("-O", " ")],
)  # fmt: skip
def test_what_cannot_be_used_is_exit_2_and_writes_nothing(saved: Any, tmp_path: Path, given: tuple[str, str]) -> None:
    before = sorted(tmp_path.rglob("*.yml"))
    ran = saved("observe", "render", "a", *(() if given[0] == "-O" else ("-O", "out")), *given)
    assert ran.code == 2
    assert ran.err.count("fmctl: error: ") == 1
    assert sorted(tmp_path.rglob("*.yml")) == before
