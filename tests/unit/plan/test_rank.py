"""Ranking with rows of one's own: order, ties, types that are shown all the same, near misses, words, what is best."""

from __future__ import annotations

import sys
from dataclasses import replace
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fmctl.base.errors import UnknownName
from fmctl.catalog import load_instance, load_model
from fmctl.domain.layout import Layout, Layouts, Recompute
from fmctl.domain.result import Plan, Terms
from fmctl.plan import layouts, parallel, rank, training
from fmctl.plan.apart import sort_key
from fmctl.plan.layouts import Found
from fmctl.plan.parallel import Part
from fmctl.plan.planner import Limit, Objective
from fmctl.plan.rank import best, pareto, search
from fmctl.plan.space import Tally
from fmctl.plan.training import TRAINING, fit_word

sys.path.insert(0, str(Path(__file__).parent))
from reference import request

P4D, P5, P5E, B200 = "p4d.24xlarge", "p5.48xlarge", "p5e.48xlarge", "p6-b200.48xlarge"


def row(name: str, usd: float | None, speed: float = 1.0, nodes: int = 1, on: str = "a", whole: Any = None) -> Any:
    terms = {"tokens_per_s": speed, "tokens_per_s_per_gpu": speed / nodes, "step_s": 1.0, "step_high_s": 1.2}
    terms |= {"wh_per_million_tokens": 5.0}
    return SimpleNamespace(
        name=name, usd_per_billion_tokens=usd, terms=terms, nodes=nodes, instance=SimpleNamespace(name=on), whole=whole
    )


def run_of(usd: float | None, wall: float, kwh: float, goodput: float = 0.9) -> Any:
    return SimpleNamespace(
        comparable_usd=usd, wall_s=(wall - 1.0, wall, wall + 1.0), goodput=SimpleNamespace(value=goodput),
        energy=SimpleNamespace(kwh=SimpleNamespace(value=kwh)),
    )  # fmt: skip


# --- order ------------------------------------------------------------------------------------------------------------


def ordered(objective: str, *rows: Any) -> list[str]:
    return [one.name for one in sorted(rows, key=sort_key(TRAINING, objective))]


def test_rows_are_ordered_by_the_objective_then_speed_then_nodes() -> None:
    rows = [
        row("unknown", None, 9.0, 2), row("dear", 3.0), row("slow", 2.0, 1.0), row("fast", 2.0, 4.0, 8),
        row("fast and small", 2.0, 4.0, 4), row("unknown, faster", None, 10.0), row("unknown, smaller", None, 9.0),
    ]  # fmt: skip
    assert ordered("cost", *rows) == [
        "fast and small", "fast", "slow", "dear", "unknown, faster", "unknown, smaller", "unknown",
    ]  # fmt: skip
    assert ordered("time", row("slow", 1.0, 1.0), row("fast", 9.0, 2.0)) == ["fast", "slow"]
    assert ordered("throughput", row("much on many", 1.0, 8.0, 8), row("little on one", 1.0, 2.0)) == [
        "little on one", "much on many",
    ]  # fmt: skip


def test_whole_runs_are_ordered_by_what_they_come_to() -> None:
    one = row("one", 1.0, 9.0, whole=run_of(50.0, 100.0, 7.0, 0.8))
    two = row("two", 9.0, 1.0, whole=run_of(40.0, 200.0, 6.0, 0.9))
    assert ordered("cost", one, two) == ordered("energy", one, two) == ordered("goodput", one, two) == ["two", "one"]
    assert ordered("time", one, two) == ordered("throughput", one, two) == ["one", "two"]
    assert ordered("goodput", row("none", 1.0), one) == ["one", "none"]
    values = {name: objective.value(two) for name, objective in TRAINING.objectives.items()}
    assert values == {"cost": 40.0, "time": 200.0, "energy": 6.0, "goodput": 0.9, "throughput": 1.0}
    plain = {name: objective.value(row("x", 3.0, 4.0, 2)) for name, objective in TRAINING.objectives.items()}
    assert plain == {"cost": 3.0, "time": 0.25, "energy": 5.0, "goodput": None, "throughput": 2.0}


