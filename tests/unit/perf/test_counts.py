"""Parameter counts against published totals, published identities, and sums worked by hand."""

import pytest

from fmctl.catalog import load_model, model_names
from fmctl.domain.model import FeedForward, LayerKind, Mixer, ModelArch
from fmctl.perf.layer.counts import expert_params, layer_params, parameters, resident_params
from fmctl.perf.layer.mixers import mixer_params

TOLERANCE = 0.03
EXCEPTIONS = {
    "gpt2-xl": (0.04, "published as 1.5e9, the layers add up to 1.558e9"),
    "gpt3-1.3b": (0.17, "the paper prints 24 heads of 128 for hidden size 2048"),
    "gemma-3-4b": (0.0301, "4e9 in the name, text part only"),
    "nemotron-4-15b": (0.042, "15e9 is rounded down"),
}
UNPUBLISHED = {"minimax-m3", "step-3.7-flash"}


@pytest.mark.parametrize("name", model_names())
def test_total_agrees_with_the_published_one(name):
    arch = load_model(name)
    if name in UNPUBLISHED:
        assert arch.official_total == 0
        return
    tolerance, _ = EXCEPTIONS.get(name, (TOLERANCE, ""))
    assert parameters(arch).total == pytest.approx(arch.official_total, rel=tolerance)


def test_the_exceptions_are_still_needed():
    for name, (_, reason) in EXCEPTIONS.items():
        arch = load_model(name)
        assert abs(parameters(arch).total / arch.official_total - 1) > TOLERANCE * 0.99, reason


def test_llama_405b_is_exact():
    """arXiv 2407.21783 Table 3: 126 layers, 16384 wide, 128 heads, 8 key/value heads, 53248, vocabulary 128256."""
    h, ffn, kv, layers, vocab = 16384, 53248, 8 * 128, 126, 128256
    layer = 2 * h * h + 2 * h * kv + 3 * h * ffn + 2 * h
    count = parameters(load_model("llama-3.1-405b"))
    assert count.total == layers * layer + 2 * vocab * h + h == 405_853_388_800
    assert count.active == count.total


def test_gpt3_is_175b():
    """Twelve h^2 per layer, plus biases, norms and embeddings. Source: arXiv 2005.14165 Table 2.1."""
    h, layers = 12288, 96
    layer = 12 * h * h + 13 * h
    assert parameters(load_model("gpt3-175b")).total == layers * layer + (50257 + 2048) * h + 2 * h


def test_mixtral_by_hand():
    h, ffn = 4096, 14336
    attention = 2 * h * h + 2 * h * 1024
    layer = attention + 8 * 3 * h * ffn + 8 * h + 2 * h
    count = parameters(load_model("mixtral-8x7b"))
    assert count.total == 32 * layer + 2 * 32000 * h + h
    assert count.total - count.active == 32 * 6 * 3 * h * ffn
    assert count.routed == 32 * 8 * 3 * h * ffn


def test_deepseek_v3_by_hand():
    """arXiv 2412.19437: 671e9 in the main model, and an MTP module of 11.5e9 that shares embedding and head."""
    h, heads = 7168, 128
    mla = h * 1536 + 1536 + 1536 * heads * 192 + h * 576 + 512 + 512 * heads * 256 + heads * 128 * h
    dense = mla + 3 * h * 18432 + 2 * h
    moe = mla + 257 * 3 * h * 2048 + 256 * h + 2 * h
    count = parameters(load_model("deepseek-v3"))
    assert count.total == 3 * dense + 58 * moe + 2 * 129280 * h + h
    assert count.mtp == pytest.approx(11.6e9, rel=0.01)


def test_published_active_counts_of_the_large_ones():
    for name, active in {"deepseek-v3": 37.5e9, "qwen3-235b-a22b": 22.2e9, "kimi-k3": 104e9, "kimi-k2": 32.9e9}.items():
        assert parameters(load_model(name)).active == pytest.approx(active, rel=0.015)


@pytest.mark.parametrize("name", model_names())
def test_the_parts_add_up(name):
    arch = load_model(name)
    count = parameters(arch)
    layers = [layer_params(arch.kinds[i], arch) for i in arch.pattern]
    assert count.total == count.embedding + count.head + count.final_norm + sum(layer.total for layer in layers)
    assert count.active == count.total - sum(layer.routed - layer.routed_active for layer in layers)
    assert 0 < count.active <= count.total
    assert (count.head == 0) == arch.tied_embeddings
    assert (count.mtp > 0) == (arch.mtp_layers > 0)


def tiny(bias="none", qk_norm=False):
    return ModelArch("tiny", "test", 8, 10, 4, (), (), bias=bias, qk_norm=qk_norm)


def test_attention_with_and_without_extras():
    plain = Mixer("attention", 2, 1, 4, 4)
    weights = 8 * 8 + 8 * 4 + 8 * 4 + 8 * 8
    assert mixer_params(plain, tiny()) == weights
    assert mixer_params(plain, tiny("qkv")) == weights + 8 + 4 + 4
    assert mixer_params(plain, tiny("all")) == weights + 8 + 4 + 4 + 8
    assert mixer_params(plain, tiny(qk_norm=True)) == weights + 8
    assert mixer_params(Mixer("attention", 2, 1, 4, 4, output_gate=True), tiny()) == weights + 8 * 8
    assert mixer_params(Mixer("attention", 2, 1, 4, 4, shared_kv=True), tiny()) == weights - 8 * 4
    assert mixer_params(Mixer("attention", 2, 1, 4, 4, window=2), tiny()) == weights


def test_feed_forward_parts():
    both = FeedForward(gated=True, ffn=16, n_experts=4, top_k=2, expert_ffn=6, shared_ffn=6, shared_gate=True)
    dense, expert = 3 * 8 * 16, 3 * 8 * 6
    assert expert_params(both, tiny()) == expert
    assert resident_params(both, tiny()) == dense + expert + 4 * 8 + 8
    latent = FeedForward(gated=False, n_experts=4, top_k=2, expert_ffn=6, latent=3)
    assert expert_params(latent, tiny()) == 2 * 3 * 6
    assert resident_params(latent, tiny()) == 4 * 8 + 2 * 8 * 3


def test_a_kind_may_lack_either_half():
    mixer_only = layer_params(LayerKind("m", Mixer("attention", 2, 1, 4, 4), None), tiny())
    assert (mixer_only.feed_forward, mixer_only.routed, mixer_only.norms) == (0, 0, 8)
    ffn_only = layer_params(LayerKind("f", None, FeedForward(gated=False, ffn=16)), tiny())
    assert (ffn_only.mixer, ffn_only.total) == (0, 2 * 8 * 16 + 8)
