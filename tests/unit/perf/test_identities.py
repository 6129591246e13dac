"""The model against published identities, worked by hand: FLOPs, parameters, checkpoint sizes, expert tokens."""

from __future__ import annotations

import numpy as np
import pytest

from fmctl.domain.layout import Layout, Recompute, Schedule
from fmctl.domain.model import FeedForward, LayerKind, Mixer, ModelArch
from fmctl.perf.layer.counts import layer_params, parameters
from fmctl.perf.layer.flops import core_flop_per_token, layer_forward_flop, matmul_params, model_flop_per_token
from fmctl.perf.layer.shapes import attention_pairs, expert_tokens
from fmctl.perf.store.checkpoint import checkpoint_bytes
from tests.unit.perf.helpers import columns, model, run


def test_gpt3_175b_training_compute_is_that_of_the_paper() -> None:
    # arXiv 2005.14165 table D.1: 174,600 M parameters, 300 G tokens, 6 FLOPs per parameter and token:
    # 6 x 174.6e9 x 300e9 = 3.1428e23, printed as 3.14E+23. Attention is left out there.
    arch = model("gpt3-175b")
    assert 6.0 * matmul_params(arch) * 300e9 == pytest.approx(3.14e23, rel=5e-3)
    # Attention, causal half: 2 (128 + 128) x (2048 / 2) pairs x 96 heads x 96 layers = 4.83e9 forward per token, three
    # times that with the backward pass: 1.45e10, 1.4 % of 6 N = 1.0475e12.
    assert core_flop_per_token(arch, 2048) == 2.0 * 256 * 1024 * 96 * 96
    assert model_flop_per_token(arch, 2048) == pytest.approx(1.0475e12 + 1.4496e10, rel=1e-3)


def test_parameters_of_gpt3_and_llama() -> None:
    # GPT-3: 96 (12 h^2 + 13 h) + V h + S h + 2 h with h 12288, V 50257, S 2048: 174.6e9 (arXiv 2005.14165).
    h = 12288
    assert parameters(model("gpt3-175b")).total == 96 * (12 * h * h + 13 * h) + 50257 * h + 2048 * h + 2 * h
    # Llama 3.1 405B: h 16384, 128 heads and 8 groups of 128, f 53248, 126 layers, V 128256 untied (arXiv 2407.21783
    # table 3): 126 (2 h^2 + 2 x 1024 h + 3 h f + 2 h) + 2 V h + h = 405,853,388,800.
    h, kv, f = 16384, 1024, 53248
    layer = 2 * h * h + 2 * kv * h + 3 * h * f + 2 * h
    assert parameters(model("llama-3.1-405b")).total == 126 * layer + 2 * 128256 * h + h == 405_853_388_800


def palm_540b() -> ModelArch:
    # arXiv 2204.02311 table 1: 118 layers, 48 heads of 256, one key/value head, h 18432, SwiGLU of 4 h, vocabulary
    # 256k shared by input and output, no biases.
    mixer = Mixer("attention", n_heads=48, n_kv_heads=1, head_dim=256, v_head_dim=256)
    kind = LayerKind("dense", mixer, FeedForward(gated=True, ffn=4 * 18432))
    return ModelArch("palm-540b", "palm", 18432, 256000, 2048, (kind,), (0,) * 118, tied_embeddings=True)


def test_palm_appendix_b_mfu() -> None:
    # Appendix B: MFU = tokens/s (6 N + 12 L H Q T) / peak. PaLM 540B: N 540.35e9, L 118, H 48, Q 256, T 2048;
    # 238.3e3 tokens/s on 6144 chips of 275e12 FLOP/s: 238.3e3 (3.2421e12 + 3.563e10) / 1.6896e18 = 46.2 %.
    arch = palm_540b()
    assert parameters(arch).total == pytest.approx(540.35e9, rel=1e-4)
    # The paper counts the whole s^2, this model the causal half of it: 6 N + 2 x 3 x forward core is the paper's.
    flop = 6.0 * matmul_params(arch) + 2.0 * 3.0 * core_flop_per_token(arch, 2048)
    assert flop == pytest.approx(6 * 540.35e9 + 12 * 118 * 48 * 256 * 2048, rel=1e-4)
    assert 238.3e3 * flop / (6144 * 275e12) == pytest.approx(0.462, abs=5e-4)


@pytest.mark.parametrize("name", ["megatron-22b", "megatron-175b", "megatron-530b", "megatron-1t"])
def test_megatron_flop_formula(name: str) -> None:
    # arXiv 2104.04473 equation 3: F = 96 B s l h^2 (1 + s / (6 h) + V / (16 l h)) with full recomputation: four
    # forwards of a layer (24 B s h^2 + 4 B s^2 h), three of the logits (2 B s h V). Not causal, biases not counted.
    arch, s = model(name), 2048
    h, layers, v = arch.hidden, arch.n_layers, arch.vocab
    published = 96.0 * s * layers * h * h * (1.0 + s / (6.0 * h) + v / (16.0 * layers * h))
    biases = layers * (12 * h - 3 * h)  # qkv 3 h, output h, feed-forward 4 h + h
    again = layer_forward_flop(arch, s) + core_flop_per_token(arch, s)
    ours = model_flop_per_token(arch, s) + 3.0 * core_flop_per_token(arch, s) + again
    assert s * (ours - 8.0 * biases) == pytest.approx(published, rel=1e-12)


