"""Presets by name, YAML in both directions, and complaints that name file and field."""

from collections import Counter

import pytest

from fmctl.base.errors import UnknownName, UnreadableFile, UsageError
from fmctl.catalog import load_model, model_names
from fmctl.catalog.patterns import shorthand
from fmctl.catalog.schema import from_document, to_yaml
from fmctl.catalog.store import parse_yaml

TINY = """
name: tiny
family: test
hidden: 64
vocab: 100
max_seq: 128
kinds:
  dense:
    mixer: {type: attention, n_heads: 4, n_kv_heads: 2, head_dim: 16, v_head_dim: 16}
    feed_forward: {gated: true, ffn: 256}
pattern: [[dense, 2]]
"""


def kind_names(arch):
    return [arch.kinds[i].name for i in arch.pattern]


def test_there_are_106_presets_and_each_has_a_source():
    assert len(model_names()) == 106
    for name in model_names():
        arch = load_model(name)
        assert arch.name == name
        assert arch.source
        assert arch.retrieved == "2026-11-22"


@pytest.mark.parametrize("name", model_names())
def test_yaml_survives_a_round_trip(name, tmp_path):
    arch = load_model(name)
    assert from_document(parse_yaml(to_yaml(arch), tmp_path), "copy") == arch


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("llama-3.1-70b", "llama-3.1-70b"),
        ("llama3.1-70b", "llama-3.1-70b"),
        ("LLAMA_3_1_70B", "llama-3.1-70b"),
        ("meta-llama/Llama-3.1-405B", "llama-3.1-405b"),
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct", "qwen3-coder-480b-a35b"),
        ("deepseek-ai/deepseek-v3", "deepseek-v3"),
        ("gpt3-175b", "gpt3-175b"),
    ],
)
def test_a_model_is_found_by_any_spelling(asked, found):
    assert load_model(asked).name == found


def test_an_unknown_model_says_what_is_near():
    with pytest.raises(UnknownName) as error:
        load_model("llama-3.1-71b")
    assert "llama-3.1-70b" in error.value.suggestions
    assert error.value.next == "fmctl models list"


@pytest.mark.parametrize("name", ["", "/", "..", "a/b", "-", "models/", "\x00", "x" * 5000])
def test_nonsense_names_are_unknown(name):
    with pytest.raises(UnknownName):
        load_model(name)


def test_layer_patterns_are_the_real_ones():
    assert kind_names(load_model("deepseek-v3")) == ["dense"] * 3 + ["moe"] * 58
    assert kind_names(load_model("gemma-3-1b")) == (["sliding"] * 5 + ["full"]) * 4 + ["sliding"] * 2
    assert kind_names(load_model("gpt-oss-20b")) == ["sliding", "full"] * 12
    assert kind_names(load_model("olmo-3-7b")) == (["sliding"] * 3 + ["full"]) * 8
    assert kind_names(load_model("qwen3-next-80b-a3b")) == (["linear"] * 3 + ["full"]) * 12
    maverick = ["sliding-dense", "sliding-moe", "sliding-dense", "full-moe"] * 12
    assert kind_names(load_model("llama-4-maverick")) == maverick


def test_hybrids_count_their_layers():
    def counted(name):
        return Counter(kind_names(load_model(name)))

    assert counted("kimi-k3") == {"kda-dense": 1, "kda-moe": 68, "mla-moe": 24}
    assert counted("mimo-v2-flash") == {"full-dense": 1, "full-moe": 8, "sliding-moe": 39}
    assert counted("nemotron-h-56b") == {"mamba": 54, "mlp": 54, "attention": 10}
    assert counted("nemotron-3-super-120b-a12b") == {"mamba": 40, "moe": 40, "attention": 8}
    assert counted("gemma-4-26b-a4b") == {"sliding": 25, "full": 5}
    assert counted("deepseek-v4-pro") == {"pooled128": 31, "pooled4": 30}


