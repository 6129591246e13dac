"""Whole runs from the command line, with the real catalogue, planner and prices: targets, exit codes, documents."""

from __future__ import annotations

import json
import shlex
from datetime import datetime
from typing import Any

import pytest

from fmctl.documents.results import PlanDocument, Way, WholeRun
from fmctl.usecases.services import Services

DATED = ("--start", "2099-03-01")


@pytest.fixture
def real(cli: Any) -> Any:
    """The command line over what ships, with nothing made up but the folder it keeps plans in."""
    cli.services = Services()
    return cli


def rows_of(real: Any, *words: str) -> list[dict[str, Any]]:
    document = real.ok("plan", *words, "--json").json()
    PlanDocument.model_validate(document)
    rows: list[dict[str, Any]] = document["result"]["rows"]
    return rows


@pytest.mark.parametrize(
    "words",
    [
        ("llama-2-7b", "--tokens", "2T", "--nodes", "16", "--deadline", "60d", "--budget", "1M"),
        ("deepseek-v3", "--tokens", "14.8T", "--nodes", "256", "--instances", "p6-b200.48xlarge", "--tp", "1,4",
         "--deadline", "300d", "--budget", "400M"),
        ("llama-3.1-405b", "--tokens", "15T", "--nodes", "1024", "--instances", "p6-b200.48xlarge", "--tp", "8",
         "--deadline", "200d", "--budget", "400M"),
    ],
    ids=["7b", "moe", "405b"],
)  # fmt: skip
def test_a_plan_tells_the_whole_run(real: Any, words: tuple[str, ...]) -> None:
    row = rows_of(real, *words)[0]
    run = row["whole_run"]
    WholeRun.model_validate(run)
    assert run["finish_p10"] < run["finish_p50"] < run["finish_p90"]
    assert 0.5 < run["goodput_low"] < run["goodput"] < run["goodput_high"] < 1.0
    assert run["file_system"].startswith("fsx-lustre/persistent-2-")
    assert run["save_drain_s"] <= run["save_interval_s"] + 1e-6
    assert run["kwh_low"] < run["kwh"] < run["kwh_high"]
    assert run["tco2e"] > 0
    named = {line["name"] for line in run["lines"]}
    assert {"compute nodes", "head node", "file system", "compute root volumes", "S3 storage"} <= named
    assert sum(line["usd"] or 0.0 for line in run["lines"]) == pytest.approx(run["total_usd"])
    told = real.ok("plan", *words).out
    for words_ in ("finish", "goodput", "checkpoints", "file system", "Cost of the run", "What would help most"):
        assert words_ in told


@pytest.mark.parametrize("target", [("--deadline", "5d"), ("--budget", "1k"), ("--deadline", "5d", "--budget", "1k")])
def test_a_target_out_of_reach_exits_3_with_a_command_that_works(real: Any, target: tuple[str, ...]) -> None:
    base = ("llama-2-7b", "--tokens", "2T", "--instances", "p5.48xlarge", "--nodes", "8")
    refused = real("plan", *base, *target)
    assert refused.code == 3
    assert refused.out == ""
    missed = target[0].removeprefix("--")
    assert missed in refused.err
    proposed = next(line for line in refused.err.splitlines() if line.strip().startswith("next:"))
    words = shlex.split(proposed.split("next:")[1])
    assert words[:2] == ["fmctl", "plan"]
    assert rows_of(real, *words[2:])


def test_a_start_moves_the_finish_and_blocks_begin_at_half_past_eleven(real: Any) -> None:
    base = ("llama-2-7b", "--tokens", "100B", "--nodes", "8", "--instances", "p4d.24xlarge", *DATED)
    on_demand = rows_of(real, *base, "--purchase", "on-demand")[0]["whole_run"]
    block = rows_of(real, *base, "--purchase", "capacity-block")[0]["whole_run"]
    assert on_demand["start"] == block["start"] == "2099-03-01T00:00:00+00:00"
    assert block["blocks"][0]["start"] == "2099-03-01T11:30:00+00:00"
    assert datetime.fromisoformat(block["finish_p90"]) <= datetime.fromisoformat(block["blocks"][-1]["usable_until"])
    assert on_demand["blocks"] == []


