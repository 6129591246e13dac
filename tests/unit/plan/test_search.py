"""The search against a brute-force loop, its counts, its promises about rows and near misses."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fmctl.catalog import load_instance, load_model
from fmctl.domain.layout import ContextComm, Layout, Layouts, Sharding
from fmctl.domain.model import ModelArch
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.train.evaluate import evaluate
from fmctl.plan import axes, layouts, space
from fmctl.plan.cluster import Cluster
from fmctl.plan.rank import search

sys.path.insert(0, str(Path(__file__).parent))
from reference import brute_force, facts, request


def small(model: str, layers: int) -> ModelArch:
    """A preset cut to its last `layers` layers."""
    arch = load_model(model)
    return replace(arch, pattern=arch.pattern[-layers:], mtp_layers=0)


def odd(model: str, layers: int, **widths: int) -> ModelArch:
    """A small preset whose feed-forward has widths of its own."""
    arch = small(model, layers)
    kinds = [
        replace(kind, feed_forward=kind.feed_forward and replace(kind.feed_forward, **widths)) for kind in arch.kinds
    ]
    return replace(arch, kinds=tuple(kinds))


@pytest.mark.parametrize(
    ("arch", "seq_len", "batch"),
    [
        (small("llama-3-8b", 6), 4096, 8),
        (small("gpt2-xl", 4), 1024, 8),
        (replace(small("mixtral-8x7b", 3), vocab=32000), 4096, 8),
        (small("gemma-3-27b", 7), 8192, 4),
        # Nothing divides as it usually does: 5 layers, 4,100 tokens (8 pieces: no), 6 sequences, widths of 4 x odd.
        (odd("llama-3-8b", 5, ffn=14340), 4100, 6),
        (replace(odd("mixtral-8x7b", 3, n_experts=6, expert_ffn=14340), vocab=32000), 4100, 6),
    ],
    ids=["dense", "25-heads", "moe", "sliding", "odd", "odd-experts"],
)
def test_whole_search_equals_brute_force(arch: ModelArch, seq_len: int, batch: int) -> None:
    asked = request(arch, ["p4d.24xlarge"], (1,), seq_len=seq_len, global_batch=batch, options={"exhaustive": True})
    plan = search(asked)
    framework = FRAMEWORKS["megatron"]
    instance = asked.instances[0]
    cluster = Cluster(arch, TrainingWorkload(seq_len, batch), instance, 1, framework, asked.prices[instance.name])
    shardings = [int(Sharding.parse(label)) for label in framework.limits.shardings]
    comms = [int(ContextComm.parse(label)) for label in framework.limits.cp_comms]
    tally, fastest, step_s = brute_force(cluster, shardings, comms)
    assert plan.evaluated == tally["evaluated"]
    assert plan.fitting == tally["fit"]
    assert {r.reason: r.count for r in plan.rejects}.get("memory", 0) == tally["memory"]
    assert plan.rows[0].terms["step_s"] == step_s
    assert plan.rows[0].layout == fastest


def test_layers_that_no_number_of_chunks_divides_are_interleaved_all_the_same() -> None:
    plan = search(request("deepseek-v3", ["p5en.48xlarge"], (64,), seq_len=8192, global_batch=512))
    assert plan.rows[0].layout.vpp > 1


def test_counts_add_up() -> None:
    plan = search(request("qwen3-30b-a3b", ["p5.48xlarge"], (4,), seq_len=4096, global_batch=512))
    rejected = sum(r.count for r in plan.rejects)
    assert plan.candidates == rejected + plan.fitting
    assert plan.evaluated == plan.fitting + next(r.count for r in plan.rejects if r.reason == "memory")


@pytest.mark.parametrize("model", ["gpt3-175b", "deepseek-v3", "qwen3-next-80b-a3b"])
def test_thousand_random_rows_of_a_plan_equal_their_estimate_bit_for_bit(model: str) -> None:
    arch, instance, framework = load_model(model), load_instance("p5.48xlarge"), FRAMEWORKS["megatron"]
    work = TrainingWorkload(2048, 1536)
    setting = space.setting_of(arch, instance, framework, work.seq_len, work.global_batch, True)
    scope = axes.Scope(setting, 1024, {"cp": (1, 2), "precision": (0, 1)}, exhaustive=True)
    rng = random.Random(7)
    checked = 0
    for number, chunk in enumerate(space.candidates(scope, space.Tally())):
        if number % 2:
            continue
        fast = evaluate(arch, work, instance, chunk, framework, detail=False)
        for i in rng.sample(range(len(chunk)), min(60, len(chunk))):
            alone = evaluate(arch, work, instance, Layouts.of([chunk.row(i)]), framework)
            assert alone["step_s"][0] == fast["step_s"][i]
            assert alone["used_bytes"][0] == fast["used_bytes"][i]
            checked += 1
        if checked >= 340:
            break
    assert checked >= 340


def test_plan_row_equals_estimate_in_every_term() -> None:
    plan = search(request("llama-3.1-70b", ["p5.48xlarge"], (16,)))
    layouts = Layouts.of([row.layout for row in plan.rows])
    first = plan.rows[0]
    batch = evaluate(first.arch, first.workload, first.instance, layouts, FRAMEWORKS["megatron"])
    for i, row in enumerate(plan.rows):
        assert batch.row(i) == row.terms


def test_rows_are_ranked_fit_and_cover_every_instance() -> None:
    plan = search(request("llama-3.1-70b", ["p5.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge"], top=3))
    assert {row.instance.name for row in plan.rows} == {"p5.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge"}
    costs = [row.usd_per_billion_tokens or 0.0 for row in plan.rows]
    assert costs == sorted(costs)
    assert all(row.fits in ("ok", "tight") and row.terms["margin_bytes"] >= 0 for row in plan.rows)


def test_nothing_fits_names_the_nearest_miss() -> None:
    plan = search(request("llama-3.1-405b", ["p4d.24xlarge"], (1,)))
    assert not plan.rows
    assert plan.nearest is not None
    assert plan.nearest.estimate.fits == "OOM"
    assert plan.nearest.short_bytes > 100e9
    assert plan.rejects[0].reason == "memory"


def test_deadline_and_budget_reject_with_reasons_and_name_the_fastest() -> None:
    asked = request("llama-3.1-8b", ["p5.48xlarge"], (2,), tokens=15e12, deadline_s=86400.0)
    plan = search(asked)
    assert not plan.rows
    assert {r.reason for r in plan.rejects} >= {"deadline"}
    assert plan.nearest is not None
    assert plan.nearest.short_bytes == 0
    cheap = search(replace(asked, deadline_s=None, budget_usd=10.0))
    assert {r.reason for r in cheap.rejects} >= {"budget"}


def test_unknown_price_is_listed_last_with_a_word_why_and_never_held_to_a_budget() -> None:
    asked = request("llama-3.1-70b", ["p5.48xlarge", "p5e.48xlarge"], (16,), tokens=1e12)
    plan = search(asked)
    assert [row.instance.name for row in plan.rows] == ["p5.48xlarge", "p5e.48xlarge"]
    assert plan.rows[1].run_usd is None
    assert any("p5e.48xlarge" in word for word in plan.notes)
    held = search(replace(asked, budget_usd=1e12))
    assert {row.instance.name for row in held.rows} == {"p5.48xlarge"}
    assert {r.reason for r in held.rejects} >= {"price"}


def test_partial_recomputation_is_refined_to_the_least_that_fits() -> None:
    plan = search(request("gpt3-175b", ["p5.48xlarge"], (128,), seq_len=2048, global_batch=1536))
    exhaustive = search(
        request("gpt3-175b", ["p5.48xlarge"], (128,), seq_len=2048, global_batch=1536, options={"exhaustive": True},
                fixed={"cp": (1, 2), "sharding": (1, 3)})
    )  # fmt: skip
    assert plan.rows[0].terms["step_s"] <= exhaustive.rows[0].terms["step_s"] * 1.001


def test_fixed_fields_hold_in_every_row() -> None:
    fixed = {"tp": (8,), "pp": (4,), "recompute": (1,), "precision": (1,)}
    plan = search(request("llama-3.1-70b", ["p5.48xlarge"], (8, 16), fixed=fixed))
    assert plan.rows
    for row in plan.rows:
        values = dict(row.layout.items())
        assert all(values[name] in allowed for name, allowed in fixed.items())


def test_impossible_degrees_say_so() -> None:
    plan = search(request("llama-3.1-8b", ["p5.48xlarge"], (1,), fixed={"tp": (8,), "pp": (2,)}))
    assert not plan.rows
    assert plan.rejects[0].reason == "degrees"


@pytest.mark.parametrize(
    ("model", "instance", "nodes"),
    [
        *(("llama-3.1-405b", name, (64, 128, 256)) for name in ("p5.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge")),
        ("llama-3.1-405b", "p6-b300.48xlarge", (64, 256)),
        ("llama-3.1-405b", "p6e-gb200", (1, 2, 3, 4, 8)),
        ("deepseek-v3", "p5.48xlarge", (32, 128)),
        ("deepseek-v3", "p6-b200.48xlarge", (32,)),
        ("qwen3-235b-a22b", "p5en.48xlarge", (16, 64)),
    ],
)
def test_large_models_have_a_layout(model: str, instance: str, nodes: tuple[int, ...]) -> None:
    plan = search(request(model, [instance], nodes, objective="time"))
    assert {row.nodes for row in plan.rows} == set(nodes)


def test_default_batch_is_a_multiple_that_every_cluster_can_split() -> None:
    assert space.default_batch(8192, 1024) == 512
    assert space.default_batch(8192, 72) % 9 == 0
    assert space.default_nodes(load_model("llama-3.1-70b"), load_instance("p5.48xlarge"))[0] == 4
    assert (
        space.smallest_nodes(
            load_model("llama-3.1-70b"), load_instance("p5.48xlarge"), {"tp": (8,), "pp": (4,), "cp": (1,), "dp": (16,)}
        )
        == 64
    )


def test_chunks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request("llama-3.1-8b", ["p5.48xlarge"], (2,), global_batch=128)
    every = replace(asked, options={"exhaustive": True}, fixed={"recompute": (0, 1)})
    whole, all_of_it = search(asked), search(every)
    monkeypatch.setattr(space.candidates, "__defaults__", (333, None))
    monkeypatch.setattr(layouts, "PRUNED_CHUNK_ROWS", 333)
    assert facts(search(asked))["rows"] == facts(whole)["rows"]
    assert facts(search(every)) == facts(all_of_it)


def test_layouts_rows_and_columns_agree() -> None:
    rows = [Layout(tp=2, dp=4), Layout(tp=4, dp=2, recompute=2, recompute_layers=3)]
    columns = Layouts.of(rows)
    assert [columns.row(i) for i in range(2)] == rows
    assert columns.take(np.array([1])).row(0) == rows[1]
    assert columns.take(np.array([False, True])).row(0) == rows[1]
