"""Host time, graphs, posted tokens, sustained clocks and unfused attention, worked by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fmctl.domain.framework import Framework
from fmctl.domain.layout import CudaGraph, Layout, Layouts, Sharding
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.megatron.profile import MEGATRON
from fmctl.frameworks.nanotron.profile import NANOTRON
from fmctl.frameworks.torchtitan.profile import TORCHTITAN
from fmctl.perf.ops.calibration import PRIOR
from fmctl.perf.ops.collectives import PROXY_SLOWDOWN, FabricRates, fabric_rates, posting_s
from fmctl.perf.ops.kernels import ATTENTION_FITS, kernel_rates, sustained_clock
from fmctl.perf.ops.operation import Dispatch
from fmctl.perf.train.evaluate import evaluate
from fmctl.perf.train.layers import host_s
from tests.unit.perf.helpers import columns, instance, model


def host(fw: Framework, kind: int, seq: int = 4096, **fields: Any) -> float:
    """Host time of one layer of Qwen3-30B-A3B (kind 0: MoE) or of Llama 3.1 8B (dense)."""
    arch = model("qwen3-30b-a3b" if kind else "llama-3.1-8b")
    return float(host_s(fw, arch.kinds[0], columns(seq, **fields))[0])


def test_graphs_take_the_host_out_of_what_they_capture() -> None:
    fw = replace(MEGATRON, host_layer_s=1e-3, host_moe_layer_s=4e-3, host_expert_s=1e-4, host_collective_s=1e-5)
    # Dense layer, tp 1: 1 ms; tp 4: ten collectives more. 128 experts over ep 8: 16 on a rank, 1.6 ms more.
    assert host(fw, 0) == pytest.approx(1e-3)
    assert host(fw, 0, tp=4) == pytest.approx(1.1e-3)
    assert host(fw, 1, ep=8, dp=8) == pytest.approx(1e-3 + 4e-3 + 1.6e-3)
    assert host(fw, 1, ep=64, dp=64) == pytest.approx(1e-3 + 4e-3 + 0.2e-3)
    # Graphs of layers leave the experts to the host; the whole step leaves nothing.
    assert host(fw, 0, cuda_graph=int(CudaGraph.LAYER)) == 0.0
    assert host(fw, 1, ep=8, dp=8, cuda_graph=int(CudaGraph.LAYER)) == pytest.approx(5.6e-3)
    assert host(fw, 1, ep=8, dp=8, cuda_graph=int(CudaGraph.FULL)) == 0.0


def test_collectives_beside_a_pipeline_that_leaves_the_domain() -> None:
    fw = replace(NANOTRON, host_layer_s=1e-3, host_collective_s=1e-4, host_rank_s=2e-4)
    # tp 4: 1 + 10 x 0.1 ms inside one host; 10 x 4 x 0.2 ms more where pp 2 x dp 2 x tp 4 = 16 GPUs need two.
    assert host(fw, 0, tp=4, pp=2) == pytest.approx(2e-3)
    assert host(fw, 0, tp=4, dp=4) == pytest.approx(2e-3)
    assert host(fw, 0, tp=4, pp=2, dp=2) == pytest.approx(10e-3)


def test_half_of_the_shorter_stalls() -> None:
    """Step of one MoE layer kind: with stall x, x times the shorter of device and host time is added."""
    arch, where = model("qwen3-30b-a3b"), instance("p5.48xlarge")
    layout = Layouts.of([Layout(ep=8, dp=8, sharding=int(Sharding.ZERO1), micro_batch=1)])
    steps = []
    for stall in (0.0, 0.5, 1.0):
        fw = replace(MEGATRON, host_stall=stall)
        steps.append(float(evaluate(arch, TrainingWorkload(4096, 64), where, layout, fw, PRIOR)["step_s"][0]))
    assert steps[0] < steps[1] < steps[2]
    assert steps[2] - steps[1] == pytest.approx(steps[1] - steps[0], rel=1e-9)


def test_tokens_posted_one_by_one() -> None:
    # ep 32 over 4 hosts, top 8: a token goes to 3 (1 - (3/4)^8) = 2.6997 of 3 remote hosts.
    def posted(fabric: FabricRates, proxied: bool) -> float:
        tokens, ranks, local = np.array([2048.0]), np.array([32.0]), np.array([8.0])
        sent = Dispatch(tokens, 1.0, 8, ranks, np.array([1.0]), np.array([proxied]))
        return float(posting_s(fabric, sent, local, 1e-6)[0])

    fabric = fabric_rates(instance("p5.48xlarge").fabric)
    remote = 3.0 * (1.0 - 0.75**8)
    assert posted(fabric, False) == pytest.approx(2048e-6 * (remote - 1.0))
    assert posted(fabric, True) == pytest.approx(2048e-6 * PROXY_SLOWDOWN * remote)
    assert posted(fabric_rates(instance("p6-b300.48xlarge").fabric), True) == 0.0


def test_a_power_limit_slows_the_clock() -> None:
    h100 = instance("p5.48xlarge").accelerator
    assert sustained_clock(h100, 1.0 / 3.0) == pytest.approx(1.0)
    # 500 of 700 W: (5/7)^(1/3) = 0.894 of the clock where voltage follows frequency, 0.714 where it cannot.
    limited = replace(h100, power_w=500.0)
    assert sustained_clock(limited, 1.0 / 3.0) == pytest.approx(0.894, abs=1e-3)
    assert sustained_clock(limited, 1.0) == pytest.approx(5.0 / 7.0)
    slow, fast = (kernel_rates(a, "cudnn", PRIOR).rate_flop_per_s[0] for a in (limited, h100))
    assert slow / fast == pytest.approx((5.0 / 7.0) ** PRIOR.power_exponent)


@pytest.mark.parametrize(("architecture", "peak", "hbm"), [("ampere", 312e12, 1.8e12), ("hopper", 989.5e12, 2.95e12)])
def test_unfused_attention_is_what_its_operands_take(architecture: str, peak: float, hbm: float) -> None:
    """Per counted FLOP at head_dim 128: 2 / R + 13 / (2 d B) forward, 1.6 / R + 19 / (5 d B) backward."""
    fit = ATTENTION_FITS[architecture]["unfused"]
    gemm = 0.55 * peak
    assert 1.0 / (fit.forward * peak) == pytest.approx(2.0 / gemm + 13.0 / (256.0 * hbm), rel=0.03)
    assert 1.0 / (fit.backward * peak) == pytest.approx(1.6 / gemm + 19.0 / (640.0 * hbm), rel=0.03)


def test_sharded_updates_take_host_time_per_layer() -> None:
    arch, where = model("llama-3.1-8b"), instance("p5.48xlarge")
    fw = replace(TORCHTITAN, update_layer_s=5e-3)
    without = replace(TORCHTITAN, update_layer_s=0.0)
    rows = Layouts.of([Layout(dp=8, sharding=int(Sharding.ZERO3))])
    both = [evaluate(arch, TrainingWorkload(8192, 8), where, rows, f, PRIOR)["optimizer_s"][0] for f in (fw, without)]
    assert both[0] - both[1] == pytest.approx(32 * 5e-3)


def test_tokens_are_read_by_every_data_rank() -> None:
    arch, where = model("llama-3.1-8b"), instance("p5.48xlarge")
    # 16 sequences of 8,192 over 8 ranks: 16,384 tokens each, 4 us apiece.
    rows = Layouts.of([Layout(dp=8, sharding=int(Sharding.ZERO3))])
    slow, fast = (replace(TORCHTITAN, token_s=each) for each in (4e-6, 0.0))
    both = [evaluate(arch, TrainingWorkload(8192, 16), where, rows, f, PRIOR)["overhead_s"] for f in (slow, fast)]
    assert float(both[0][0] - both[1][0]) == pytest.approx(16384 * 4e-6)