def test_traps_of_single_models():
    mimo = {k.name: k.mixer for k in load_model("mimo-v2-flash").kinds}
    assert (mimo["sliding-moe"].n_kv_heads, mimo["full-moe"].n_kv_heads) == (8, 4)
    assert mimo["full-moe"].v_head_dim == 128 != mimo["full-moe"].head_dim == 192
    gemma = {k.name: k for k in load_model("gemma-4-26b-a4b").kinds}
    assert (gemma["full"].mixer.head_dim, gemma["full"].mixer.n_kv_heads, gemma["full"].mixer.shared_kv) == (
        512,
        2,
        True,
    )
    assert gemma["full"].feed_forward.ffn == 2112
    assert gemma["full"].feed_forward.n_experts == 128
    assert load_model("llama-4-scout").kinds[0].mixer.window == 8192
    assert load_model("minimax-m3").kinds[-1].mixer.window == 128 * 16
    assert load_model("kimi-k3").kinds[1].feed_forward.latent == 3584
    assert load_model("glm-5").kinds[0].mixer.index_heads == 32
    assert load_model("falcon-7b").kinds[0].mixer.n_kv_heads == 1


def test_a_yaml_file_is_a_model(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    assert load_model(str(path)).n_layers == 2
    path.write_text(TINY.replace("name: tiny\n", ""))
    assert load_model(str(path)).name == "tiny"


PATTERNS = [
    (["a"], "[a]"),
    (["a"] * 3, "[[a, 3]]"),
    (["a", "a", "b"], "[[a, 2], b]"),
    (["a", "b"] * 4, "[{repeat: 4, of: [a, b]}]"),
    (["a", "b", "b"] * 4 + ["a"], "[{repeat: 4, of: [a, [b, 2]]}, a]"),
]


@pytest.mark.parametrize(("layers", "text"), PATTERNS)
def test_patterns_are_written_short(layers, text):
    assert shorthand(layers) == text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("hidden: 64", "hidden: sixty"), "hidden"),
        (("hidden: 64", "hidden: -1"), "hidden"),
        (("hidden: 64", "hidden: true"), "hidden"),
        (("hidden: 64", "hiden: 64"), "hiden"),
        (("hidden: 64", "hidden: 1000000000000000000000"), "hidden"),
        (("vocab: 100", ""), "vocab"),
        (("type: attention", "type: magic"), "kinds.dense.mixer.type"),
        (("type: attention", "type: mla"), "kinds.dense.mixer.kv_lora_rank"),
        (("n_heads: 4", "n_heads: 5"), "n_heads"),
        (("ffn: 256", "ffn: 0"), "feed_forward"),
        (("gated: true", "gated: 1"), "kinds.dense.feed_forward.gated"),
        (("gated: true, ffn: 256", "gated: true, n_experts: 4, top_k: 5, expert_ffn: 8"), "top_k"),
        (("[[dense, 2]]", "[[moe, 2]]"), "pattern"),
        (("[[dense, 2]]", "[[dense, -2]]"), "pattern"),
        (("[[dense, 2]]", "[]"), "pattern"),
        (("[[dense, 2]]", "[{repeat: 9999, of: [[dense, 9999]]}]"), "pattern"),
        (("[[dense, 2]]", "12"), "pattern"),
        (("    feed_forward: {gated: true, ffn: 256}", "    ffn: 3"), "kinds.dense.ffn"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(tmp_path, change, field):
    path = tmp_path / "wrong.yaml"
    path.write_text(TINY.replace(*change))
    with pytest.raises(UsageError) as error:
        load_model(str(path))
    assert "wrong.yaml" in error.value.what
    assert field in error.value.what
    assert error.value.next


NO_MODELS = ["", "[]", "3", "name: [", "\x00", "- - -", "a: &a [*a]", "kinds: 3", "kinds: {a: }"]
TOO_DEEP_OR_LONG = ["[" * 19_999, "[" * 200_000, "a" * 2_000_000]


@pytest.mark.parametrize("text", [*NO_MODELS, *TOO_DEEP_OR_LONG], ids=range(12))
def test_what_is_no_model_file_is_refused(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UsageError):
        load_model(str(path))


def test_unreadable_files_are_refused(tmp_path):
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    for name in ("missing.yaml", "~nobody-here/x.yaml", "folder.yaml", "latin.yaml", "missing.json"):
        with pytest.raises(UnreadableFile) as error:
            load_model(name if name.startswith("~") else str(tmp_path / name))
        assert error.value.why
