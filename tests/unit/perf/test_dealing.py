"""Layers dealt to stages by hand where they do not divide, the columns that terms are computed once for, the floor."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fmctl.domain.layout import Layout, Layouts
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.layer.counts import layer_params
from fmctl.perf.ops.calibration import PRIOR
from fmctl.perf.ops.columns import code_column, column, narrow_column, unique
from fmctl.perf.train.evaluate import evaluate
from fmctl.perf.train.floor import micro_batch_s, step_floor_s
from fmctl.perf.train.stages import (
    chunk_layers,
    chunk_sizes,
    head_layers,
    sizes_by_cost,
    stage_kinds,
    stage_slots,
    stage_table,
)
from fmctl.perf.train.step import LayerSeconds, _stage_times
from tests.unit.perf.helpers import instance, model

L8, V3 = model("llama-3.1-8b"), model("deepseek-v3")


@pytest.mark.parametrize(
    ("layers", "chunks", "mtp", "head", "sizes"),
    [
        (8, 4, 0, 1, [2, 2, 2, 2]),
        (7, 1, 0, 5, [7]),
        (7, 1, 2, 5, [7]),
        # Nine equivalents with the ends' over three chunks: three each, of which the ends hold one beside layers.
        (7, 3, 0, 1, [2, 3, 2]),
        # What the floor leaves over goes to the middle first, then to the first chunk, then to the last.
        (9, 4, 0, 1, [2, 3, 3, 1]),
        (10, 4, 0, 1, [2, 3, 3, 2]),
        (11, 4, 0, 1, [2, 4, 3, 2]),
        (13, 4, 0, 1, [3, 4, 4, 2]),
        # A head of three layers.
        (13, 4, 0, 3, [3, 5, 4, 1]),
        # An MTP layer and its logits beside the head's: two equivalents a chunk. The last has three without any layer;
        # the first gives up its layer for it.
        (4, 4, 1, 1, [0, 2, 2, 0]),
        (8, 4, 1, 1, [2, 3, 3, 0]),
        (16, 4, 1, 1, [4, 5, 5, 2]),
        (16, 4, 2, 1, [4, 6, 6, 0]),
        (16, 2, 1, 1, [9, 7]),
        # An end that is fuller than the level is paid for by the others.
        (5, 3, 0, 9, [2, 3, 0]),
        (5, 2, 0, 20, [5, 0]),
        (3, 2, 0, 1, [2, 1]),
    ],
)
def test_chunks_by_layer_equivalents(layers: int, chunks: int, mtp: int, head: int, sizes: list[int]) -> None:
    assert chunk_sizes(layers, chunks, mtp, head) == sizes


def test_layers_that_the_head_is_worth() -> None:
    # V h = 525 M over (8.03e9 - 2 V h) / 32 = 218 M: 2.4 layers; an eighth of the vocabulary is still one.
    assert head_layers(L8) == 2
    assert head_layers(replace(L8, vocab=L8.vocab // 8)) == 1
    assert head_layers(replace(L8, vocab=L8.vocab * 2)) == 5


def test_stages_by_cost() -> None:
    # Layers of 218.1 M and a head of 525.3 M: 7,504 M in all. 4 stages of 1,876 M: nine layers pass it, then the 18th
    # (3,926 M > 3,752 M), the 26th (5,671 M > 5,628 M); the last has the other six and the head.
    assert sizes_by_cost(L8, 4) == [9, 9, 8, 6]
    assert sizes_by_cost(L8, 1) == [32]
    few = replace(L8, pattern=L8.pattern[:2])
    # Two layers of 961 M in all: the head alone is more than half, and has the last stage to itself.
    assert sizes_by_cost(few, 2) == [2, 0]
    assert sum(sizes_by_cost(few, 4)) == 2
    assert stage_kinds(L8, 4, 1, by_cost=True) == [[9], [9], [8], [6]]
    assert stage_kinds(L8, 4, 2, by_cost=True) == stage_kinds(L8, 4, 2) == [[8]] * 4
    assert stage_kinds(L8, 1, 1, by_cost=True) == [[32]]


def test_chunks_of_a_stage_lie_apart() -> None:
    # Three dense layers first, then experts: chunk c lies on stage c mod pp.
    short = replace(V3, pattern=V3.pattern[:12], mtp_layers=0)
    assert stage_kinds(short, 3, 2) == [[2, 2], [1, 3], [0, 4]]
    assert stage_kinds(short, 3, 1) == [[3, 1], [0, 4], [0, 4]]


def test_slots_of_a_pipeline() -> None:
    dense, routed = (layer_params(kind, V3) for kind in V3.kinds)
    short = replace(V3, pattern=V3.pattern[:12], mtp_layers=1)
    h, table = short.hidden, short.vocab * short.hidden
    only = stage_slots(short, 1, 1)
    assert only[0] == only[1]
    outside = 2 * table + 2 * h * h
    assert only[0][0] == (3, 10)
    assert only[0][1] == 3 * dense.total + 10 * (routed.total - routed.routed) + outside
    assert (only[0][2], only[0][3]) == (10 * routed.routed, 0)
    first, last, *middle = stage_slots(replace(short, mtp_layers=0), 4, 1)
    assert (first[0], first[1], first[2:]) == ((3, 0), 3 * dense.total + table, (0.0, 0))
    assert (last[0], last[1], last[3]) == ((0, 3), 3 * (routed.total - routed.routed) + table, 3)
    assert [(m[0], m[1], m[3]) for m in middle] == [((0, 3), 3 * (routed.total - routed.routed), 1)]
    tied = stage_slots(replace(L8, tied_embeddings=True), 2, 1)
    assert tied[1][1] == 16 * layer_params(L8.kinds[0], L8).total + L8.vocab * L8.hidden


def test_middle_stages_that_others_dominate_are_left_out() -> None:
    kinds = V3.kinds
    # Of the stages in the middle none dominates another.
    five = replace(V3, kinds=kinds, pattern=(0, 0, 0, 1, 1, 1, 0, 1, 0, 0), mtp_layers=0)
    assert [slot[0] for slot in stage_slots(five, 5, 1)] == [(2, 0), (2, 0), (1, 1), (0, 2)]
    uneven = replace(V3, pattern=(0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1), mtp_layers=0)
    assert [slot[0] for slot in stage_slots(uneven, 6, 1)] == [(2, 0), (0, 2), (2, 0), (1, 1), (0, 2)]
    # Four that none dominates are bounded by the most of each kind.
    three = (*kinds, replace(kinds[1], name="third"))
    many = replace(V3, kinds=three, pattern=(0, 0, 0, 0, 1, 1, 2, 2, 0, 1, 0, 0), mtp_layers=0)
    found = [slot[0] for slot in stage_slots(many, 6, 1)]
    assert found == [(2, 0, 0), (2, 0, 0), (2, 2, 2)]


def test_slots_are_padded_by_the_first_stage() -> None:
    table = stage_table(L8, Layouts.of([Layout(pp=1), Layout(pp=4), Layout(pp=2)]))
    assert [slot[0].tolist() for slot in table.layers] == [[32, 8, 16], [32, 8, 16], [32, 8, 16]]
    assert [p.tolist() for p in table.position] == [[0, 0, 0], [0, 3, 1], [0, 1, 0]]
    assert table.widest_layers.tolist() == [32, 8, 16]
    assert table.dense_params[2][0] == table.dense_params[0][0]
    assert table.dense_params[2][2] == table.dense_params[0][2]
    assert table.dense_params[2][1] < table.dense_params[0][1]


@pytest.mark.parametrize(
    ("layers", "chunks", "found"),
    [
        (32, 4, (9, 1, 1)),  # 34 over four are nine each, and four of nine hold 34
        (30, 4, (8, 1, 1)),
        (31, 4, (9, 1, 1)),
        (6, 8, None),  # one layer a chunk at least beside what the ends leave out
        (8, 8, (1, 0, 0)),
        (7, 4, (2, 1, 0)),
        (16, 9, (2, 1, 1)),
        (8, 5, (2, 1, 1)),
        (9, 5, (2, 1, 0)),
        (10, 5, (2, 0, 0)),
        (4, 4, (1, 0, 0)),
        (32, 20, None),
    ],
)
def test_chunks_of_torchtitan(layers: int, chunks: int, found: tuple[int, int, int] | None) -> None:
    assert chunk_layers(layers, chunks) == found


# --- columns ----------------------------------------------------------------------------------------------------------


def rows(**columns: list[int]) -> Layouts:
    n = len(next(iter(columns.values())))
    return Layouts(n, {name: np.array(values) for name, values in columns.items()})


@pytest.mark.parametrize(
    ("tp", "dp"),
    [
        ([1, 2, 1, 4, 2], [8, 8, 8, 2, 1]),
        ([1, 1, 1, 1, 1], [1, 2, 3, 2, 1]),
        ([1, 1, 1, 1, 1], [7, 7, 7, 7, 7]),
        # Beyond the tables: values of more than 2^16, and more than 2^22 combinations of them.
        ([1, 2, 1, 4, 2], [70_000, 3, 70_000, 65_537, 3]),
        ([65_536, 2, 65_536, 4, 2], [65_536, 3, 65_536, 65_535, 3]),
    ],
)
def test_combinations_are_those_of_a_set(tp: list[int], dp: list[int]) -> None:
    found = unique(rows(tp=tp, dp=dp), ("tp", "dp"))
    pairs = [(found.layouts.row(int(i)).tp, found.layouts.row(int(i)).dp) for i in found.index]
    assert pairs == list(zip(tp, dp, strict=True))
    assert len(found.layouts) == len(set(pairs))
    values = np.arange(float(len(found.layouts)))
    assert found.gather(values).tolist() == [float(i) for i in found.index]
    assert float(found.gather(np.asarray(3.0))) == 3.0


def test_more_combinations_than_a_table_holds() -> None:
    rng = np.random.default_rng(1)
    tp, dp = (rng.integers(1, 3000, 6000) for _ in range(2))
    found = unique(rows(tp=tp.tolist(), dp=dp.tolist()), ("tp", "dp"))
    assert len(found.layouts) == len(set(zip(tp.tolist(), dp.tolist(), strict=True)))
    assert np.array_equal(found.layouts["tp"][found.index], tp)
    assert np.array_equal(found.layouts["dp"][found.index], dp)


def test_one_row_and_fields_that_are_shared() -> None:
    one = unique(rows(tp=[4], dp=[2]), ("tp", "dp"))
    assert (one.index.tolist(), len(one.layouts)) == ([0], 1)
    shared = unique(Layouts(3, {"tp": 2, "dp": np.array([1, 1, 2])}), ("tp", "dp"))
    assert (shared.index.tolist(), len(shared.layouts)) == ([0, 0, 1], 2)
    none = unique(Layouts(3, {"tp": 2, "dp": np.array([1, 1, 2])}), ("tp",))
    assert (none.index.tolist(), len(none.layouts)) == ([0, 0, 0], 1)


def test_columns_of_shared_fields() -> None:
    some = Layouts(3, {"tp": 2, "dp": np.array([1, 1, 2])})
    assert (column(some, "tp").tolist(), column(some, "dp").tolist()) == ([2.0, 2.0, 2.0], [1.0, 1.0, 2.0])
    assert (code_column(some, "tp").tolist(), code_column(some, "dp").tolist()) == ([2, 2, 2], [1, 1, 2])
    assert (narrow_column(some, "tp").shape, narrow_column(some, "dp").tolist()) == ((), [1.0, 1.0, 2.0])


# --- the floor, and what the model resolves ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama-3.1-8b", "deepseek-v3"])
def test_the_floor_of_one_stage_is_its_micro_batch(name: str) -> None:
    """Without a pipeline: what is left of the step's micro batches once MTP layers are out."""
    arch = replace(model(name), pattern=model(name).pattern[-4:])
    work, on, framework = TrainingWorkload(4096, 64), instance("p5.48xlarge"), FRAMEWORKS["megatron"]
    layout = Layouts.of([Layout(tp=2, dp=4, sharding=1, sequence_parallel=1)])
    whole, forward = micro_batch_s(arch, work, on, layout, framework, PRIOR)
    terms = evaluate(arch, work, on, layout, framework).row(0)
    beside = ("bubble_s", "pp_exposed_s", "dp_exposed_s", "optimizer_s", "overhead_s", "straggler_s")
    micro = (terms["step_s"] - sum(terms[part] for part in beside)) / 16
    full = Layouts.of([Layout(tp=2, dp=4, sharding=1, sequence_parallel=1, recompute=2)])
    again = evaluate(arch, work, on, full, framework).row(0)["recompute_s"] / 16
    # An MTP layer is a fifth layer like the last one; layers alone make the rest.
    layers = 4 + arch.mtp_layers
    ends = terms["logits_s"] / 16
    assert float(forward[0]) == pytest.approx(again * 4 / layers, rel=1e-9)
    assert float(whole[0]) == pytest.approx((micro - ends) * 4 / layers + ends, rel=1e-9)