def test_the_front_is_what_nothing_beats() -> None:
    rows = [row("dear and fast", 3.0, 4.0), row("cheap and slow", 1.0, 1.0), row("beaten", 3.0, 2.0),
            row("no price", None, 99.0), row("middle", 2.0, 2.0), row("as good as the first", 3.0, 4.0)]  # fmt: skip
    assert pareto(TRAINING, rows) == (1, 4, 0)
    assert pareto(TRAINING, []) == ()
    # Of whole runs energy counts as well: dearer, later, and cleaner.
    runs = [row("a", 0.0, whole=run_of(1.0, 10.0, 5.0)), row("b", 0.0, whole=run_of(2.0, 11.0, 4.0)),
            row("c", 0.0, whole=run_of(2.0, 11.0, 6.0)), row("d", 0.0, whole=run_of(None, 1.0, 1.0))]  # fmt: skip
    assert pareto(TRAINING, runs) == (0, 1)
    assert TRAINING.front(runs[1]) == (2.0, 11.0, 4.0)
    assert TRAINING.front(rows[0]) == (3.0, 0.25)


def test_the_half_width_of_a_row() -> None:
    assert TRAINING.half_width(row("x", 1.0)) == pytest.approx(0.2)
    assert TRAINING.speed(row("x", 1.0, 7.0)) == 7.0


# --- clusters ---------------------------------------------------------------------------------------------------------


def first_to_last(objective: str, instances: list[str], nodes: tuple[int, ...], **more: Any) -> list[tuple[str, int]]:
    asked = request("llama-3.1-70b", instances, nodes, objective=objective, **more)
    found = rank._likely_first(asked, rank._clusters(asked))
    assert sorted(number for number, _ in found) == list(range(len(found)))
    return [(c.instance.name, c.nodes) for _, c in found]


def test_likely_winners_come_first() -> None:
    # 70B: 18 bytes of 70.6e9 are 1,270 GB; p5 holds 0.8 x 8 x 85.5 GB a node: 4 nodes; B200 2; p4d of 40 GB 8.
    both = [P5, B200]
    assert first_to_last("time", both, (1, 2, 4, 8)) == [
        (B200, 8), (B200, 4), (P5, 8), (B200, 2), (P5, 4), (B200, 1), (P5, 2), (P5, 1),
    ]  # fmt: skip
    assert first_to_last("throughput", both, (1, 2, 4, 8)) == [
        (B200, 2), (P5, 4), (B200, 4), (P5, 8), (B200, 8), (P5, 1), (B200, 1), (P5, 2),
    ]  # fmt: skip
    # Nothing of p5e is on file: after all that has a price at as many times the fewest nodes.
    assert first_to_last("cost", [P5E, P5], (2, 4, 8)) == [
        (P5, 4), (P5E, 2), (P5, 8), (P5E, 4), (P5E, 8), (P5, 2),
    ]  # fmt: skip


def test_by_cost_the_cheaper_flop_comes_first() -> None:
    asked = request("llama-3.1-8b", [P4D, P5], (1,))
    usd = {name: asked.prices[name].usd_per_h or inf for name in (P4D, P5)}
    each = {P4D: usd[P4D] / 312e12, P5: usd[P5] / 989.5e12}
    found = [c.instance.name for _, c in rank._likely_first(asked, rank._clusters(asked))]
    assert found == sorted(each, key=each.__getitem__) == [P5, P4D]


def test_no_such_framework() -> None:
    with pytest.raises(UnknownName):
        search(request("llama-3.1-8b", [P5], (1,), framework="none"))


# --- what is shown ----------------------------------------------------------------------------------------------------


def part(number: int, rows: list[Any], on: str = "a", usd: float | None = 1.0, **more: Any) -> Part:
    """A searched cluster; more: fields of what was found."""
    price = SimpleNamespace(usd_per_h=usd, note=more.pop("note", ""))
    cluster = SimpleNamespace(instance=SimpleNamespace(name=on), price=price, nodes=number)
    tally = more.pop("tally", Tally(10, {"memory": 4}))
    return Part(Found(cluster, more.pop("weight", 1.0), more.pop("room", 1.0), **more), tally, tuple(rows))  # type: ignore[arg-type]


