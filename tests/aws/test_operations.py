"""The commands of the running half as processes, with the real ParallelCluster and the lab: one full cycle each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.aws.conftest import World

pytestmark = pytest.mark.real("pcluster")

TYPES = ("p5.48xlarge", "p6-b300.48xlarge")
ALL_TYPES = (
    "p4d.24xlarge", "p4de.24xlarge", "p5.4xlarge", "p5.48xlarge", "p5e.48xlarge", "p5en.48xlarge",
    "p6-b200.48xlarge", "p6-b300.48xlarge", "u-p6e-gb200x36", "u-p6e-gb200x72",
)  # fmt: skip


class Fmctl:
    """`fmctl` in a process of its own, in the lab's account."""

    def __init__(self, world: World, python: str, folder: Path) -> None:
        self.world, self.folder = world, folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FMCTL_"))}
        self.env = kept | world.running.environment | {"FMCTL_PCLUSTER_PYTHON": python, "FMCTL_DATA": str(folder)}

    def __call__(self, *words: str, code: int = 0) -> Any:
        """The JSON document of a command, which must exit with `code`."""
        ran = self.run(*words, "-o", "json")
        assert ran.returncode == code, ran.stderr[-2000:]
        return json.loads(ran.stdout or ran.stderr)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fmctl", *words], env=self.env, capture_output=True, text=True, timeout=200,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip

    def site(self, instance: str) -> str:
        """A site file in a zone that has the type."""
        seed = self.world.running.seed
        site = yaml.safe_load(Path(self.world.running.site).read_text(encoding="utf-8"))
        subnet = seed["private_subnets"][seed["reservations"][instance]["zone"]]
        path = self.folder / "site.yaml"
        path.write_text(yaml.safe_dump(site | {"compute_subnet": subnet, "head_subnet": subnet}), encoding="utf-8")
        return str(path)


@pytest.fixture
def fmctl(world: World, needed: str, tmp_path: Path) -> Fmctl:
    world.lab.speed(300.0)
    return Fmctl(world, needed, tmp_path)


@pytest.mark.parametrize("instance", TYPES)
def test_a_whole_cycle(fmctl: Fmctl, instance: str) -> None:
    name = f"cycle-{instance[:2]}"
    fmctl("plan", "llama-3.1-8b", "--instances", instance, "--nodes", "2", "--tokens", "1B", "--save", name)
    site = fmctl.site(instance)
    looked = fmctl("preflight", name, "--site", site)
    assert looked["result"]["worst"] in ("ok", "unknown", "warning")
    states = {check["check"]: check["state"] for check in looked["result"]["checks"]}
    assert states["validators"] in ("ok", "warning")
    assert states["offering"] == states["addresses"] == states["network"] == "ok"
    # Nothing without consent, without a cap, or under read-only.
    assert fmctl.run("launch", name, "--site", site).returncode == 2
    assert fmctl.run("launch", name, "--site", site, "--yes").returncode == 2
    assert fmctl.run("launch", name, "--site", site, "--yes", "--max-hours", "99", "--read-only").returncode == 4
    assert fmctl("status")["result"]["clusters"] == []
    dry = fmctl("launch", name, "--site", site, "--max-hours", "99", "--dry-run")["result"]["actions"]
    assert [step["step"] for step in dry][-4:] == ["end-schedule", "create", "wait", "verify"]
    launched = fmctl("launch", name, "--site", site, "--yes", "--max-hours", "99")["result"]
    assert (launched["done"], launched["created"]) == (True, True)
    again = fmctl("launch", name, "--site", site, "--yes", "--max-hours", "99")["result"]
    assert (again["done"], again["created"]) == (True, False)
    (seen,) = fmctl("status", name)["result"]["clusters"]
    assert (seen["condition"], seen["stack_status"]) == ("ready", "CREATE_COMPLETE")
    assert seen["end"] is not None
    torn = fmctl("teardown", name, "--yes")["result"]["clusters"][0]
    assert (torn["done"], torn["was"]) == (True, True)
    # The sweep finds what the configuration keeps (logs, ParallelCluster's bucket, the file system), and nothing else.
    assert {left["kind"] for left in torn["leftovers"]} <= {"log group", "bucket folder", "file system"}
    assert fmctl("teardown", name, "--yes")["result"]["clusters"][0]["was"] is False
    (past,) = fmctl("history")["result"]["clusters"]
    assert (past["state"], past["plan"]) == ("gone", name)
    assert "123456789012" not in (fmctl.folder / "clusters" / f"{name}.json").read_text(encoding="utf-8")


