"""What is left out because it cannot win: the bound holds, and no answer changes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.catalog import load_instance, load_model
from fmctl.domain.layout import Layout
from fmctl.domain.result import Plan
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.train.evaluate import evaluate
from fmctl.perf.train.floor import step_floor_s
from fmctl.plan import axes, layouts, space
from fmctl.plan.bounds import Bounds
from fmctl.plan.cluster import Cluster
from fmctl.plan.rank import search

sys.path.insert(0, str(Path(__file__).parent))
from reference import facts, request

SPACES = [
    ("llama-3-8b", "megatron", "p5.48xlarge", 4, {}),
    ("llama-3-8b", "torchtitan", "p4d.24xlarge", 2, {}),
    ("deepseek-v3", "megatron", "p6-b200.48xlarge", 4, {"tp": (1, 8), "pp": (1, 4, 8), "dispatcher": (0, 1)}),
    ("qwen3-next-80b-a3b", "torchtitan", "p5.48xlarge", 2, {"tp": (1, 4), "pp": (2,), "precision": (0, 1)}),
    ("gemma-3-27b", "nanotron", "p5.48xlarge", 4, {}),
]  # fmt: skip


def whole(model: str, framework: str, instance: str, nodes: int, fixed: dict[str, tuple[int, ...]]):
    """A cluster, its scope, and every row with its step time and memory."""
    arch, on, fw = load_model(model), load_instance(instance), FRAMEWORKS[framework]
    work = TrainingWorkload(4096, 512)
    cluster = Cluster(arch, work, on, nodes, fw, price=None)  # type: ignore[arg-type]
    scope = axes.Scope(space.setting_of(arch, on, fw, 4096, 512, True), nodes * on.gpus, fixed)
    rows: dict[Layout, tuple[float, float]] = {}
    for chunk in space.candidates(scope, space.Tally()):
        terms = evaluate(arch, work, on, chunk, fw, detail=False)
        rows |= {chunk.row(i): (float(terms["step_s"][i]), float(terms["used_bytes"][i])) for i in range(len(chunk))}
    return cluster, scope, rows


@pytest.mark.parametrize("case", SPACES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_no_row_faster_than_the_ceiling_is_ever_left_out(case) -> None:
    cluster, scope, rows = whole(*case)
    steps = np.sort([step for step, _ in rows.values()])
    for share in (0.0, 0.01, 0.1, 0.5, 0.9):
        ceiling = float(steps[int(share * (len(steps) - 1))])
        tally = space.Tally()
        kept = {c.row(i) for c in space.candidates(scope, tally, 5000, Bounds(cluster, ceiling)) for i in range(len(c))}
        assert kept >= {layout for layout, (step, _) in rows.items() if step <= ceiling}
        assert tally.candidates == sum(tally.rejected.values()) + len(kept)
        assert share > 0.5 or len(kept) < len(rows)


def test_the_floor_by_hand() -> None:
    # 8 s per micro batch over 4 stages: 8 micro batches of 2 s, and a bubble of 3 x 2 s, or half of it in two chunks.
    share = np.array([3.0, 1.5, 0.0])
    assert step_floor_s(np.array(8.0), np.array(8.0), np.array(4.0), share).tolist() == [22.0, 19.0, 16.0]


@given(
    stages=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=16), counts=st.integers(1, 64), chunks=st.integers(1, 8)
)
def test_the_floor_is_below_any_dealing_of_the_layers(stages: list[float], counts: int, chunks: int) -> None:
    total, slowest, pp = sum(stages), max(stages), float(len(stages))
    floor = float(step_floor_s(np.array(total), np.array(float(counts)), np.array(pp), np.array((pp - 1.0) / chunks)))
    assert floor * (1.0 - 1e-9) <= counts * slowest + (total - slowest) / chunks


@pytest.mark.parametrize(
    ("model", "framework", "instances", "nodes", "more"),
    [
        ("llama-3-8b", "megatron", ["p5.48xlarge", "p4d.24xlarge"], (1, 4, 16), {}),
        ("llama-3.1-70b", "megatron", ["p6-b200.48xlarge"], (16,), {"top": 60}),
        ("llama-3.1-70b", "torchtitan", ["p5.48xlarge"], (8, 32), {"objective": "time"}),
        ("qwen3-30b-a3b", "megatron", ["p5.48xlarge"], (2, 8), {"fixed": {"pp": (1, 2, 4), "precision": (0, 1)}}),
        ("llama-3.1-70b", "megatron", ["p5.48xlarge"], (8, 32), {"tokens": 1e12, "deadline_s": 60 * 86400.0}),
        ("llama-3.1-70b", "megatron", ["p5.48xlarge"], (8, 32), {"tokens": 1e12, "deadline_s": 86400.0}),
        ("llama-3.1-70b", "megatron", ["p5e.48xlarge"], (8, 16), {"tokens": 1e12, "budget_usd": 1e9}),
    ],
)
def test_leaving_out_changes_no_answer(
    monkeypatch: pytest.MonkeyPatch, model: str, framework: str, instances: list[str], nodes: tuple[int, ...], more
) -> None:
    asked = request(model, instances, nodes, framework=framework, **more)
    plan = search(asked)
    monkeypatch.setattr(Bounds, "hopeless", lambda self, lot: False)
    monkeypatch.setattr(Bounds, "too_slow", lambda self, lot, chosen: np.zeros((1, 1), dtype=np.bool_))
    every = search(asked)
    for key in ("rows", "pareto", "told_apart", "notes", "nearest", "candidates"):
        assert facts(plan)[key] == facts(every)[key]
    assert plan.candidates == sum(r.count for r in plan.rejects if r.reason != "price") + within(plan)
    if plan.rows:
        assert plan.evaluated < every.evaluated
        assert any(r.reason == "cannot-win" for r in plan.rejects)
    else:
        assert facts(plan) == facts(every)


def within(plan: Plan) -> int:
    """Rows that fit and met the targets."""
    return plan.fitting - sum(r.count for r in plan.rejects if r.reason in ("deadline", "budget"))


def test_the_pool_holds_the_best_row_of_the_best_meshes() -> None:
    case = ("llama-3-8b", "megatron", "p5.48xlarge", 4, {"recompute_layers": (0,)})
    cluster, _, rows = whole(*case)
    best: dict[tuple[int, ...], tuple[float, float, tuple[tuple[str, int], ...]]] = {}
    for layout, (step, used) in rows.items():
        mesh = tuple(getattr(layout, name) for name in axes.MESH_FIELDS)
        row = (step, used, tuple(layout.items()))
        if used <= cluster.capacity_bytes and (mesh not in best or row < best[mesh]):
            best[mesh] = row
    asked = request("llama-3-8b", ["p5.48xlarge"], (4,), seq_len=4096, global_batch=512, fixed=case[4], top=40)
    priced = replace(cluster, price=asked.prices["p5.48xlarge"])
    found = layouts.search_cluster(asked, priced, space.Tally())
    assert [(s, u, tuple(x.items())) for s, u, x in found.best(40)] == sorted(best.values())[:40]
    assert len(found.best(40)) == 40


def test_whoever_asks_for_everything_gets_everything() -> None:
    asked = request("llama-3-8b", ["p5.48xlarge"], (4,), fixed={"pp": (1, 2)}, options={"exhaustive": True})
    assert not any(r.reason == "cannot-win" for r in search(asked).rejects)
