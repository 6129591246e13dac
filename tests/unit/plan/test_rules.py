"""Each rule of the mesh by itself: a mesh that keeps it, and the one next to it that breaks that rule and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fmctl.catalog import load_model
from fmctl.domain.layout import Schedule
from fmctl.domain.model import ModelArch
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.plan.constraints import MESH_RULES, Mesh, Setting, mesh_reason, option_reasons

ONE = Mesh(tp=1, pp=1, cp=1, ep=1, etp=1, dp=1)


def arch(name: str = "llama-3-8b", layers: int = 5, mixer: dict[str, Any] | None = None, **widths: int) -> ModelArch:
    """A preset of few layers, whose heads and widths are its own."""
    plain = load_model(name)
    kinds = tuple(
        replace(
            kind,
            mixer=kind.mixer and replace(kind.mixer, **(mixer or {})),
            feed_forward=kind.feed_forward and replace(kind.feed_forward, **widths),
        )
        for kind in plain.kinds
    )
    return replace(plain, kinds=kinds, pattern=plain.pattern[-layers:])


def setting(model: ModelArch, **changes: Any) -> Setting:
    plain = Setting(model, FRAMEWORKS["megatron"], 4096, 64, 8, True, (0,))
    return replace(plain, **changes)


MIXTRAL = "mixtral-8x7b"
MEGATRON = FRAMEWORKS["megatron"]
EQUAL_STAGES = replace(MEGATRON, limits=replace(MEGATRON.limits, uneven_stages=False))
CASES = {
    "tp-domain": (setting(arch()), {"tp": 8}, {"tp": 16}),
    "heads": (setting(arch(mixer={"n_heads": 36, "n_kv_heads": 4})), {"tp": 4}, {"tp": 8}),
    "kv-heads": (setting(arch(mixer={"n_heads": 24, "n_kv_heads": 6})), {"tp": 2}, {"tp": 4}),
    "width": (setting(arch(ffn=14340)), {"tp": 4}, {"tp": 8}),
    "layers": (setting(arch()), {"pp": 5}, {"pp": 6}),
    "uneven": (setting(arch(), framework=EQUAL_STAGES), {"pp": 5}, {"pp": 2}),
    "sequence": (setting(arch(), seq_len=4100), {"cp": 2}, {"cp": 4}),
    "sequence-tp": (setting(arch(), seq_len=4100), {"tp": 4}, {"tp": 8}),
    "no-experts": (setting(arch()), {"dp": 2}, {"dp": 2, "ep": 2}),
    "experts": (setting(arch(MIXTRAL, n_experts=6)), {"dp": 4, "ep": 2}, {"dp": 4, "ep": 4}),
    "expert-width": (setting(arch(MIXTRAL, expert_ffn=14340)), {"tp": 8, "etp": 4}, {"tp": 8, "etp": 8}),
    "expert-ranks": (
        setting(arch(MIXTRAL)),
        {"tp": 2, "etp": 2, "dp": 4, "ep": 4},
        {"tp": 2, "etp": 2, "dp": 4, "ep": 8},
    ),
    "batch": (setting(arch(), global_batch=6), {"dp": 3}, {"dp": 4}),
}


@pytest.mark.parametrize("reason", CASES)
def test_a_mesh_breaks_one_rule(reason: str) -> None:
    where, kept, broken = CASES[reason]
    assert mesh_reason(replace(ONE, **kept), where) is None
    found = [rule.key for rule in MESH_RULES if rule.rejects(replace(ONE, **broken), where)]
    assert found == [reason]


def reasons(mesh: Mesh, where: Setting, micro: int = 1, **options: int) -> set[str]:
    """Reasons against one option with one micro batch size."""
    plain = {"vpp": 1, "schedule": 0, "sharding": 1, "dp_replicate": 1, "precision": 0, "recompute_layers": 0}
    columns = {name: np.array([value]) for name, value in (plain | options).items()}
    return {key for key, mask in option_reasons(mesh, where, columns, np.array([micro])) if mask.any()}


def test_chunks_and_micro_batches_at_their_edge() -> None:
    two, where = replace(ONE, pp=2), setting(arch(layers=8), global_batch=12)
    interleaved = {"schedule": int(Schedule.INTERLEAVED)}
    assert reasons(two, where, vpp=4, **interleaved) == set()
    assert reasons(two, where, vpp=5, **interleaved) == {"chunks"}
    assert reasons(replace(ONE, pp=3), where, vpp=3, **interleaved) == {"chunks"}
    # 12 sequences in micro batches of 4: 3, which two stages do not divide; of 5: not at all.
    assert reasons(two, where, 4, vpp=2, **interleaved) == {"interleave"}
    assert reasons(two, where, 5) == {"micro-batch"}
    assert reasons(ONE, where, vpp=2, **interleaved) == {"interleave-sends"}
    assert reasons(two, where, sharding=3) == {"fsdp-pipeline"}
    assert reasons(replace(ONE, dp=4), where, dp_replicate=3) == {"replicate"}