def test_missing_nodes_are_explained_out_of_the_cluster_s_own_logs(fmctl: Fmctl) -> None:
    """Static nodes, capacity for one of two: clustermgtd's line, in its format, through CloudWatch to `status`."""
    name = "short"
    fmctl("plan", "llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "2", "--tokens", "1B", "--save", name)
    site = fmctl.site("p5.48xlarge")
    looked = fmctl("preflight", name, "--site", site)["result"]["checks"]
    assert next(check for check in looked if check["check"] == "quota")["state"] == "ok"
    fmctl.world.lab.ice(r"p5\.48xlarge", after=1)
    try:
        fmctl("launch", name, "--site", site, "--yes", "--max-hours", "99", "--static")
        fmctl.world.lab.advance(600)
        (seen,) = fmctl("status", name)["result"]["clusters"]
        assert seen["nodes"]["compute running"] == 1
        assert "AWS has no capacity" in seen["trouble"]
        assert "sufficient p5.48xlarge capacity" in seen["trouble"]
    finally:
        fmctl.world.lab.clear()
        fmctl("teardown", name, "--yes")
    (past,) = fmctl("history")["result"]["clusters"]
    assert past["spent_usd"] is not None  # 0 where the lab's clock is ahead of this machine's
    assert past["price_date"]
    assert any(one.startswith("subnet ") for one in past["reused"])


def test_watch_follows_to_the_end(fmctl: Fmctl) -> None:
    name = "watched"
    fmctl("plan", "llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "2", "--tokens", "1B", "--save", name)
    fmctl("launch", name, "--site", fmctl.site("p5.48xlarge"), "--yes", "--max-hours", "99")
    watching = subprocess.Popen(
        [sys.executable, "-m", "fmctl", "watch", name, "-o", "jsonl"], env=fmctl.env, stdout=subprocess.PIPE, text=True
    )
    fmctl("teardown", name, "--yes")
    assert watching.stdout is not None
    out, _ = watching.communicate(timeout=120)
    events = [json.loads(line) for line in out.splitlines()]
    assert watching.returncode == 0
    assert {"resource", "stack", "nodes", "end"} <= {event["kind"] for event in events}
    assert events[-1]["status"] == "GONE" or any(event["status"] == "GONE" for event in events)
    assert all(event["at"] and event["source"] for event in events)


def test_another_account_is_refused(fmctl: Fmctl) -> None:
    fmctl("plan", "llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "2", "--tokens", "1B", "--save", "other")
    path = Path(fmctl.site("p5.48xlarge"))
    site = yaml.safe_load(path.read_text(encoding="utf-8")) | {"account": "999999999999"}
    path.write_text(yaml.safe_dump(site), encoding="utf-8")
    refused = fmctl("launch", "other", "--site", str(path), "--yes", "--max-hours", "99", code=4)
    assert refused["schema"] == "fmctl.error/1"
    assert fmctl("preflight", "other", "--site", str(path), code=4)["result"]["worst"] == "fail"
    assert fmctl("history")["result"]["clusters"] == []


@pytest.mark.slow
@pytest.mark.parametrize("instance", ALL_TYPES)
def test_rehearsals_of_all_types(fmctl: Fmctl, instance: str, tmp_path: Path) -> None:
    """Each in a lab of its own, as `launch --rehearse` starts it."""
    count = "1" if instance.startswith("u-") else "2"
    fmctl.env |= {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
    bought = ("--purchase", "capacity-block") if instance.startswith(("u-", "p5e.")) else ()
    bought += ("--regions", "us-east-1-dfw-2a") if instance.startswith("u-") else ()  # the only place that sells them
    model = (
        "llama-3.2-1b" if instance == "p5.4xlarge" else "llama-3.1-8b",
        "--instances",
        instance,
        "--nodes",
        count,
        *bought,
    )
    fmctl("plan", *model, "--save", "all")
    found = fmctl("launch", "all", "--rehearse")["result"]
    assert (found["condition"], found["torn_down"]) == ("ready", True)
    kinds = {one["type"]: one["count"] for one in found["resources"]}
    assert kinds["AWS::EC2::LaunchTemplate"] >= 2
    assert found["cannot_prove"]


def test_what_capacity_there_is(fmctl: Fmctl) -> None:
    """The lab's offerings at the newest price that fmctl knows, its reservations by type, and its quota."""
    found = fmctl("capacity", "p5.48xlarge", "--count", "2", "--days", "1")["result"]
    assert found["available"] == "yes"
    assert [one["count"] for one in found["blocks"]] == [2, 2, 2]
    for one in found["blocks"]:
        # UpfrontFee, to the cent: 2 instances for 24 hours at 41.528 USD/h, the rate of July 2026.
        assert one["fee_usd"] == pytest.approx(2 * 24 * 41.528, abs=0.005)
        assert one["usd_per_h"] == pytest.approx(41.528, abs=0.001)
        assert one["start"] < one["usable_until"] < one["end"]
    seed = fmctl.world.running.seed
    assert {one["id"] for one in found["reservations"]} == {
        seed["reservations"]["p5.48xlarge"]["id"], seed["blocks"]["p5.48xlarge"]["id"],
    }  # fmt: skip
    assert {one["purchase"]: (one["limit_vcpu"], one["needed_vcpu"]) for one in found["quotas"]} == {
        "on-demand": (9216.0, 384), "spot": (9216.0, 384),
    }  # fmt: skip
    assert found["zones"]
    # moto knows no placement scores; nothing stands in for them.
    assert ([one["section"] for one in found["not_asked"]], found["spot_scores"]) == (["spot_scores"], [])


def test_capacity_of_ultraservers_and_of_too_much(fmctl: Fmctl) -> None:
    rack = fmctl("capacity", "p6e-gb200", "--days", "7")["result"]
    assert [(one["instance"], one["count"]) for one in rack["blocks"]] == [("u-p6e-gb200x72", 1)] * 3
    assert {way["way"]: way["state"] for way in rack["ways"]} == {"reservation": "yes", "capacity-block": "yes"}
    # The lab has neither a block nor a reservation of p5.4xlarge, and 1000 x 16 vCPUs are over its quota.
    much = fmctl("capacity", "p5.4xlarge", "--count", "1000", code=5)["result"]
    assert much["available"] == "no"
    assert much["blocks"] == much["reservations"] == []
    assert {one["purchase"]: one["enough"] for one in much["quotas"]} == {"on-demand": False, "spot": False}


def test_prices_of_the_lab_are_refused(fmctl: Fmctl) -> None:
    refused = fmctl("prices", "refresh", code=2)["result"]
    assert "is a local AWS" in refused["what"]
    assert not (fmctl.folder / "prices").exists()
