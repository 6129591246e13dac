"""`estimate` and `plan`: from options to the request, from the plan to what is printed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from fmctl.domain.layout import Precision, Sharding


def test_estimate_takes_no_more_than_a_model_and_says_what_it_chose(cli: Any) -> None:
    document = cli.ok("estimate", "llama-3.1-70b", "--json").json()
    assert document["inputs"]["instances"] == ["p5.48xlarge"]
    assert document["inputs"]["node_counts"] == []
    assert document["result"]["nodes"] == 16
    assert document["inputs"]["seq_len"] == 8192
    assert document["inputs"]["options"]["defaulted"] == ["instances", "nodes", "regions", "purchase", "seq_len"]
    assert document["result"]["chosen"] == {"dp": "4"}


def test_every_option_reaches_the_request(cli: Any) -> None:
    request = cli.request(
        "plan", "llama-3.1-70b", "--instances", "p5.48xlarge,p5en.48xlarge", "--nodes", "8..100", "--tokens", "15T",
        "--seq-len", "4096", "--global-batch", "1k", "--micro-batch", "1,2", "--precision", "bf16,fp8", "--tp", "2..8",
        "--pp", "4", "--vpp", "2", "--cp", "2", "--ep", "8", "--etp", "1", "--dp", "16", "--dp-replicate", "2",
        "--sharding", "zero1,none", "--recompute", "full", "--recompute-layers", "0", "--schedule", "interleaved,1f1b",
        "--cp-comm", "ring", "--dispatcher", "fused", "--sequence-parallel", "--cuda-graph", "full", "--framework",
        "torchtitan", "--deadline", "60d", "--budget", "$4M", "--objective", "time", "--top", "3", "--regions",
        "us-east-1,eu-north-1", "--purchase", "spot,on-demand",
    )  # fmt: skip
    assert [instance.name for instance in request.instances] == ["p5.48xlarge", "p5en.48xlarge"]
    assert request.node_counts == (8, 16, 32, 64, 100)
    assert (request.tokens, request.seq_len, request.global_batch) == (15e12, 4096, 1000)
    assert request.fixed["micro_batch"] == (1, 2)
    assert request.fixed["precision"] == (Precision.BF16, Precision.FP8)
    assert request.fixed["tp"] == (2, 4, 8)
    assert request.fixed["sharding"] == (Sharding.ZERO1, Sharding.NONE)
    assert (request.fixed["sequence_parallel"], request.fixed["cuda_graph"]) == ((1,), (2,))
    assert request.fixed["recompute_layers"] == (0,)
    assert (request.framework, request.objective, request.top) == ("torchtitan", "time", 3)
    assert (request.deadline_s, request.budget_usd) == (60 * 86400.0, 4e6)
    price = request.prices["p5.48xlarge"]
    assert (price.option, price.region) == ("spot", "us-east-1")


def test_the_whole_space_is_searched_only_when_asked_for(cli: Any) -> None:
    assert cli.request("plan", "llama-3.1-70b", "--exhaustive").options["exhaustive"] is True
    assert "exhaustive" not in cli.request("plan", "llama-3.1-70b").options
    assert cli("estimate", "llama-3.1-70b", "--exhaustive").code == 2


def test_a_deadline_may_be_a_date(cli: Any) -> None:
    request = cli.request("plan", "llama-3.1-70b", "--tokens", "1T", "--deadline", "2026-11-24")
    assert request.deadline_s == 36 * 3600.0


def test_a_node_list_is_taken_as_it_is(cli: Any) -> None:
    assert cli.request("plan", "llama-3.1-70b", "--nodes", "12,8,16").node_counts == (8, 12, 16)


def test_plan_without_nodes_asks_the_search_which_to_try(cli: Any) -> None:
    assert cli.request("plan", "llama-3.1-70b").node_counts == (8, 16)


@pytest.mark.parametrize("command", ["estimate", "explain"])
@pytest.mark.parametrize(
    "option", [("--nodes", "8..16"), ("--tp", "2,4"), ("--instances", "p5.48xlarge,p5en.48xlarge")]
)
def test_one_layout_means_one_value(cli: Any, command: str, option: tuple[str, str]) -> None:
    ran = cli(command, "llama-3.1-70b", *option)
    assert ran.code == 2
    assert "takes one value here" in ran.err


def test_settings_fill_in_what_the_command_line_leaves_out(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMCTL_FRAMEWORK", "deepspeed")
    monkeypatch.setenv("FMCTL_PRECISION", "fp8")
    monkeypatch.setenv("FMCTL_INSTANCES", "p5en.48xlarge")
    request = cli.request("plan", "llama-3.1-70b")
    assert request.framework == "deepspeed"
    assert request.fixed["precision"] == (Precision.FP8,)
    assert [instance.name for instance in request.instances] == ["p5en.48xlarge"]
    assert cli.request("plan", "llama-3.1-70b", "--framework", "megatron").framework == "megatron"


def test_an_unknown_price_stays_unknown_and_is_said(cli: Any) -> None:
    ran = cli.ok("estimate", "llama-3.1-70b", "--instance", "p6-b200.48xlarge", "--tokens", "1T", "--json")
    document = ran.json()
    assert document["result"]["cost"]["run_usd"] is None
    assert document["result"]["cost"]["price_usd_per_h"] is None
    assert any("not known" in warning for warning in document["warnings"])
    shown = cli.ok("estimate", "llama-3.1-70b", "--instance", "p6-b200.48xlarge")
    assert "unknown" in shown.out
    assert "fmctl: warning:" in shown.err
    assert cli.ok("estimate", "llama-3.1-70b", "--instance", "p6-b200.48xlarge", "-q").err == ""


def test_estimate_that_does_not_fit_prints_it_and_exits_3(cli: Any) -> None:
    ran = cli("estimate", "llama-3.1-70b", "--instance", "p4d.24xlarge")
    assert ran.code == 3
    assert "OOM" in ran.out
    assert ran.err.startswith("fmctl: error: no layout of llama-3.1-70b fits 16 x p4d.24xlarge")
    assert "does not fit in device memory (1,234)" in ran.err
    assert "optimizer states" in ran.err


def test_plan_with_nothing_is_silent_on_stdout_but_whole_in_json(cli: Any) -> None:
    ran = cli("plan", "llama-3.1-70b", "--instances", "p4d.24xlarge")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.count("fmctl: error:") == 1
    ran = cli("plan", "llama-3.1-70b", "--instances", "p4d.24xlarge", "--json")
    assert ran.code == 3
    assert ran.json()["result"]["rows"] == []
    assert ran.json()["result"]["nearest"]["largest_term"] == "optimizer_bytes"
    assert json.loads(ran.err)["result"]["code"] == "no-layout"


def test_csv_and_jsonl_hold_bare_numbers_under_unit_names(cli: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(cli.ok("plan", "llama-3.1-70b", "-o", "csv").out)))
    lines = [json.loads(line) for line in cli.ok("plan", "llama-3.1-70b", "-o", "jsonl").out.splitlines()]
    assert len(rows) == len(lines) == 6
    assert float(rows[0]["step_s"]) == lines[0]["step_s"] == 4.2
    assert list(rows[0]) == list(lines[0])


def test_fields_choose_columns_in_every_format(cli: Any) -> None:
    assert (
        cli.ok("plan", "llama-3.1-70b", "--fields", "nodes,mfu", "--top", "1", "-o", "csv").out
        == "nodes,mfu\n8,0.412\n"
    )
    assert cli.ok("plan", "llama-3.1-70b", "--fields", "mfu", "--top", "1", "--json").json() == [{"mfu": 0.412}]
    table = cli.ok("plan", "llama-3.1-70b", "--fields", "nodes,used_bytes", "--top", "1").out.split()
    assert table[:2] == ["nodes", "used_bytes"]
    ran = cli("plan", "llama-3.1-70b", "--fields", "mfuu")
    assert ran.code == 2
    assert "did you mean mfu" in ran.err


def test_query_selects_from_the_document(cli: Any) -> None:
    assert cli.ok("estimate", "llama-3.1-70b", "--query", "result.time.step_s").out == "4.2\n"
    found = cli.ok("plan", "llama-3.1-70b", "--query", "result.rows[].{n: nodes, s: time.step_s}", "--json").json()
    assert found[0] == {"n": 8, "s": 4.2}
    ran = cli("estimate", "llama-3.1-70b", "--query", "result.[")
    assert ran.code == 2
    assert "not JMESPath" in ran.err


def test_a_file_is_written_whole(cli: Any, tmp_path: Path) -> None:
    ran = cli.ok("plan", "llama-3.1-70b", "--json", "-O", str(tmp_path / "p.json"))
    assert ran.out == ""
    assert json.loads((tmp_path / "p.json").read_text())["schema"] == "fmctl.plan/1"
    ran = cli("plan", "llama-3.1-70b", "-O", str(tmp_path / "no" / "p.json"))
    assert ran.code == 1
    assert ran.err.startswith("fmctl: error: cannot write")


@pytest.mark.parametrize("form", ["table", "md", "yaml"])
def test_other_formats_say_the_same(cli: Any, form: str) -> None:
    out = cli.ok("plan", "llama-3.1-70b", "-o", form, "--tokens", "15T").out
    assert "p5.48xlarge" in out
    assert "\x1b" not in out


def test_the_default_format_can_be_set(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMCTL_OUTPUT", "json")
    assert cli.ok("estimate", "llama-3.1-70b").json()["schema"] == "fmctl.estimate/1"
    assert cli.ok("estimate", "llama-3.1-70b", "-o", "csv").out.startswith("model,")
    assert json.loads(cli("estimate", "llama-3.1-7").err)["result"]["code"] == "unknown-model"


def test_limits_need_something_to_limit(cli: Any) -> None:
    assert "--deadline needs --tokens" in cli("plan", "llama-3.1-70b", "--deadline", "60d").err
    unknown = ("plan", "llama-3.1-70b", "--tokens", "1T", "--budget", "4M", "--instances")
    ran = cli(*unknown, "p6-b200.48xlarge")
    assert ran.code == 2
    assert "needs a price that is known" in ran.err
    ran = cli.ok(*unknown, "p5.48xlarge,p6-b200.48xlarge")
    assert "p6-b200.48xlarge was left out" in ran.err
    assert [instance.name for instance in cli.planner.requests[-1].instances] == ["p5.48xlarge"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--precision", "nvfp4"), "no nvfp4 on p5.48xlarge"),
        (("--precision", "mxfp8"), "no mxfp8 on p5.48xlarge"),
        (("--schedule", "zero-bubble"), "megatron has no --schedule zero-bubble"),
        (("--framework", "nanotron", "--precision", "fp8"), "nanotron has no --precision fp8"),
    ],
)
def test_what_framework_or_gpu_do_not_have_is_refused(cli: Any, options: tuple[str, ...], words: str) -> None:
    for command in (("estimate", "llama-3.1-70b"), ("plan", "llama-3.1-70b", "--instances", "p5.48xlarge")):
        ran = cli(*command, *options)
        assert ran.code == 2
        assert words in ran.err


def test_plan_leaves_out_the_types_that_cannot(cli: Any) -> None:
    """p5 on Hopper has no MXFP8; one of two types is enough to go on."""
    from dataclasses import replace

    from fmctl.usecases.support import able

    hopper = cli.services.catalogue.load_instance("p5.48xlarge")
    gpu = replace(hopper.accelerator, name="b200", architecture="blackwell", peak_flop_per_s={"fp8": 4.5e15})
    blackwell = replace(hopper, name="p6-b200.48xlarge", accelerator=gpu)
    kept, lacking = able((hopper, blackwell), {"precision": (Precision.MXFP8,)})
    assert [instance.name for instance in kept] == ["p6-b200.48xlarge"]
    assert list(lacking) == ["p5.48xlarge"]