def test_several_regions_and_ways_are_compared(real: Any) -> None:
    words = ("llama-2-7b", "--tokens", "2T", "--nodes", "16", "--instances", "p5.48xlarge")
    run = rows_of(real, *words, "--regions", "us-east-1,eu-north-1", "--purchase", "on-demand,odcr,reserved-3y")[0]
    ways = run["whole_run"]["ways"]
    for way in ways:
        Way.model_validate(way)
    assert {way["region"] for way in ways} >= {"us-east-1"}
    carbon = {way["region"]: way["tco2e"] for way in ways if way["tco2e"]}
    if "eu-north-1" in carbon:
        assert carbon["eu-north-1"] < carbon["us-east-1"] / 5


def test_what_cannot_be_bought_is_refused_with_where_it_can(real: Any) -> None:
    refused = real("plan", "llama-2-7b", "--tokens", "2T", "--instances", "p5e.48xlarge", "--purchase", "on-demand")
    assert refused.code == 2
    assert "cannot be bought" in refused.err
    assert "Capacity Block" in refused.err or "capacity-block" in refused.err
    left = real("plan", "llama-2-7b", "--tokens", "2T", "--nodes", "16", "--instances", "p5.48xlarge,p6-b300.48xlarge",
                "--regions", "us-east-2", "--purchase", "on-demand", "--json")  # fmt: skip
    assert left.code == 0
    assert "p6-b300.48xlarge was left out" in " ".join(left.json()["warnings"])


def test_spot_needs_a_rate_of_one_s_own_or_says_typical(real: Any) -> None:
    words = ("llama-2-7b", "--tokens", "1T", "--nodes", "16", "--instances", "p5.48xlarge", "--purchase", "spot")
    own = rows_of(real, *words, "--spot-price", "20")[0]
    assert own["cost"]["price_usd_per_h"] == 20.0
    assert own["cost"]["price_option"] == "spot"