def asked(**more: Any) -> Any:
    return replace(request("llama-3.1-8b", [P5], (1,)), **more)


def test_the_best_rows_and_one_of_every_type() -> None:
    parts = [
        part(1, [row("a3", 3.0, on="a"), row("a1", 1.0, on="a")]),
        part(2, [row("b4", 4.0, on="b"), row("b5", 5.0, on="b")]),
        part(3, [row("a2", 2.0, on="a"), row("c9", 9.0, on="c")]),
    ]
    for top, names in (
        (1, ["a1", "b4", "c9"]),
        (3, ["a1", "a2", "a3", "b4", "c9"]),
        (4, ["a1", "a2", "a3", "b4", "c9"]),
    ):
        assert [one.name for one in rank._shown(asked(top=top), parts)] == names


def test_clusters_without_a_price() -> None:
    dear, unknown = part(1, [], on="p5"), part(2, [], on="p6", usd=None, note="nobody says", fitting=6)

    def said(**more: Any) -> tuple[list[Part], list[str], dict[str, int]]:
        tally = Tally()
        shown, words = rank._unpriced(asked(**more), [dear, unknown, unknown], tally)
        return shown, words, tally.rejected

    assert said(objective="cost") == ([dear, unknown, unknown], ["p6: nobody says; not ranked by cost"], {})
    assert said(objective="time") == ([dear, unknown, unknown], [], {})
    held = ["p6: nobody says; cannot be held to a budget"]
    assert said(objective="time", budget_usd=5.0) == ([dear], held, {"price": 12})
    assert said(objective="cost", budget_usd=5.0) == ([dear], held, {"price": 12})
    # One way to buy it that has a price is enough.
    offers = {"p6": (SimpleNamespace(usd_per_h=None), SimpleNamespace(usd_per_h=2.0))}
    assert said(objective="cost", offers=offers) == ([dear, unknown, unknown], [], {})
    nothing = part(3, [], on="p7", usd=None)
    assert rank._unpriced(asked(), [nothing], Tally())[1] == ["p7: no price known; not ranked by cost"]


def test_the_nearest_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(TRAINING), "near_miss", lambda self, request, cluster, layout: (cluster.nodes, layout))
    one, two, three = Layout(), Layout(tp=2), Layout(tp=4)
    # Excess of memory is compared as a share of what there is.
    short = [part(1, [], nearest=(90.0, one), room=10.0), part(2, [], nearest=(100.0, two), room=20.0), part(3, [])]
    assert rank._nearest(asked(), [p.found for p in short]) == (2, two)
    # What fits and misses a target is nearer than what does not fit: the shortest run, steps x step.
    late = [*short, part(4, [], fastest=(2.0, two), weight=10.0), part(5, [], fastest=(3.0, three), weight=5.0)]
    assert rank._nearest(asked(), [p.found for p in late]) == (5, three)
    assert rank._nearest(asked(), [part(1, []).found]) is None


def test_an_answer_adds_up_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(TRAINING), "near_miss", lambda self, request, cluster, layout: layout)
    monkeypatch.setattr(rank, "told_apart", lambda planner, rows, objective: (None,) * len(rows))
    parts = {
        3: part(3, [row("second", 2.0)], evaluated=5, fitting=3, tally=Tally(20, {"memory": 2, "heads": 15})),
        1: part(1, [row("first", 1.0)], evaluated=7, fitting=6, tally=Tally(10, {"memory": 1, "width": 3})),
    }
    whole = rank._plan(asked(), parts, 2, True, 0.0)
    assert [(r.reason, r.count) for r in whole.rejects] == [("heads", 15), ("memory", 3), ("width", 3)]
    assert (whole.candidates, whole.evaluated, whole.fitting, whole.partial) == (30, 12, 9, False)
    assert [one.name for one in whole.rows] == ["first", "second"]  # type: ignore[attr-defined]
    assert (whole.notes, whole.nearest, whole.levers) == ((), None, ())
    assert whole.search_s > 0.0
    # So far: one of three is missing, and nothing is stopped.
    begun = rank._plan(asked(), parts, 3, False, 0.0)
    assert (begun.partial, begun.notes) == (True, ())
    # Stopped: what a cluster gave before it was stopped counts, and it does not count as searched.
    parts[1].found.stopped = True
    ended = rank._plan(asked(), parts, 2, True, 0.0)
    assert (ended.partial, ended.notes) == (True, ("stopped early: 1 of 2 clusters searched",))
    # A near miss is owed where no row is, once nothing more comes.
    none = {1: part(1, [], nearest=(5.0, Layout(tp=2)))}
    assert rank._plan(asked(), none, 1, True, 0.0).nearest == Layout(tp=2)
    assert rank._plan(asked(), none, 1, False, 0.0).nearest is None


