"""What is free beside a mesh, axis by axis and framework by framework, written out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fmctl.catalog import load_instance, load_model
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.plan import axes, space
from fmctl.plan.axes import Scope, divisors, meshes, option_columns, options
from fmctl.plan.constraints import Mesh
from fmctl.plan.space import Tally, default_batch, default_nodes, lots, setting_of, smallest_nodes

P5, GB200 = load_instance("p5.48xlarge"), load_instance("p6e-gb200")
LLAMA, QWEN = load_model("llama-3-8b"), load_model("qwen3-30b-a3b")  # 32 layers; 48 layers of 128 experts
ONE = Mesh(tp=1, pp=1, cp=1, ep=1, etp=1, dp=1)


def scope(framework: str = "megatron", arch: Any = LLAMA, gpus: int = 64, batch: int = 64, **more: Any) -> Scope:
    fixed, exhaustive = more.pop("fixed", {}), more.pop("exhaustive", False)
    return Scope(setting_of(arch, P5, FRAMEWORKS[framework], 4096, batch, True), gpus, fixed, exhaustive)


def free(where: Scope, **mesh: int) -> dict[tuple[str, ...], list[tuple[int, ...]]]:
    return dict(options(where, replace(ONE, **mesh)).choices)


def test_divisors() -> None:
    assert [divisors(n) for n in (1, 2, 12, 36, 97)] == [
        [1], [1, 2], [1, 2, 3, 4, 6, 12], [1, 2, 3, 4, 6, 9, 12, 18, 36], [1, 97],
    ]  # fmt: skip


def test_one_gpu_has_nothing_to_choose_but_recomputation() -> None:
    assert free(scope(gpus=1)) == {
        ("vpp", "schedule"): [(1, 0)],
        # 32 layers in four steps: all of them, then 8, 16 and 24.
        ("recompute", "recompute_layers"): [(0, 0), (1, 0), (2, 0), (2, 8), (2, 16), (2, 24)],
        ("sharding", "dp_replicate"): [(0, 1)],
        ("sequence_parallel",): [(0,)],
        ("precision",): [(0,)],
        ("cp_comm",): [(0,)],
        ("dispatcher",): [(0,)],
        ("cuda_graph",): [(0,)],
    }


def test_every_axis_of_megatron() -> None:
    found = free(scope(), tp=2, pp=4, cp=2, dp=4)
    # 8 layers a stage: chunks that divide 32 layers, or 34 (17 x 2: none of 4 v).
    assert found["vpp", "schedule"] == [(1, 0), (2, 1), (4, 1), (8, 1)]
    assert found["recompute", "recompute_layers"] == [(0, 0), (1, 0), (2, 0), (2, 2), (2, 4), (2, 6)]
    # 8 ranks, 4 of them in a node: also two copies. Weights that are not shared have no copies.
    assert found["sharding", "dp_replicate"] == [(0, 1), (1, 1), (1, 2), (3, 1), (3, 2)]
    assert (found[("sequence_parallel",)], found[("cp_comm",)]) == ([(1,)], [(0,)])
    every = free(scope(exhaustive=True), tp=2, pp=4, cp=2, dp=4)
    assert every["vpp", "schedule"] == [(1, 0), *((v, 1) for v in range(2, 9))]
    assert every["recompute", "recompute_layers"] == [(0, 0), (1, 0), *((2, n) for n in range(8))]
    assert (every[("sequence_parallel",)], every[("cp_comm",)]) == ([(0,), (1,)], [(0,), (1,), (2,)])
    assert (every[("dispatcher",)], every[("precision",)]) == ([(0,)], [(0,)])


@pytest.mark.parametrize(
    ("layers", "pp", "chunks"),
    [
        (32, 1, [1]),
        (32, 2, [1, 2, 4, 8, 16]),
        # 30 and 32 are tried: 4 x 2 divides 32, of which the ends give up a layer each.
        (30, 4, [1, 2, 4]),
        # Neither 31 nor 33 are multiples of 4: up to four chunks are tried.
        (31, 4, [1, 2, 3, 4]),
        (31, 16, [1]),
        # 3 x 5 divides 15: one chunk and three are two choices, so two chunks are not tried.
        (15, 5, [1, 3]),
        (4, 8, []),
    ],
)
def test_chunks(layers: int, pp: int, chunks: list[int]) -> None:
    arch = replace(LLAMA, pattern=LLAMA.pattern[:1] * layers)
    found = free(scope(arch=arch), pp=pp)["vpp", "schedule"]
    assert found == [(v, 1 if v > 1 else 0) for v in chunks]


def test_frameworks_that_have_less() -> None:
    nano = free(scope("nanotron"), tp=2, pp=4, dp=8)
    assert nano["vpp", "schedule"] == [(1, 0)]
    assert nano["recompute", "recompute_layers"] == [(0, 0), (2, 0), (2, 2), (2, 4), (2, 6)]
    assert nano["sharding", "dp_replicate"] == [(0, 1), (1, 1), (1, 2)]
    # DeepSpeed's context ranks are data ranks: its sequences are not split between tensor ranks beside them.
    assert free(scope("deepspeed"), tp=2, cp=2)[("sequence_parallel",)] == [(0,)]
    assert free(scope("deepspeed"), tp=2, cp=1)[("sequence_parallel",)] == [(1,)]
    assert free(scope("deepspeed"), cp=2)[("cp_comm",)] == [(2,)]
    # Composer has no tensor ranks, and no context ranks to exchange for.
    assert free(scope("composer"), tp=2, cp=2) | {} == {
        ("vpp", "schedule"): [(1, 0)],
        ("recompute", "recompute_layers"): [(0, 0), (1, 0), (2, 0), (2, 8), (2, 16), (2, 24)],
        ("sharding", "dp_replicate"): [(0, 1), (2, 1), (3, 1)],
        ("sequence_parallel",): [(0,)],
        ("precision",): [(0,)],
        ("cp_comm",): [(0,)],
        ("dispatcher",): [(0,)],
        ("cuda_graph",): [(0,)],
    }


def test_experts_are_dispatched_in_two_ways_where_all_is_asked_for() -> None:
    assert free(scope(arch=QWEN), ep=8, dp=8)[("dispatcher",)] == [(0,)]
    assert free(scope(arch=QWEN, exhaustive=True), ep=8, dp=8)[("dispatcher",)] == [(0,), (1,)]


def test_copies_of_states() -> None:
    def replicas(dp: int, tp: int = 1, cp: int = 1) -> list[int]:
        pairs = free(scope(fixed={"sharding": (3,)}), tp=tp, dp=dp, cp=cp)["sharding", "dp_replicate"]
        return [copies for _, copies in pairs]

    # Eight ranks lie in a node, four of them with two tensor ranks, one with eight or sixteen.
    assert [replicas(dp) for dp in (1, 8, 12, 16, 64)] == [[1], [1], [1], [1, 2], [1, 8]]
    assert (replicas(8, tp=2), replicas(4, tp=2), replicas(2, tp=8), replicas(2, tp=16)) == (
        [1, 2],
        [1],
        [1, 2],
        [1, 2],
    )
    assert replicas(4, cp=4) == [1, 2]
    # Only without shards: one rank has nothing to share.
    assert free(scope(), dp=1)["sharding", "dp_replicate"] == [(0, 1)]
    assert free(scope(), cp=2)["sharding", "dp_replicate"] == [(0, 1), (1, 1), (3, 1)]


def test_fixed_values_are_all_that_is_looked_at() -> None:
    fixed = {
        "vpp": (2,), "recompute": (2,), "recompute_layers": (3, 5), "sharding": (1,), "dp_replicate": (4,),
        "sequence_parallel": (0,), "precision": (1, 2), "cp_comm": (2,), "dispatcher": (1,), "cuda_graph": (2,),
        "schedule": (0, 1),
    }  # fmt: skip
    found = free(scope(fixed=fixed, arch=QWEN), tp=2, pp=4, cp=2, ep=2, dp=4)
    assert found == {
        ("vpp", "schedule"): [(2, 1)],
        ("recompute", "recompute_layers"): [(2, 3), (2, 5)],
        ("sharding", "dp_replicate"): [(1, 4)],
        ("sequence_parallel",): [(0,)],
        ("precision",): [(1,), (2,)],
        ("cp_comm",): [(2,)],
        ("dispatcher",): [(1,)],
        ("cuda_graph",): [(2,)],
    }
    # What one rank alone would not have is not asked of it.
    alone = free(scope(fixed=fixed, arch=QWEN))
    assert (alone[("sequence_parallel",)], alone[("cp_comm",)], alone[("dispatcher",)]) == ([(0,)], [(0,)], [(0,)])


def test_meshes_of_two_gpus() -> None:
    found = [(m.tp, m.pp, m.cp, m.dp) for m in meshes(scope(gpus=2))]
    assert found == [(1, 1, 1, 2), (1, 1, 2, 1), (1, 2, 1, 1), (2, 1, 1, 1)]


def test_meshes_of_experts() -> None:
    few = replace(QWEN, kinds=tuple(_experts(kind, 6) for kind in QWEN.kinds))
    found = [(m.tp, m.ep, m.etp) for m in meshes(scope(gpus=2, arch=few, fixed={"pp": (1,), "cp": (1,)}))]
    assert found == [
        (1, 1, 1), (1, 2, 1), (1, 3, 1), (1, 6, 1),
        (2, 1, 1), (2, 1, 2), (2, 2, 1), (2, 2, 2), (2, 3, 1), (2, 3, 2), (2, 6, 1), (2, 6, 2),
    ]  # fmt: skip


def _experts(kind: Any, count: int) -> Any:
    return replace(kind, feed_forward=replace(kind.feed_forward, n_experts=count))


def test_meshes_of_fixed_degrees() -> None:
    # 12 GPUs: tp of 8 and pp of 5 do not divide them; dp follows.
    where = scope(gpus=12, fixed={"tp": (2, 8), "pp": (3, 5), "cp": (1, 2, 4)})
    assert [(m.tp, m.pp, m.cp, m.dp) for m in meshes(where)] == [(2, 3, 1, 2), (2, 3, 2, 1)]
    held = scope(gpus=12, fixed={"tp": (2, 8), "pp": (3, 5), "cp": (1, 2, 4), "dp": (1,)})
    assert [(m.tp, m.pp, m.cp, m.dp) for m in meshes(held)] == [(2, 3, 2, 1)]


def test_points_of_the_grid_in_their_order() -> None:
    grid = options(scope(fixed={"recompute": (0, 1), "sharding": (1, 3)}), replace(ONE, pp=2, dp=4))
    assert (grid.count, grid.sizes) == (5 * 2 * 2, (5, 2, 2, 1, 1, 1, 1, 1))
    columns, constant = option_columns(grid, 2, 6)
    assert columns["vpp"].tolist() == [1, 1, 2, 2]
    assert columns["schedule"].tolist() == [0, 0, 1, 1]
    assert columns["recompute"].tolist() == [1, 1, 0, 0]
    assert columns["sharding"].tolist() == [1, 3, 1, 3]
    assert constant == {
        "recompute_layers", "dp_replicate", "sequence_parallel", "precision", "cp_comm", "dispatcher", "cuda_graph",
    }  # fmt: skip


def test_lots_and_what_cannot_be_one() -> None:
    tally = Tally()
    found = list(lots(scope(gpus=4, batch=6, fixed={"pp": (1,), "cp": (1,), "recompute": (0,)}), tally))
    # Four data ranks do not divide 6 sequences: micro batches of 1 (6 // 4) x three shardings are counted out.
    assert [(lot.mesh.tp, lot.mesh.dp, lot.micro.tolist(), lot.count) for lot in found] == [
        (2, 2, [1, 3], 6),
        (4, 1, [1, 2, 3, 6], 4),
    ]
    assert (tally.candidates, tally.rejected) == (3, {"batch": 3})
    # More ranks than sequences: a micro batch of one is counted.
    few = Tally()
    assert list(lots(scope(gpus=8, batch=4, fixed={"tp": (1,), "pp": (1,), "cp": (1,), "recompute": (0,)}), few)) == []
    assert few.rejected == {"batch": 3}


def test_tallies_add_up() -> None:
    one, two = Tally(3, {"a": 1}), Tally(4, {"a": 2, "b": 5})
    one.add(two)
    one.reject("c", 0)
    one.reject("b", 1)
    assert (one.candidates, one.rejected) == (7, {"a": 3, "b": 6})


def test_batches_where_none_is_stated() -> None:
    # 4,194,304 tokens are 1,024 sequences of 4,096; 72 GPUs are 9 x 8: 1,024 / 9 is nearest to 128.
    assert [default_batch(4096, gpus) for gpus in (1, 8, 72, 24, 2048)] == [1024, 1024, 9 * 128, 3 * 256, 1024]
    assert (default_batch(2**20, 8), default_batch(2**23, 8), default_batch(2**23, 24)) == (4, 1, 3)
    assert default_batch(2**20, 7) == 7


def test_nodes_that_hold_a_model() -> None:
    # 18 bytes of 8.03e9 parameters are 144.5 GB; a node of 8 holds 0.8 x 8 x 85.5 GB. Of 405.9e9: 7.3 TB, 13.3 nodes.
    assert smallest_nodes(LLAMA, P5) == 1
    assert smallest_nodes(load_model("llama-3.1-405b"), P5) == 16
    # Degrees that are stated need their GPUs; a field with two values states nothing.
    assert smallest_nodes(LLAMA, P5, {"tp": (8,), "pp": (3,)}) == 4
    assert smallest_nodes(LLAMA, P5, {"tp": (8,), "pp": (2,)}) == 2
    assert smallest_nodes(LLAMA, P5, {"tp": (8, 4), "pp": (3,)}) == 1
    # All four: exactly as many, whatever they hold.
    four = {"tp": (8,), "pp": (3,), "cp": (1,), "dp": (1,)}
    assert smallest_nodes(load_model("llama-3.1-405b"), P5, four) == 3
    assert smallest_nodes(LLAMA, P5, four | {"pp": (1,), "tp": (1,)}) == 1
    assert smallest_nodes(LLAMA, P5, four | {"tp": (1,), "pp": (9,)}) == 2
    assert default_nodes(LLAMA, P5) == (1, 2, 4, 8, 16, 32, 64, 128)
    assert default_nodes(load_model("llama-3.1-405b"), P5) == (16, 32, 64, 128)
    assert default_nodes(LLAMA, GB200) == (1, 2, 4, 8)


def test_a_model_of_exactly_the_room() -> None:
    """The boundary: a cluster whose room is just what the states take holds the model."""
    room = 0.8 * 8 * 1000
    tiny = replace(P5, accelerator=replace(P5.accelerator, memory_bytes=1000))
    from fmctl.perf.layer.counts import parameters

    needed = 18.0 * parameters(LLAMA).total
    nodes = smallest_nodes(LLAMA, tiny)
    assert nodes // 2 * room < needed <= nodes * room


def test_precisions_that_gpu_and_framework_have() -> None:
    def codes(framework: str, on: str) -> tuple[int, ...]:
        return setting_of(LLAMA, load_instance(on), FRAMEWORKS[framework], 4096, 64, True).precisions

    assert codes("megatron", "p4d.24xlarge") == (0,)
    assert codes("megatron", "p5.48xlarge") == (0, 1, 2)
    assert codes("megatron", "p6-b200.48xlarge") == (0, 1, 2, 3)
    assert codes("deepspeed", "p6-b200.48xlarge") == (0, 1)


def test_blocks_are_joined_to_chunks() -> None:
    where = scope(gpus=8, fixed={"pp": (1,), "cp": (1,)})
    whole = list(space.candidates(where, Tally(), 10**6))
    assert len(whole) == 1
    total = len(whole[0])
    # A block of half a chunk and more is a chunk by itself; smaller ones wait until a chunk is full.
    for size in (7, 40, total, total + 1):
        parts = list(space.candidates(where, Tally(), size))
        assert sum(len(part) for part in parts) == total
        assert {part.row(i) for part in parts for i in range(len(part))} == {whole[0].row(i) for i in range(total)}
    assert max(len(part) for part in space.candidates(where, Tally(), 40)) < 80
    # A field that all rows share stays one number, another becomes a column.
    assert whole[0]["pp"].ndim == 0
    assert np.unique(whole[0]["tp"]).tolist() == [1, 2, 4, 8]
    assert axes.MESH_FIELDS == ("tp", "pp", "cp", "ep", "etp", "dp")
