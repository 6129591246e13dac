"""Memory at its moments, by hand: what each framework keeps, and when it is fullest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmctl.catalog import load_instance
from fmctl.domain.layout import Layout, Layouts, Recompute, Sharding
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.megatron.profile import MEGATRON
from fmctl.frameworks.nanotron.profile import NANOTRON
from fmctl.frameworks.torchtitan.profile import TORCHTITAN, TORCHTITAN_EAGER
from fmctl.perf.layer.activations import layer_kept
from fmctl.perf.layer.counts import parameters
from fmctl.perf.layer.operators import operator_kept, products, repeated_share
from fmctl.perf.train.evaluate import evaluate
from tests.unit.perf.helpers import columns, model

LLAMA = model("llama-3.1-8b")
H, F, KV, V = 4096, 14336, 1024, 128256
S = 8192


def test_operators_keep_every_second_product() -> None:
    # wq, wk, wv, wo, w1, w3, w2: kept are input, core, wq, wv, w1, w2 = (1 + 1 + 1 + 0.25 + 3.5 + 1) x 2 h, and the
    # core's statistics, 4 bytes for each of 32 heads.
    kept = operator_kept(LLAMA.kinds[0], LLAMA, columns(S, tp=1))
    assert kept[0] == S * (7.75 * 2 * H + 4 * 32)
    # Repeated: wk, wo, w3.
    share = (KV * H + H * H + F * H) / (2 * H * H + 2 * KV * H + 3 * F * H)
    assert repeated_share(LLAMA.kinds[0], LLAMA) == pytest.approx(share)
    assert 0.35 < share < 0.37


def test_operators_of_tensor_parallel_ranks() -> None:
    # Outputs of wo and w2 are scattered over the sequence, the others over heads and width.
    whole = operator_kept(LLAMA.kinds[0], LLAMA, columns(S, tp=1))[0]
    assert operator_kept(LLAMA.kinds[0], LLAMA, columns(S, tp=8, sequence_parallel=1))[0] == whole / 8


def test_operators_of_experts_and_latents() -> None:
    for name in ("deepseek-v3", "qwen3-30b-a3b"):
        arch = model(name)
        for kind in arch.kinds:
            assert products(kind, arch)
            assert 0.3 < repeated_share(kind, arch) < 1.0
            assert operator_kept(kind, arch, columns(S, tp=1))[0] > 2 * S * arch.hidden


def test_what_eager_code_keeps() -> None:
    # Compiled, per token: residual 2 h twice, norm output 2 h twice, q, k, v for all heads 6 h, output 2 h, statistics,
    # gate and up 4 f, product 2 f. Eager: fp32 copies of the norms 4 h twice, the gate's own output 2 f.
    bf16, c = np.array([2.0]), columns(S, tp=1)
    compiled = layer_kept(LLAMA.kinds[0], LLAMA, c, bf16, TORCHTITAN).total[0]
    assert compiled == S * (16 * H + 4 * 32 + 6 * F)
    eager = layer_kept(LLAMA.kinds[0], LLAMA, c, bf16, TORCHTITAN_EAGER).total[0]
    assert eager - compiled == S * (8 * H + 2 * F)
    # Inputs stay in bf16 where products run in a low precision.
    assert layer_kept(LLAMA.kinds[0], LLAMA, c, np.array([1.0]), TORCHTITAN).total[0] >= compiled


def test_gathered_inputs() -> None:
    c, bf16 = columns(S, tp=8, sequence_parallel=1), np.array([2.0])
    again = layer_kept(LLAMA.kinds[0], LLAMA, c, bf16, replace(TORCHTITAN, gathered_inputs=False)).total[0]
    # Two norm outputs of 2 h on all tokens instead of an eighth.
    assert layer_kept(LLAMA.kinds[0], LLAMA, c, bf16, TORCHTITAN).total[0] - again == S * 4 * H * 7 / 8


def terms(layout: Layout, framework: str, batch: int, seq: int = S) -> dict[str, float]:
    profile = {f.name: f for f in (MEGATRON, NANOTRON, TORCHTITAN)}[framework]
    where = load_instance("p5.48xlarge")
    return evaluate(LLAMA, TrainingWorkload(seq, batch), where, Layouts.of([layout]), profile).row(0)


def test_gradients_come_as_activations_go() -> None:
    # One micro batch: no gradients at the loss. Two: those of the first are there.
    layout = Layout(dp=8, sharding=Sharding.ZERO3)
    once, twice = (terms(layout, "torchtitan", batch) for batch in (8, 16))
    assert twice["allocated_bytes"] - once["allocated_bytes"] == pytest.approx(once["gradients_bytes"])
    # What the communication stream's pool holds is not given back: reserved is the same.
    assert twice["reserved_bytes"] == pytest.approx(once["reserved_bytes"])


def test_the_root_group_is_reduced_last() -> None:
    # With everything recomputed on short sequences the peak is the reduction of embedding and output matrix: bf16 and
    # fp32 gradients, 6 bytes, beside the shards; weights 4, gradients 4, optimizer 8.
    layout = Layout(dp=8, sharding=Sharding.ZERO3, recompute=Recompute.FULL)
    found = terms(layout, "torchtitan", 8, seq=512)
    states = found["weights_bytes"] + found["gradients_bytes"] + found["optimizer_bytes"]
    assert found["allocated_bytes"] == pytest.approx(states + 6 * 2 * V * H + 2**26)


def test_spare_gradients_of_transformer_engine() -> None:
    # One bf16 gradient per shape of a layer's weights: 2 bytes x its parameters / tp.
    layout = Layout(tp=8, dp=1)
    found = terms(layout, "megatron", 8)
    spare = replace(MEGATRON, layer_wgrad_bytes=0.0)
    where = load_instance("p5.48xlarge")
    bare = evaluate(LLAMA, TrainingWorkload(S, 8), where, Layouts.of([layout]), spare).row(0)
    layer = 2 * H * H + 2 * H * KV + 3 * H * F + 2 * H
    assert found["allocated_bytes"] - bare["allocated_bytes"] == pytest.approx(2 * layer / 8)


def test_pending_collectives_of_nanotron() -> None:
    # pp 1, tp 2: 4 bytes x hidden x tokens for each of 32 layers, beyond 8 % over what is allocated.
    found = terms(Layout(tp=2, dp=1, sequence_parallel=1), "nanotron", 4)
    pending = found["reserved_bytes"] - 1.08 * found["allocated_bytes"]
    assert pending == pytest.approx(4 * H * S * 32, rel=1e-6)
    # Of two stages none runs ahead.
    found = terms(Layout(tp=2, pp=2, dp=1, sequence_parallel=1), "nanotron", 4)
    assert found["reserved_bytes"] == pytest.approx(1.08 * found["allocated_bytes"])


def test_what_stays_whole_between_micro_batches() -> None:
    # dp 8: 4 bytes for 7/8 of the parameters, only where a step has more than one micro batch.
    layout, where = Layouts.of([Layout(dp=8, sharding=Sharding.ZERO3)]), load_instance("p5.48xlarge")
    extra = []
    for batch in (8, 16):
        kept, bare = (
            evaluate(LLAMA, TrainingWorkload(S, batch), where, layout, replace(TORCHTITAN, whole_bytes=each)).row(0)
            for each in (4.0, 0.0)
        )
        extra.append(kept["allocated_bytes"] - bare["allocated_bytes"])
    whole = parameters(LLAMA).total
    assert extra == [0.0, pytest.approx(4 * whole * 7 / 8)]