def test_the_fewest_nodes_that_hold_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[int, ...]] = []

    def searched(fits_from: int) -> Any:
        def fake(one: Any, *more: Any) -> Any:
            tried.append(one.node_counts)
            nodes = one.node_counts[0]
            return SimpleNamespace(rows=("row",) if nodes >= fits_from else (), nodes=nodes)

        return fake

    wanted = request("llama-3.1-70b", [P5])
    for fits_from, counts, nodes in (
        (1, [4], 4), (5, [4, 8], 8), (32, [4, 8, 16, 32], 32), (33, [4, 8, 16, 32], 4),
    ):  # fmt: skip
        tried.clear()
        monkeypatch.setattr(rank, "search", searched(fits_from))
        assert best(wanted).nodes == nodes  # type: ignore[attr-defined]
        assert tried == [(n,) for n in counts]
    tried.clear()
    best(replace(wanted, node_counts=(3,)))
    assert tried == [(3,)]


# --- one cluster ------------------------------------------------------------------------------------------------------


def test_words_for_how_it_fits() -> None:
    assert [fit_word(margin, 1000.0) for margin in (-1.0, 0.0, 49.9, 50.0, 51.0)] == [
        "OOM",
        "tight",
        "tight",
        "ok",
        "ok",
    ]


class _Told:
    """An evaluator that is told step and memory of every micro batch size."""

    objective, weight = "step_s", 1.0
    limits = (Limit("memory", "used_bytes", 10.0), Limit("deadline", "step_s", 5.0), Limit("budget", "step_s", 4.0))

    def __init__(self, values: dict[int, tuple[float, float]]) -> None:
        self.values = values

    def __call__(self, chunk: Layouts) -> Terms:
        each = [self.values[chunk.row(i).micro_batch] for i in range(len(chunk))]
        return Terms(
            len(each), {"step_s": np.array([s for s, _ in each]), "used_bytes": np.array([u for _, u in each])}
        )


def absorbed(values: list[tuple[float, float]], kept: int = 24, meshes: list[int] | None = None) -> tuple[Found, Tally]:
    """What a chunk of rows with these steps and bytes leaves; meshes: dp of each."""
    found, tally = Found(None, 1.0, 10.0, kept), Tally()  # type: ignore[arg-type]
    dp = meshes or [1] * len(values)
    rows = [Layout(micro_batch=i, dp=d) for i, d in enumerate(dp)]
    layouts._absorb(found, Layouts.of(rows), _Told(dict(enumerate(values))), tally)
    return found, tally


def test_a_chunk_is_counted_by_reason() -> None:
    # At the limit it fits, and it is in time.
    found, tally = absorbed([(1.0, 11.0), (6.0, 10.0), (5.0, 10.0), (4.0, 10.0), (3.0, 1.0), (0.5, 12.0)])
    assert tally.rejected == {"memory": 2, "deadline": 1, "budget": 1}
    assert (found.evaluated, found.fitting) == (6, 4)
    assert [one[2].micro_batch for one in found.best(9)] == [4]
    assert found.fastest == (3.0, Layout(micro_batch=4))
    assert found.nearest is None


