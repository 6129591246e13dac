"""Hugging Face configurations: each family gives its preset, and what is not said is refused."""

import importlib.util
import json
import random
from pathlib import Path

import pytest

from fmctl.base.errors import FmctlError, UsageError
from fmctl.catalog import load_model
from fmctl.catalog.huggingface import from_config, read_config
from fmctl.perf.layer.counts import parameters

_spec = importlib.util.spec_from_file_location("hf_configs", Path(__file__).with_name("hf_configs.py"))
configs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(configs)


@pytest.mark.parametrize("preset", configs.BY_PRESET)
def test_a_configuration_gives_its_preset(preset):
    made, shipped = from_config(configs.BY_PRESET[preset], preset), load_model(preset)
    assert parameters(made).total == parameters(shipped).total
    assert parameters(made).active == parameters(shipped).active
    assert made.kinds == shipped.kinds
    assert made.pattern == shipped.pattern
    fields = ("hidden", "vocab", "tied_embeddings", "learned_positions", "norm", "norms_per_block", "qk_norm", "bias")
    assert [getattr(made, f) for f in fields] == [getattr(shipped, f) for f in fields]
    assert made.mtp_layers == shipped.mtp_layers


def test_infinity_is_read_from_a_file(tmp_path):
    folder = tmp_path / "Nemotron-H-56B"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(configs.NEMOTRON_H))
    assert "Infinity" in (folder / "config.json").read_text()
    arch = load_model(str(folder / "config.json"))
    assert arch.name == "nemotron-h-56b"
    assert parameters(arch) == parameters(load_model("nemotron-h-56b"))


def test_a_head_size_that_is_not_the_quotient_is_kept():
    assert from_config(configs.QWEN3, "m").kinds[0].mixer.head_dim == 128
    assert from_config(configs.LLAMA, "m").kinds[0].mixer.head_dim == 8192 // 64


def test_a_head_size_beside_latent_attention_is_ignored():
    assert from_config(configs.GLM5, "m").kinds[0].mixer.head_dim == 192 + 64


def test_searched_architectures_vary_by_block():
    block = {"attention": {"n_heads_in_group": 8, "no_op": False}, "ffn": {"ffn_mult": 5.25, "no_op": False}}
    no_attention = {"attention": {"no_op": True}, "ffn": {"ffn_mult": 1.3125}}
    no_ffn = {"attention": {"n_heads_in_group": 4}, "ffn": {"no_op": True}}
    config = {
        **configs.LLAMA,
        "model_type": "nemotron-nas",
        "num_key_value_heads": None,
        "intermediate_size": None,
        "num_hidden_layers": 3,
        "block_configs": [block, no_attention, no_ffn],
    }
    arch = from_config(config, "nas")
    first, second, third = (arch.kinds[i] for i in arch.pattern)
    assert (first.mixer.n_kv_heads, first.feed_forward.ffn) == (8, 28672)
    assert (second.mixer, second.feed_forward.ffn) == (None, 7168)
    assert (third.mixer.n_kv_heads, third.feed_forward) == (16, None)


UNKNOWN = {**configs.LLAMA, "model_type": "brandnew", "architectures": ["BrandNewForCausalLM"]}


def test_an_unknown_type_that_says_everything_is_read():
    assert parameters(from_config(UNKNOWN, "m")) == parameters(from_config(configs.LLAMA, "m"))


@pytest.mark.parametrize(
    "field",
    [
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "vocab_size",
        "hidden_act",
        "max_position_embeddings",
        "tie_word_embeddings",
        "rms_norm_eps",
    ],
)
def test_an_unknown_type_that_lacks_a_field_is_refused_with_its_name(field):
    with pytest.raises(UsageError) as error:
        from_config({key: value for key, value in UNKNOWN.items() if key != field}, "m")
    assert field in error.value.why
    assert "brandnew" in error.value.why
    assert error.value.next


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mamba_d_state": 16}, "mamba_d_state"),
        ({"layer_types": ["retention"] * 80}, "retention"),
        ({"attn_type_list": [0, 1] * 40}, "attn_type_list"),
        ({"sliding_window": 4096}, "layer_types"),
        ({"hidden_act": "gelu"}, "gate"),
        ({"is_encoder_decoder": True}, "encoder-decoder"),
        ({"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 64}, "first_k_dense_replace"),
        ({"num_attention_heads": 63}, "head_dim"),
    ],
)
def test_an_unknown_structure_is_refused(change, said):
    with pytest.raises(UsageError) as error:
        from_config({**UNKNOWN, **change}, "m")
    assert said in f"{error.value.what} {error.value.why}"


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (configs.LLAMA, {"hidden_size": "8192"}),
        (configs.LLAMA, {"hidden_size": -8192}),
        (configs.LLAMA, {"hidden_size": 0}),
        (configs.LLAMA, {"num_key_value_heads": 0}),
        (configs.LLAMA, {"num_key_value_heads": 7}),
        (configs.LLAMA, {"num_hidden_layers": 10**9}),
        (configs.LLAMA, {"vocab_size": 1e400}),
        (configs.DEEPSEEK_V3, {"num_experts_per_tok": 300}),
        (configs.DEEPSEEK_V3, {"num_experts_per_tok": None}),
        (configs.DEEPSEEK_V3, {"qk_rope_head_dim": None}),
        (configs.GPT_OSS, {"layer_types": ["full_attention"]}),
        (configs.NEMOTRON_H, {"hybrid_override_pattern": "M?" * 59}),
        (configs.NEMOTRON_H, {"hybrid_override_pattern": "M*"}),
        (configs.DEEPSEEK_V4, {"compress_ratios": [8] * 43}),
        (configs.DEEPSEEK_V4, {"compress_ratios": []}),
        (configs.GEMMA4["text_config"], {"hidden_size_per_layer_input": 256}),
        (configs.KIMI_K3["text_config"], {"linear_attn_config": {"full_attn_layers": "all"}}),
    ],
)
def test_a_wrong_value_in_a_known_type_is_refused(config, change):
    with pytest.raises(UsageError):
        from_config({**config, **change}, "m")


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"a": 1}', "{}", "\x00", "null", '{"model_type": "llama"}'])
def test_files_that_are_no_configuration_are_refused(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_config(path)
    assert "config.json" in error.value.what


JUNK = [None, 0, 1, -1, 3, 1.5, float("inf"), float("nan"), True, "", "x", [], [1], [None], {}, {"a": 1}, 10**30]


@pytest.mark.parametrize("preset", configs.BY_PRESET)
def test_junk_values_never_end_in_a_crash(preset):
    """Any single or double corruption gives an architecture or one clear error."""
    chance = random.Random(preset)
    original = configs.BY_PRESET[preset]
    part = original.get("text_config", original)
    for _ in range(150):
        changed = dict(part)
        for key in chance.sample(sorted(part), 2):
            changed[key] = chance.choice(JUNK)
        try:
            parameters(from_config({**original, "text_config": changed} if part is not original else changed, "m"))
        except FmctlError as error:
            assert error.lines()
