"""Weights, gradients and optimizer states per device: arXiv 1910.02054 (ZeRO), Megatron's distributed optimizer."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from fmctl.domain.layout import Layout, Layouts, Sharding
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.layer.counts import parameters
from fmctl.perf.ops.collectives import fabric_rates
from fmctl.perf.ops.kernels import kernel_rates
from fmctl.perf.train.stages import chunk_sizes, stage_kinds, stage_table
from fmctl.perf.train.states import state_table
from fmctl.validation.kernel_rows import BURST
from tests.unit.perf.helpers import instance, model, run

GB = 1e9
STATES = ("weights_bytes", "gradients_bytes", "optimizer_bytes")


def states(name: str, framework: str, layouts: list[Layout]) -> np.ndarray:
    terms = run(name, "p5.48xlarge", layouts, batch=1024, framework=framework)
    return np.sum([np.broadcast_to(terms[term], (len(layouts),)) for term in STATES], axis=0)


def test_zero_example_of_the_paper() -> None:
    # Figure 1 of arXiv 1910.02054: 7.5 B parameters, 64-way data parallel, mixed-precision Adam (K = 12):
    # (2 + 2 + 12) 7.5 = 120 GB; 4 x 7.5 + 12 x 7.5 / 64 = 31.4; 2 x 7.5 + 14 x 7.5 / 64 = 16.6; 16 x 7.5 / 64 = 1.9.
    rows = [Layout(dp=64, sharding=s) for s in (Sharding.NONE, Sharding.ZERO1, Sharding.ZERO2, Sharding.ZERO3)]
    count = parameters(model("llama-3.1-8b"))
    # The final norm is counted with the model, not with a stage.
    per_param = states("llama-3.1-8b", "deepspeed", rows) / (count.total - count.final_norm)
    assert per_param * 7.5e9 / GB == pytest.approx([120.0, 31.4, 16.6, 1.9], abs=0.05)
    assert per_param == pytest.approx([16.0, 4 + 12 / 64, 2 + 14 / 64, 16 / 64], rel=1e-5)


def test_megatron_distributed_optimizer() -> None:
    # Megatron-Core's distributed optimizer: bf16 parameters, fp32 gradients: 6 + 12 / d bytes per parameter.
    rows = [Layout(dp=d, sharding=Sharding.ZERO1) for d in (1, 8, 64)]
    count = parameters(model("llama-3.1-8b"))
    per_param = states("llama-3.1-8b", "megatron", rows) / (count.total - count.final_norm)
    assert per_param == pytest.approx([6 + 12 / d for d in (1, 8, 64)], rel=1e-5)


def test_hybrid_sharding_shares_inside_a_replica() -> None:
    rows = [Layout(dp=64, sharding=Sharding.ZERO3, dp_replicate=r) for r in (1, 8)]
    one, eight = states("llama-3.1-8b", "torchtitan", rows)
    assert eight == pytest.approx(8 * one)


@pytest.mark.parametrize("name", ["mixtral-8x7b", "deepseek-v3", "llama-4-maverick"])
def test_experts_are_shared_over_their_own_ranks(name: str) -> None:
    count = parameters(model(name))
    rows = [Layout(tp=2, ep=e, dp=64, sharding=Sharding.NONE) for e in (1, 4, 8)]
    table = state_of(name, rows)
    outside = count.total - count.final_norm - count.routed
    for i, ep in enumerate((1, 4, 8)):
        mtp = model(name).mtp_layers
        if mtp:
            continue
        assert table.weights_bytes[0][i] == pytest.approx(2.0 * (outside / 2 + count.routed / ep), rel=1e-6)
    # Experts have tp cp dp / (ep etp) = 128, 32, 16 data-parallel ranks; ZeRO-1 shares their states over those.
    shared = state_of(name, [Layout(tp=2, ep=e, dp=64, sharding=Sharding.ZERO1) for e in (1, 4, 8)])
    assert shared.optimizer_bytes[0] == pytest.approx(np.full(3, shared.optimizer_bytes[0][0]), rel=1e-9)


def state_of(name: str, rows: list[Layout]):
    on, framework = instance("p5.48xlarge"), FRAMEWORKS["megatron"]
    rates = kernel_rates(on.accelerator, framework.attention_kernel, BURST)
    return state_table(model(name), Layouts.of(rows), framework, rates, fabric_rates(on.fabric))


@pytest.mark.parametrize(
    "name", ["llama-3.1-405b", "deepseek-v3", "gemma-3-27b", "nemotron-h-56b", "qwen3-next-80b-a3b"]
)
@pytest.mark.parametrize(("pp", "vpp"), [(1, 1), (4, 1), (7, 1), (8, 2), (16, 3)])
def test_stages_hold_every_layer_once(name: str, pp: int, vpp: int) -> None:
    arch = model(name)
    assert pp * vpp <= arch.n_layers
    sizes = chunk_sizes(arch.n_layers, pp * vpp)
    assert sum(sizes) == arch.n_layers
    assert min(sizes) >= 0
    # Middle chunks are as equal as whole layers allow; end chunks carry embedding and logits and are never longer.
    if middle := sizes[1:-1]:
        assert max(middle) - min(middle) <= 1
        assert max(sizes[0], sizes[-1]) <= max(middle)
    counts = np.array(stage_kinds(arch, pp, vpp))
    assert tuple(counts.sum(axis=0)) == arch.kind_counts()
    table = stage_table(arch, Layouts.of([Layout(pp=pp, vpp=vpp)]))
    assert max(float(sum(k[0] for k in slot)) for slot in table.layers) >= counts.sum(axis=1).max()


def test_pipeline_stages_add_up_to_the_model() -> None:
    arch = model("llama-3.1-70b")
    table = stage_table(arch, Layouts.of([Layout(pp=4)]))
    first, last, middle = (float(table.dense_params[i][0]) for i in range(3))
    count = parameters(arch)
    assert first + last + 2 * middle == pytest.approx(count.total - count.final_norm, rel=1e-9)
    assert prod((first > middle, last > middle))