def test_a_chunk_that_does_not_fit_leaves_its_nearest() -> None:
    found, tally = absorbed([(1.0, 14.0), (2.0, 12.0), (3.0, 12.0)])
    assert (tally.rejected, found.nearest, found.fastest) == ({"memory": 3}, (12.0, Layout(micro_batch=1)), None)
    rows = Layouts.of([Layout(micro_batch=5), Layout(micro_batch=0)])
    assert layouts._least((12.0, Layout(micro_batch=3)), rows, np.array([12.0, 13.0])) == (12.0, Layout(micro_batch=3))
    assert layouts._least((12.0, Layout(micro_batch=7)), rows, np.array([12.0, 13.0])) == (12.0, Layout(micro_batch=5))
    assert layouts._least((11.0, Layout(micro_batch=7)), rows, np.array([12.0, 13.0])) == (11.0, Layout(micro_batch=7))
    assert layouts._least((13.0, Layout(micro_batch=7)), rows, np.array([13.0, 12.0])) == (12.0, Layout(micro_batch=0))


def test_the_best_row_of_each_mesh() -> None:
    # Ties by memory, then by the layout.
    found, _ = absorbed([(2.0, 5.0), (2.0, 4.0), (2.0, 4.0), (1.0, 9.0), (3.0, 1.0)], meshes=[1, 1, 1, 2, 4])
    assert [(step, used, one.micro_batch) for step, used, one in found.best(9)] == [
        (1.0, 9.0, 3),
        (2.0, 4.0, 1),
        (3.0, 1.0, 4),
    ]
    assert [one[2].micro_batch for one in found.best(2)] == [3, 1]
    # The second best of two kept meshes is the ceiling; before there are two there is none.
    assert found.ceiling == inf
    few, _ = absorbed([(2.0, 5.0), (1.0, 9.0), (3.0, 1.0)], kept=2, meshes=[1, 2, 4])
    assert (few.ceiling, len(few.pool)) == (2.0, 2)
    again = Layouts.of([Layout(micro_batch=0, dp=1), Layout(micro_batch=1, dp=8)])
    layouts._pool(few, again, np.array([1.5, 2.5]), np.array([5.0, 5.0]))
    assert [(step, one.dp) for step, _, one in few.best(9)] == [(1.0, 2), (1.5, 1)]
    assert few.ceiling == 1.5
    # As fast as the ceiling is still kept.
    layouts._pool(few, again, np.array([9.0, 1.5]), np.array([5.0, 5.0]))
    assert [(step, one.dp) for step, _, one in few.best(9)] == [(1.0, 2), (1.5, 1), (1.5, 8)]


def test_rows_that_miss_a_target_are_in_no_pool() -> None:
    found, _ = absorbed([(9.0, 5.0), (8.0, 5.0)])
    assert (found.pool, found.fastest) == ({}, (8.0, Layout(micro_batch=1)))


def test_stretches_of_one_mesh() -> None:
    rows = [Layout(dp=1), Layout(dp=1, micro_batch=2), Layout(dp=2), Layout(dp=2, tp=2), Layout(dp=1), Layout(dp=1)]
    assert layouts._stretches(Layouts.of(rows)).tolist() == [0, 2, 3, 4]
    assert layouts._stretches(Layouts.of(rows[:1])).tolist() == [0]


def test_winners_that_nearly_follow_the_search_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[int] = []
    found = SimpleNamespace(best=lambda count: asked_for.append(count) or [(1.0, 1.0, n) for n in range(count)])
    monkeypatch.setattr(parallel, "search_cluster", lambda *all_of_it: found)
    planner = SimpleNamespace(
        objectives={"plain": Objective(lambda e: e.value), "nearly": Objective(lambda e: e.value, nearly=True)},
        rows=lambda request, cluster, chosen: [SimpleNamespace(value=-n, nodes=1) for n in chosen],
        speed=lambda e: 1.0,
    )
    monkeypatch.setattr(parallel, "PLANNERS", {"fake": planner})
    cluster: Any = SimpleNamespace(workload=SimpleNamespace(kind="fake"))
    for objective, rows, looked, values in (
        ("plain", 2, 2, [0, -1]), ("nearly", 2, 24, [-23, -22]), ("nearly", 30, 30, list(range(0, -30, -1))),
    ):  # fmt: skip
        asked_for.clear()
        made = parallel.search_part(SimpleNamespace(objective=objective), cluster, rows)  # type: ignore[arg-type]
        assert asked_for == [looked]
        assert [one.value for one in made.rows] == values  # type: ignore[attr-defined]


# --- training ---------------------------------------------------------------------------------------------------------