def test_hfu_counts_what_is_run_again() -> None:
    layouts = [Layout(tp=8, pp=8, dp=1, sequence_parallel=1, recompute=r) for r in Recompute]
    terms = run("gpt3-175b", "p5.48xlarge", layouts, seq=2048, batch=64)
    per_token = terms["hardware_flop"] / (2048 * 64)
    arch = model("gpt3-175b")
    assert per_token[Recompute.NONE] == pytest.approx(model_flop_per_token(arch, 2048))
    # One more forward pass of the layers: 4/3 of the layers' share (arXiv 2104.04473 section 5.1).
    assert per_token[Recompute.FULL] == pytest.approx(per_token[0] + layer_forward_flop(arch, 2048))
    assert np.all(terms["hfu"] >= terms["mfu"])
    # MFU by its definition: model FLOPs over step time, GPUs and the bf16 peak of an H100, 989e12.
    assert terms["mfu"][0] == pytest.approx(terms["model_flop"][()] / (terms["step_s"][0] * 64 * 989e12), rel=1e-3)


@pytest.mark.parametrize(
    ("name", "gib"), [("llama-3.1-8b", 105.0), ("llama-3.1-70b", 912.0), ("llama-3.1-405b", 5290.0)]
)
def test_checkpoint_sizes_of_mlperf_storage(name: str, gib: float) -> None:
    # MLPerf Storage v2 checkpointing workloads: 8B 105, 70B 912, 405B 5,290 (GiB): 14 bytes per parameter,
    # 8.030e9 x 14 / 2^30 = 104.7; 70.55e9 x 14 / 2^30 = 919.9; 405.85e9 x 14 / 2^30 = 5,291.7.
    assert checkpoint_bytes(model(name)) / 2**30 == pytest.approx(gib, rel=0.03)


def test_attention_pairs() -> None:
    mixer = model("gpt3-175b").kinds[0].mixer
    assert mixer is not None
    assert attention_pairs(mixer, 2048.0) == 2048**2 / 2
    # A window of w keys: rows below w see a triangle of w^2 / 2, the other s - w rows w keys each.
    windowed = Mixer("attention", n_heads=1, n_kv_heads=1, head_dim=64, v_head_dim=64, window=512)
    assert attention_pairs(windowed, 2048.0) == 512**2 / 2 + (2048 - 512) * 512
    assert attention_pairs(windowed, 256.0) == 256**2 / 2


@pytest.mark.parametrize("sp", [0, 1])
@pytest.mark.parametrize(("tp", "etp", "ep"), [(1, 1, 8), (4, 1, 8), (4, 4, 2), (2, 2, 16)])
def test_every_token_reaches_top_k_experts(tp: int, etp: int, ep: int, sp: int) -> None:
    # Mixtral 8x7B: top 2. Over all tp x cp x dp ranks the pairs add up to tokens x 2, each computed by etp ranks.
    ff = model("mixtral-8x7b").kinds[0].feed_forward
    assert ff is not None
    cp, dp, micro, seq = 2, 8, 2, 4096
    c = columns(seq, tp=tp, cp=cp, ep=ep, etp=etp, dp=dp, micro_batch=micro, sequence_parallel=sp)
    pairs = expert_tokens(ff, c)[0] * tp * cp * dp
    assert pairs == micro * dp * seq * 2 * etp


def test_deepseek_v3_parameters_by_part() -> None:
    # arXiv 2412.19437: 671 B in all, 37 B active; 58 MoE layers of 256 experts of 3 x 7168 x 2048 each.
    arch = model("deepseek-v3")
    moe = layer_params(arch.kinds[arch.pattern[-1]], arch)
    assert moe.routed == 256 * 3 * 7168 * 2048
    assert moe.routed_active == 8 * 3 * 7168 * 2048
    count = parameters(arch)
    assert count.total == pytest.approx(671e9, rel=0.005)
    assert count.active == pytest.approx(37.5e9, rel=0.02)


def test_bubble_share_of_a_step() -> None:
    # arXiv 2104.04473: bubble over ideal time (p - 1) / (v m) with equal stages. 96 layers over 8 stages, m = 64.
    rows = [
        Layout(tp=8, pp=8, dp=1, sequence_parallel=1),
        Layout(tp=8, pp=8, vpp=3, dp=1, sequence_parallel=1, schedule=Schedule.INTERLEAVED),
        Layout(tp=8, pp=8, vpp=12, dp=1, sequence_parallel=1, schedule=Schedule.INTERLEAVED),
    ]
    terms = run("gpt3-175b", "p5.48xlarge", rows, seq=2048, batch=64)
    ideal = sum(terms[name] for name in ("gemm_s", "attention_s", "memory_bound_s", "recompute_s", "launch_s",
                                         "tp_exposed_s", "cp_exposed_s", "ep_exposed_s"))  # fmt: skip
    share = terms["bubble_s"] / ideal
    assert share == pytest.approx([7 / 64, 7 / 3 / 64, 7 / 12 / 64], rel=0.15)
    assert terms["bubble_s"][1:] == pytest.approx(terms["bubble_s"][0] / np.array([3.0, 12.0]))