def test_the_floor_of_stages() -> None:
    # 8 s per micro batch over 4 stages: 8 micro batches of 2 s, and a bubble of 3 x 2 s, or half of it in two chunks.
    found = step_floor_s(np.array(8.0), np.array(8.0), np.array(4.0), np.array([3.0, 1.5, 0.0]))
    assert found.tolist() == [22.0, 19.0, 16.0]


def test_of_stages_that_are_as_slow_the_first_counts() -> None:
    one = np.array([1.0])
    nothing = LayerSeconds([one], [2.0 * one], 0.0 * one, 0.0 * one, 0.0 * one)
    rows = SimpleNamespace(layouts=[0], single=np.array([False]), recomputed=0.0 * one)
    for layers, slowest in (([1.0, 1.0, 1.0], 0), ([1.0, 2.0, 2.0], 1), ([1.0, 1.0, 2.0], 2), ([3.0, 1.0, 2.0], 0)):
        states = SimpleNamespace(layers=[[n * one] for n in layers])
        found = _stage_times(rows, states, nothing)  # type: ignore[arg-type]
        assert (int(found.slowest[0]), float(found.slowest_s[0])) == (slowest, 3.0 * max(layers))
        assert (float(found.forward_s[0]), float(found.backward_s[0])) == (max(layers), 2.0 * max(layers))


def test_what_the_model_resolves() -> None:
    assert (PRIOR.resolution(True), PRIOR.resolution(False)) == (0.335, 0.12)
    rates = [PRIOR.sustained_gemm(name, low) for name in ("ampere", "hopper", "blackwell") for low in (False, True)]
    assert rates == [0.918, 0.918, 0.889, 1.06, 0.663, 0.996]
    assert [PRIOR.sustained_gemm("blackwell-ultra", low) for low in (False, True)] == [0.663, 0.996]