def cluster_of(plan_request: Any, nodes: int = 2) -> Any:
    return next(c for c in rank._clusters(plan_request) if c.nodes == nodes)


def test_the_longest_steps_that_meet_the_targets() -> None:
    # 1e9 tokens in steps of 64 x 8,192: 1,907.3 steps; p5 costs 55.04 an hour.
    wanted = request("llama-3.1-8b", [P5], (2,), global_batch=64, seq_len=8192, tokens=1e9)
    steps = 1e9 / (64 * 8192)
    deadline, budget = training._longest_steps(replace(wanted, deadline_s=1000.0, budget_usd=50.0), cluster_of(wanted))
    assert deadline == pytest.approx(1000.0 / steps)
    assert budget == pytest.approx(50.0 / (2 * 55.04) * 3600.0 / steps)
    assert training._longest_steps(wanted, cluster_of(wanted)) == (inf, inf)
    nothing = replace(wanted, tokens=0.0, deadline_s=1000.0, budget_usd=50.0)
    assert training._longest_steps(nothing, cluster_of(nothing)) == (inf, inf)
    unknown = request("llama-3.1-8b", [P5E], (2,), tokens=1e9, budget_usd=50.0, deadline_s=7.0)
    assert training._longest_steps(unknown, cluster_of(unknown))[1] == inf
    # A budget that nobody can hold a cluster to: nothing is left out, so that all are counted.
    assert TRAINING.pruning(unknown, cluster_of(unknown)) is None
    assert TRAINING.pruning(wanted, cluster_of(wanted)) is not None
    evaluator = TRAINING.evaluator(replace(wanted, deadline_s=1000.0), cluster_of(wanted))
    assert [(limit.reason, limit.term) for limit in evaluator.limits] == [
        ("memory", "used_bytes"), ("deadline", "step_s"), ("budget", "step_s"),
    ]  # fmt: skip
    assert evaluator.limits[0].most == load_instance(P5).accelerator.memory_bytes
    assert (evaluator.weight, evaluator.objective) == (pytest.approx(steps), "step_s")
    assert TRAINING.evaluator(nothing, cluster_of(nothing)).weight == 1.0


def test_partial_recomputation_near_a_winner() -> None:
    wanted = request("llama-3.1-8b", [P5], (2,))
    scope = TRAINING.scope(wanted, cluster_of(wanted))
    assert not scope.exhaustive
    winner = Layout(pp=4, vpp=2, schedule=1, dp=4, recompute=Recompute.FULL)
    # 8 layers a stage in two chunks: as many in each.
    rows = TRAINING.refined(scope, [winner, Layout(dp=16), replace(winner, recompute=Recompute.SELECTIVE)])
    assert rows is not None
    assert [rows.row(i).recompute_layers for i in range(len(rows))] == [2, 4, 6]
    assert replace(rows.row(0), recompute_layers=0) == winner
    assert TRAINING.refined(scope, [Layout(dp=16)]) is None
    fixed = TRAINING.scope(replace(wanted, fixed={"recompute_layers": (0,)}), cluster_of(wanted))
    assert TRAINING.refined(fixed, [winner]) is None
    assert TRAINING.scope(replace(wanted, options={"exhaustive": True}), cluster_of(wanted)).exhaustive


def test_a_row_in_full() -> None:
    wanted = request("llama-3.1-8b", [P5], (2,), global_batch=64, seq_len=8192, tokens=1e9)
    (found,) = training.estimates(cluster_of(wanted), [Layout(dp=16, sharding=1)], {"tp": (1,)}, True)
    steps, terms = 1e9 / (64 * 8192), found.terms
    assert found.run_s == pytest.approx(steps * terms["step_s"])
    assert (found.run_low_s, found.run_high_s) == (steps * terms["step_low_s"], steps * terms["step_high_s"])
    assert found.run_usd == pytest.approx(110.08 * found.run_s / 3600.0)
    assert found.usd_per_h == pytest.approx(110.08)
    assert found.usd_per_billion_tokens == pytest.approx(110.08 / 3600.0 / terms["tokens_per_s"] * 1e9)
    assert found.run_wh == pytest.approx(terms["power_w"] * found.run_s / 3600.0)
    assert (found.resolution, found.notes, found.nodes, found.framework) == (0.12, (), 2, "megatron")
    assert "tp" not in found.chosen
    assert (found.chosen["dp"], found.chosen["sharding"], "global_batch" in found.chosen) == ("16", "zero1", False)
    plain = replace(wanted, tokens=0.0, global_batch=None)
    (other,) = training.estimates(cluster_of(plain), [Layout(dp=16)], {}, False)
    assert (other.run_s, other.run_low_s, other.run_high_s, other.run_usd, other.run_wh) == (None,) * 5
    assert other.chosen["global_batch"] == str(other.workload.global_batch) == "512"
    assert training.estimates(cluster_of(plain), [], {}, False) == []


