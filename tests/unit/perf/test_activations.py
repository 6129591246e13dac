"""Activation bytes per layer, equation by equation of arXiv 2205.05198 (Korthikanti et al.), exactly."""

from __future__ import annotations

import numpy as np
import pytest

from fmctl.domain.layout import Layout, Recompute
from fmctl.domain.model import ModelArch
from fmctl.perf.layer.activations import Kept, layer_activation_bytes, layer_input_bytes, layer_kept
from fmctl.perf.layer.counts import layer_params as params
from tests.unit.perf.helpers import columns, model, run

# Table 3 of the paper: name, heads a, hidden h, layers, tensor-parallel t, micro batch b; s = 2048, vocabulary 51,200.
TABLE_3 = [
    ("megatron-22b", 64, 6144, 48, 8, 4),
    ("megatron-175b", 96, 12288, 96, 8, 1),
    ("megatron-530b", 128, 20480, 105, 8, 1),
    ("megatron-1t", 160, 25600, 128, 8, 1),
]
S = 2048


def kept(arch: ModelArch, t: int, b: int, sp: int, precision: float = 2.0) -> Kept:
    c = columns(S, tp=t, micro_batch=b, sequence_parallel=sp)
    return layer_kept(arch.kinds[0], arch, c, np.array([precision]), scores=True, dropout=True, core_only=True)


@pytest.mark.parametrize(("name", "a", "h", "layers", "t", "b"), TABLE_3)
def test_equations_1_to_6(name: str, a: int, h: int, layers: int, t: int, b: int) -> None:
    arch = model(name)
    assert (arch.hidden, arch.n_layers, arch.vocab) == (h, layers, 51200)
    sbh, core = S * b * h, 5 * a * S * S * b
    # Equation 1, no parallelism: s b h (34 + 5 a s / h). Attention 11 s b h + 5 a s^2 b, MLP 19 s b h, norms 4 s b h.
    assert kept(arch, 1, b, 0).total[0] == 34 * sbh + core
    # Equation 2, tensor parallel: 10 = norm inputs 4, QKV and MLP inputs 4, dropout masks 2, on every rank; 24 / t.
    assert kept(arch, t, b, 0).total[0] == sbh * (10 + 24 / t) + core / t
    # Equation 4, with sequence parallelism: everything is divided by t.
    split = kept(arch, t, b, 1)
    assert split.total[0] == (34 * sbh + core) / t
    # Equation 6, selective recomputation frees the attention core: 34 s b h / t.
    c = columns(S, tp=t, micro_batch=b, sequence_parallel=1)
    plain, _ = layer_activation_bytes(split, layer_input_bytes(arch, c), np.array([Recompute.SELECTIVE]))
    assert plain[0] == sbh / t * 34
    # Full recomputation keeps the layer's input: 2 s b h, shared out under sequence parallelism.
    assert layer_input_bytes(arch, c)[0] == 2 * sbh / t
    assert layer_input_bytes(arch, columns(S, tp=t, micro_batch=b))[0] == 2 * sbh


def test_the_core_is_80_and_64_of_34() -> None:
    # Section 5: 5 a s / h is 80 for GPT-3 (5 x 96 x 2048 / 12288) and 64 for MT-NLG (5 x 128 x 2048 / 20480).
    for name, core in (("megatron-175b", 80.0), ("megatron-530b", 64.0)):
        arch = model(name)
        whole = kept(arch, 8, 1, 1)
        assert whole.selective[0] / whole.total[0] == pytest.approx(core / (34.0 + core))
    # ... so that selective recomputation saves 70 % and 65 % (the paper's figures).
    assert round(80 / 114, 2) == 0.70
    assert round(64 / 98, 2) == 0.65


def test_todays_kernels_keep_no_scores() -> None:
    arch = model("megatron-175b")
    c = columns(S, tp=1)
    fused = layer_kept(arch.kinds[0], arch, c, np.array([2.0]))
    # 34 - 2 masks, plus the softmax statistics of the fused kernel, 4 bytes per head and token.
    assert fused.total[0] == S * 12288 * 32 + 4 * 96 * S
    low = layer_kept(arch.kinds[0], arch, c, np.array([1.0]))
    assert low.total[0] < fused.total[0]


def test_grouped_heads_keep_fewer_keys() -> None:
    # Llama 3.1 70B, per token: residual 2 h twice, norm output 2 h twice, q 2 h, k and v 2 x 2 x 1024, output 2 h,
    # statistics 4 x 64 heads, gate and up 2 x 2 f, activation 2 f.
    arch = model("llama-3.1-70b")
    h, f = 8192, 28672
    c = columns(S, tp=1)
    expected = 8 * h + 2 * h + 4 * 1024 + 2 * h + 256 + 6 * f
    assert layer_kept(arch.kinds[0], arch, c, np.array([2.0])).total[0] == S * expected


def test_activations_of_a_pipeline_are_those_in_flight() -> None:
    # First stage of p stages holds p micro batches of L / p layers: all layers once (arXiv 2205.05198 section 4.2.3),
    # however many stages there are; interleaving adds (p - 1) / (p v).
    arch = model("megatron-175b")
    c = columns(S, tp=8, sequence_parallel=1)
    layer = layer_kept(arch.kinds[0], arch, c, np.array([2.0])).total[0]
    rows = [
        Layout(tp=8, pp=p, vpp=v, dp=1, sequence_parallel=1, schedule=1 if v > 1 else 0)
        for p, v in [(2, 1), (8, 1), (8, 3), (8, 12)]
    ]
    terms = run(arch, "p5.48xlarge", rows, seq=S, batch=64)
    base = 96 * layer
    # What is beyond the kept activations is the layer in work, with one bf16 gradient per shape of weight: 12 h^2 / t.
    gradients = 2 * params(arch.kinds[0], arch).total / 8
    extra = terms["activations_bytes"] - base * np.array([1.0, 1.0, 1 + 7 / 24, 1 + 7 / 96]) - gradients
    assert extra == pytest.approx(np.full(4, extra[0]), rel=1e-6)
    assert 0 < extra[0] < 2 * layer