def test_a_user_s_failures_spares_overhead_and_carbon_count(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("llama-3.1-70b", "--tokens", "1T", "--nodes", "64", "--instances", "p5.48xlarge")
    plain = rows_of(real, *words)[0]["whole_run"]
    calm = rows_of(real, *words, "--failures", "0")[0]["whole_run"]
    rough = rows_of(real, *words, "--failures", "40", "--spares", "2")[0]["whole_run"]
    assert calm["goodput"] > plain["goodput"] > rough["goodput"]
    assert rough["spares"] == 2
    assert any(line["name"] == "spare nodes" for line in rough["lines"])
    monkeypatch.setenv("FMCTL_CARBON_G_PER_KWH", "100")
    monkeypatch.setenv("FMCTL_POWER_USAGE_EFFECTIVENESS", "2")
    mine = rows_of(real, *words)[0]["whole_run"]
    assert mine["tco2e"] == pytest.approx(mine["kwh"] * 100 / 1e6)
    assert mine["kwh"] > plain["kwh"] * 1.5


def test_objectives_order_whole_runs(real: Any) -> None:
    words = ("llama-3.1-70b", "--tokens", "1T", "--nodes", "16..64", "--instances", "p5.48xlarge,p6-b200.48xlarge")
    for objective, name, sign in (("cost", "comparable_usd", 1), ("time", "wall_p50_s", 1), ("energy", "kwh", 1),
                                  ("goodput", "goodput", -1)):  # fmt: skip
        values = [sign * row["whole_run"][name] for row in rows_of(real, *words, "--objective", objective)]
        assert values == sorted(values)


def test_explain_shows_step_day_and_run(real: Any) -> None:
    words = ("llama-3.1-70b", "--instance", "p5.48xlarge", "--nodes", "32", "--tokens", "1T")
    sections = {s["name"]: s for s in real.ok("explain", *words, "--json").json()["result"]["sections"]}
    assert sections["day"]["total"]["value"] == 86_400.0
    assert sum(part["value"] for part in sections["day"]["parts"]) == pytest.approx(86_400.0, rel=1e-3)
    assert sum(part["share"] for part in sections["run"]["parts"]) == pytest.approx(1.0, rel=1e-3)
    assert sections["bill"]["parts"][0]["name"] == "compute_nodes_usd"
    estimate = real.ok("estimate", *words, "--json").json()["result"]["whole_run"]
    assert sections["run"]["total"]["value"] == pytest.approx(estimate["wall_p50_s"], rel=1e-6)


@pytest.mark.parametrize(
    "words",
    [
        ("--start", "2001-01-01"), ("--start", "soon"), ("--spares", "13"), ("--failures", "-1"), ("--failures", "x"),
        ("--spot-price", "0"), ("--max-nodes", "0"), ("--purchase", "theft"), ("--objective", "beauty"),
    ],
)  # fmt: skip
def test_bad_values_are_one_error(real: Any, words: tuple[str, ...]) -> None:
    refused = real("plan", "llama-2-7b", "--tokens", "1B", "--nodes", "1", *words)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.count("fmctl: error:") == 1


def test_rows_are_flat_in_csv(real: Any) -> None:
    words = ("llama-2-7b", "--tokens", "2T", "--nodes", "16", "--instances", "p5.48xlarge")
    out = real.ok("plan", *words, "-o", "csv", "--fields", "instance,wall_p50_s,total_usd,goodput,kwh").out
    head, line = out.splitlines()[:2]
    assert head == "instance,wall_p50_s,total_usd,goodput,kwh"
    assert all(float(value) > 0 for value in line.split(",")[1:])
    lines = real.ok("plan", *words, "-o", "jsonl").out.splitlines()
    assert all(not isinstance(value, list | dict) for value in json.loads(lines[0]).values())


def test_images_and_video_read_more_than_token_ids(real: Any) -> None:
    words = ("llama-2-7b", "--tokens", "2T", "--nodes", "16", "--instances", "p5.48xlarge")
    text = rows_of(real, *words)[0]["whole_run"]
    video = rows_of(real, *words, "--bytes-per-token", "400")[0]["whole_run"]
    assert video["reading_share"] == pytest.approx(text["reading_share"] * 200)
    stored = [sum(line["usd"] for line in run["lines"] if line["name"] == "S3 storage") for run in (text, video)]
    assert stored[1] > 150 * stored[0]


def test_diff_compares_runs_line_by_line(real: Any) -> None:
    words = ("llama-3.1-70b", "--tokens", "1T", "--instances", "p5.48xlarge")
    for nodes in ("32", "64"):
        real.ok("plan", *words, "--nodes", nodes, "--save", f"on{nodes}")
    body = real.ok("diff", "on32", "on64", "--json").json()["result"]
    fields = {row["field"]: row for row in body["fields"]}
    assert fields["whole_run.wall_p50_s"]["relative"] == pytest.approx(-0.48, abs=0.05)
    assert fields["whole_run.lines.compute_nodes_p5.48xlarge_usd"]["absolute"] > 0
    assert "whole_run.parts.kernels_s" in fields
    assert all(not isinstance(row[side], list | dict) for row in body["fields"] for side in "ab" if row["field"] !=
               "inputs.instances" and not row["field"].startswith("inputs."))  # fmt: skip
    assert body["told_apart"] is False


def test_a_launch_ends_by_p90_of_the_run(real: Any) -> None:
    from fmctl.targets.spec import default_hours

    row = rows_of(real, "llama-2-7b", "--tokens", "2T", "--nodes", "16", "--instances", "p5.48xlarge")[0]
    assert default_hours(row) >= row["whole_run"]["wall_p90_s"] / 3600 * 1.2