def test_notes_of_a_row() -> None:
    def notes(on: str, layout: Layout, model: str = "llama-3.1-8b") -> tuple[str, ...]:
        wanted = request(model, [on], (2,), global_batch=512)
        return training._notes(cluster_of(wanted), layout)

    short, crossing = "layers do not divide over the stages: end stages are shorter", "expert parallelism crosses EFA"
    assert notes(P5, Layout(pp=4)) == notes(P5, Layout(pp=4, vpp=4)) == ()
    assert notes(P5, Layout(pp=4, vpp=3)) == notes(P5, Layout(pp=3)) == (short,)
    assert notes(P5, Layout(ep=8)) == notes(P5, Layout(ep=4, etp=2)) == ()
    assert notes(P5, Layout(ep=16)) == notes(P5, Layout(ep=8, etp=2)) == (crossing,)
    rack = "one node is one UltraServer of 18 p6e-gb200.36xlarge"
    assert notes("p6e-gb200", Layout(ep=64)) == (rack,)


def test_a_row_that_came_close_carries_its_whole_run_where_one_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    from fmctl.runs import whole

    monkeypatch.setattr(whole, "bought", lambda row, run: (row, run))
    asked: Any = SimpleNamespace(run=object())
    for runs, expected in (([None], "row"), (["run"], ("row", "run"))):
        monkeypatch.setattr(whole, "whole_runs", lambda rows, request, runs=runs: runs)
        found: Any = training._run_of("row", asked)  # type: ignore[arg-type]
        assert found == expected
    assert training._run_of("row", SimpleNamespace(run=None)) == "row"  # type: ignore[arg-type, comparison-overlap]


def test_a_near_miss_names_what_is_largest() -> None:
    def missed(margin: float, **bytes_: float) -> Any:
        terms = dict.fromkeys(
            ("weights_bytes", "gradients_bytes", "optimizer_bytes", "activations_bytes", "logits_bytes",
             "buffers_bytes", "runtime_bytes"), 1.0,
        ) | bytes_  # fmt: skip
        return training._near_miss(SimpleNamespace(terms=terms | {"margin_bytes": margin}))  # type: ignore[arg-type]

    over = missed(-5.0, optimizer_bytes=2.0)
    assert (over.short_bytes, over.largest_term) == (5.0, "optimizer_bytes")
    assert over.advice == "shard optimizer states (--sharding zero1) or take more nodes"
    late = missed(3.0, logits_bytes=2.0)
    assert (late.short_bytes, late.largest_term) == (0.0, "logits_bytes")
    assert late.advice == missed(0.0).advice == "more nodes or a later deadline; fewer nodes or a larger budget"


def test_progress_and_partial_answers() -> None:
    seen: list[tuple[int, int]] = []
    so_far: list[Plan] = []
    wanted = request("llama-3.1-8b", [P5], (1, 2), fixed={"tp": (8,), "recompute": (0,)})
    whole = search(wanted, progress=lambda done, of: seen.append((done, of)), partial=so_far.append)
    assert seen == [(1, 2), (2, 2)]
    assert [(one.partial, len(one.rows)) for one in so_far] == [(True, 1)]
    assert (whole.partial, len(whole.rows)) == (False, 2)
    # A single cluster shows its best meshes, several one row each.
    alone = search(replace(wanted, node_counts=(2,), fixed={"recompute": (0,)}, top=3))
    assert len(alone.rows) == 3
    assert load_model("llama-3.1-8b").name == whole.rows[0].arch.name
