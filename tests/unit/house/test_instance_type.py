"""Another instance type is data alone: rows of the tables and of the prices; plans, bills and clusters follow."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.unit.house.added import ROOT, answered, printed, ran

NAME = "p9.48xlarge"
SITE = """\
region: us-east-1
compute_subnet: subnet-0123456789abcdef0
head_subnet: subnet-0123456789abcdef1
account: "111122223333"
"""


@pytest.fixture
def tables(tmp_path: Path) -> str:
    """A copy of the tables with a type that is p5.48xlarge with twice the network, and what says where it lies."""
    top = tmp_path / "top"
    shutil.copytree(ROOT / "fmctl" / "hardware", top / "fmctl" / "hardware")
    shutil.copytree(ROOT / "pricing", top / "pricing")
    (top / "models").symlink_to(ROOT / "models")
    (top / "pyproject.toml").touch()
    types = top / "fmctl" / "hardware" / "instances.yaml"
    blocks = types.read_text().split("\n\n")
    like = next(block for block in blocks if block.startswith("p5.48xlarge:"))
    made = like.replace("p5.48xlarge:", f"{NAME}:").replace("efa_gbps: 3200", "efa_gbps: 6400")
    types.write_text("\n\n".join([*blocks, made]))
    with (top / "fmctl" / "hardware" / "offerings.csv").open("a") as file:
        file.write(f"{NAME},us-east-1,use1-az1 use1-az2,2026-11-01,made up\n")
    with (top / "pricing" / "instances.csv").open("a") as file:
        file.write(f"{NAME},us-east-1,on-demand,60.0,2026-11-01,made up,\n")
    return f"import fmctl.catalog.names as names\nnames.PACKAGE = {str(top / 'fmctl')!r}\n"


def test_it_is_listed_and_shown(tables: str, tmp_path: Path) -> None:
    assert NAME in printed(tables, "instances", "list", data=tmp_path)
    assert "60" in printed(tables, "instances", "show", NAME, data=tmp_path)


def test_it_is_planned_billed_and_rendered(tables: str, tmp_path: Path) -> None:
    words = ("llama-3.1-8b", "--nodes", "2", "--tokens", "100B", "--start", "2027-03-01", "--purchase", "on-demand")
    found = answered(tables, "plan", *words, "--instances", f"{NAME},p5.48xlarge", "--save", "one", data=tmp_path)
    ours, theirs = (next(r for r in found["rows"] if r["instance"] == name) for name in (NAME, "p5.48xlarge"))
    assert ours["time"]["step_s"] <= theirs["time"]["step_s"]
    assert ours["communication"]["network_s"] < theirs["communication"]["network_s"]
    assert ours["cost"]["price_usd_per_h"] == 60.0
    nodes = next(line for line in ours["whole_run"]["lines"] if line["name"] == "compute nodes")
    assert nodes["rate_usd"] == 60.0
    (tmp_path / "site.yaml").write_text(SITE)
    row = ("--row", str(ours["rank"]))
    made = ran(tables, "render", "one", "--site", "site.yaml", *row, "-O", "out", data=tmp_path)
    assert made.returncode == 0, made.stderr
    queue = yaml.safe_load((tmp_path / "out" / "cluster.yaml").read_text())["Scheduling"]["SlurmQueues"][0]
    assert queue["ComputeResources"][0]["InstanceType"] == NAME
    assert queue["ComputeResources"][0]["Efa"] == {"Enabled": True}
