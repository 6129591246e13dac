"""Rules that come from a framework's limits, one by one: a framework that has all of Megatron's but one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fmctl.catalog import load_model
from fmctl.domain.layout import Sharding
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.plan.constraints import MESH_RULES, Mesh, Setting, mesh_reason, option_reasons, untold_layers

ONE = Mesh(tp=1, pp=1, cp=1, ep=1, etp=1, dp=1)
DENSE, MOE = load_model("llama-3-8b"), load_model("mixtral-8x7b")  # 32 layers, 32 heads; 8 experts
Z0, Z1, Z2, Z3 = Sharding
MEGATRON = FRAMEWORKS["megatron"]


def setting(arch: Any = DENSE, batch: int = 64, **limits: Any) -> Setting:
    framework = replace(MEGATRON, limits=replace(MEGATRON.limits, **limits))
    return Setting(arch, framework, 4096, batch, 8, True, (0, 1))


def broken(mesh: dict[str, int], where: Setting) -> list[str]:
    return [rule.key for rule in MESH_RULES if rule.rejects(replace(ONE, **mesh), where)]


# By reason: a setting, a mesh that keeps the rule and one that breaks it and no other.
CASES: dict[str, tuple[Setting, dict[str, int], dict[str, int]]] = {
    "pipeline": (setting(pipeline=False), {"pp": 1}, {"pp": 2}),
    "tensor": (setting(tensor=False), {"tp": 1}, {"tp": 2}),
    "context": (setting(cp_comms=()), {"cp": 1}, {"cp": 2}),
    # 32 heads over 4 tensor ranks are 8 over the context ranks.
    "ulysses": (setting(cp_comms=("all-to-all",)), {"tp": 4, "cp": 8}, {"tp": 4, "cp": 16}),
    "etp": (setting(MOE, expert_tp=False), {"tp": 2, "etp": 1}, {"tp": 2, "etp": 2}),
    "data-experts": (setting(MOE, data_groups=True), {"dp": 4, "ep": 4}, {"tp": 2, "dp": 2, "ep": 4}),
    "tp-domain": (setting(), {"tp": 8}, {"tp": 32}),
}


@pytest.mark.parametrize("reason", CASES)
def test_a_limit_rejects_one_mesh_and_no_other(reason: str) -> None:
    where, kept, refused = CASES[reason]
    assert broken(kept, where) == []
    assert broken(refused, where) == [reason]
    assert mesh_reason(replace(ONE, **refused), where) == reason


def test_groups_of_data_ranks_beside_a_pipeline() -> None:
    assert broken({"pp": 2}, setting(data_groups=True)) == []
    assert broken({"cp": 2}, setting(data_groups=True)) == []
    assert broken({"pp": 2, "cp": 2}, setting(data_groups=True)) == ["data-groups"]
    assert broken({"pp": 2, "cp": 2}, setting()) == []
    assert broken({"pp": 2}, setting(MOE, data_groups=True)) == ["data-groups"]
    assert broken({"pp": 1}, setting(MOE, data_groups=True)) == []


def test_limits_that_are_not_there_reject_nothing() -> None:
    """What another exchange of keys allows, and tensor ranks that were asked for beyond the domain."""
    assert broken({"tp": 4, "cp": 16}, setting(cp_comms=("ring", "all-to-all"))) == []
    assert broken({"tp": 32}, replace(setting(), tp_within_domain=False)) == []
    assert broken({"dp": 2, "tp": 2, "etp": 2}, setting()) == ["no-experts"]


def test_mixers_that_are_no_attention() -> None:
    """Key/value heads count where there are some; heads of every mixer count."""
    hybrid = load_model("qwen3-next-80b-a3b")
    assert {k.mixer.type for k in hybrid.kinds if k.mixer} == {"attention", "gated-delta-net"}
    assert broken({"tp": 2}, setting(hybrid)) == []
    assert "heads" in broken({"tp": 64}, setting(hybrid))
    latent = load_model("deepseek-v3")
    assert "kv-heads" not in broken({"tp": 3}, setting(latent))


def reasons(where: Setting, mesh: dict[str, int], micro: int = 1, **options: int) -> set[str]:
    plain = {"vpp": 1, "schedule": 0, "sharding": 1, "dp_replicate": 1, "precision": 0, "recompute_layers": 0}
    columns = {name: np.array([value]) for name, value in (plain | options).items()}
    found = option_reasons(replace(ONE, **mesh), where, columns, np.array([micro, micro]))
    assert all(mask.shape == (1, 2) for _, mask in found)
    return {key for key, mask in found if mask.any()}


def test_precisions() -> None:
    assert reasons(setting(), {}, precision=1) == set()
    assert reasons(setting(), {}, precision=2) == reasons(setting(), {}, precision=3) == {"precision"}
    assert reasons(replace(setting(), precisions=(3,)), {}, precision=0) == {"precision"}
    assert reasons(replace(setting(), precisions=(3,)), {}, precision=3) == set()


def test_shards_between_stages() -> None:
    for sharding, bad in ((Z0, set()), (Z1, set()), (Z2, {"fsdp-pipeline"}), (Z3, {"fsdp-pipeline"})):
        assert reasons(setting(), {"pp": 2, "dp": 2}, sharding=sharding) == bad
        assert reasons(setting(), {"dp": 2}, sharding=sharding) == set()
        assert reasons(setting(sharded_stages=True), {"pp": 2, "dp": 2}, sharding=sharding) == set()


@pytest.mark.parametrize(
    ("kind", "mesh", "copies", "bad"),
    [
        ("ranks", {"dp": 4}, 2, False),
        ("ranks", {"dp": 4}, 4, False),
        ("ranks", {"dp": 4}, 8, True),  # more copies than ranks
        ("ranks", {"dp": 4}, 3, True),
        ("ranks", {"dp": 2, "cp": 2}, 4, False),
        ("none", {"dp": 4}, 1, False),
        ("none", {"dp": 4}, 2, True),
        # Copies of data ranks alone, and something must be shared inside each.
        ("data", {"dp": 4}, 1, False),
        ("data", {"dp": 4}, 2, False),
        ("data", {"dp": 4}, 4, True),
        ("data", {"dp": 4, "cp": 2}, 4, False),
        ("data", {"dp": 2, "cp": 2}, 4, True),
    ],
)
def test_copies_of_shards(kind: str, mesh: dict[str, int], copies: int, bad: bool) -> None:
    assert reasons(setting(replicas=kind), mesh, dp_replicate=copies) == ({"replicate"} if bad else set())


@pytest.mark.parametrize(
    ("kind", "mesh", "sharding", "copies", "bad"),
    [
        # Experts have tp cp dp / (ep etp) ranks of their own: 8 / 4 = 2, which two copies share out and four do not.
        ("ranks", {"dp": 8, "ep": 4}, Z1, 1, False),
        ("ranks", {"dp": 8, "ep": 4}, Z1, 2, False),
        ("ranks", {"dp": 8, "ep": 4}, Z1, 4, True),
        ("ranks", {"dp": 4, "tp": 2, "ep": 2, "etp": 2}, Z1, 4, True),
        # Inside one copy: its ranks are a multiple of the experts' group.
        ("data", {"dp": 8, "ep": 4}, Z3, 1, False),
        ("data", {"dp": 8, "ep": 4}, Z3, 2, False),
        ("data", {"dp": 8, "ep": 4}, Z3, 4, True),
        ("data", {"dp": 8, "ep": 1}, Z3, 4, False),
        ("data", {"dp": 4, "cp": 2, "ep": 4}, Z3, 2, False),
        ("data", {"dp": 4, "tp": 2, "ep": 4, "etp": 2}, Z3, 2, True),
        # Whole weights are a copy per data rank.
        ("data", {"dp": 8, "ep": 4}, Z0, 1, True),
        ("data", {"dp": 2, "cp": 4, "ep": 4}, Z0, 1, False),
        ("data", {"dp": 8}, Z0, 1, False),
    ],
)
def test_experts_and_copies(kind: str, mesh: dict[str, int], sharding: int, copies: int, bad: bool) -> None:
    found = reasons(setting(MOE, replicas=kind), mesh, sharding=sharding, dp_replicate=copies)
    assert ("expert-replicas" in found) == bad
    assert "expert-replicas" not in reasons(setting(DENSE), {"dp": 8}, sharding=Z3, dp_replicate=2)


def test_whole_weights_alone() -> None:
    alone = setting(whole_alone=True)
    for mesh, bad in (
        ({"dp": 4}, False), ({"tp": 2}, False), ({"pp": 2}, False), ({"tp": 2, "pp": 2}, False), ({"cp": 2}, True),
        ({"tp": 2, "dp": 2}, True), ({"pp": 2, "dp": 2}, True),
    ):  # fmt: skip
        assert ("whole-weights" in reasons(alone, mesh, sharding=Z0)) == bad, mesh
        assert "whole-weights" not in reasons(alone, mesh, sharding=Z1)
        assert "whole-weights" not in reasons(setting(), mesh, sharding=Z0)


def test_sharded_experts_beside_groups_of_data_ranks() -> None:
    groups = {"data_groups": True}
    assert reasons(setting(MOE, **groups), {"dp": 4}, sharding=Z3) == {"zero3-experts"}
    assert reasons(setting(MOE, **groups), {"dp": 4}, sharding=Z2) == set()
    assert reasons(setting(MOE), {"dp": 4}, sharding=Z3) == set()
    assert reasons(setting(DENSE, **groups), {"dp": 4}, sharding=Z3) == set()


def test_layers_that_can_be_dealt_alike() -> None:
    """34 layers with one fewer on both ends, or 33 or 32, in equal chunks: torchtitan's rule for 32 layers."""
    alike = setting(alike_chunks=True)
    kept = [v for v in range(1, 17) if "dealing" not in reasons(alike, {"pp": 2}, vpp=v, schedule=1)]
    # per chunk c = ceil(n / chunks) with n in 34, 33, 33, 32 must give so many chunks again, and c must be above 1.
    by_hand = [
        v for v in range(1, 17)
        if v == 1 or any(-(-n // -(-n // (2 * v))) == 2 * v and -(-n // (2 * v)) > least
                         for n, least in ((34, 1), (33, 1), (33, 1), (32, 0)))
    ]  # fmt: skip
    assert kept == by_hand
    assert kept != list(range(1, 17))
    assert "dealing" not in reasons(setting(), {"pp": 2}, vpp=7, schedule=1)


@pytest.mark.parametrize(
    ("kind", "pp", "vpp", "told"),
    [
        # Of a stage of 8 layers: all numbers, in as many chunks, every k-th layer (8 / 2, 8 / 3, ...), or none.
        ("any", 4, 2, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("chunks", 4, 2, [0, 2, 4, 6]),
        ("chunks", 4, 1, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("every-kth", 4, 1, [0, 1, 2, 4]),
        ("one-stage", 4, 1, [0]),
        ("none", 4, 1, [0]),
    ],
)
def test_numbers_of_layers_that_a_framework_can_be_told(kind: str, pp: int, vpp: int, told: list[int]) -> None:
    layers = np.arange(8)
    untold = untold_layers(replace(ONE, pp=pp), setting(partial=kind), layers, np.full(8, vpp))
    assert np.flatnonzero(~untold).tolist() == told


def test_one_stage_is_told_any_number() -> None:
    untold = untold_layers(ONE, setting(partial="one-stage"), np.arange(32), np.ones(32, np.int64))
    assert not untold.any()


def test_every_kth_layer_of_stages_of_unequal_length() -> None:
    # 32 layers over 3 stages are 11 at most: every 2nd is 5 of them, every 3rd 3, every 4th and 5th 2, then 1.
    untold = untold_layers(replace(ONE, pp=3), setting(partial="every-kth"), np.arange(12), np.ones(12, np.int64))
    assert np.flatnonzero(~untold).tolist() == [0, 1, 2, 3, 5]
    assert "partial" in reasons(setting(partial="every-kth"), {"pp": 3}, recompute_layers=4)
    assert "partial" not in reasons(setting(partial="every-kth"), {"pp": 3}, recompute_layers=5)
