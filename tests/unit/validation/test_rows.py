"""Measured-runs files as people write them: odd columns, blanks, nonsense; a row may fail, the file may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmctl.base.errors import UnreadableFile
from fmctl.validation.cases import Case, Skipped, case
from fmctl.validation.predict import predict, prepare
from fmctl.validation.records import records
from fmctl.validation.rows import Row, Skip, read_rows

PLAIN: dict[str, Any] = {
    "id": "a", "gpu": "H100", "n_gpus": 64, "gpus_per_node": 8, "model": "Llama-3-70B", "framework": "NeMo",
    "seq_len": 8192, "global_batch": 128, "micro_batch": 1, "tp": 4, "pp": 4, "dp": 4, "precision": "bf16",
    "tokens_per_s_per_gpu": 800,
}  # fmt: skip


def row(**changed: Any) -> Row:
    return Row(2, {k: str(v) for k, v in (PLAIN | changed).items() if v is not None})


def made(**changed: Any) -> Case:
    found = case(row(**changed))
    assert isinstance(found, Case), found.reason
    return found


def reason(**changed: Any) -> str:
    found = case(row(**changed))
    assert isinstance(found, Skipped)
    return found.reason


def test_other_columns_orders_and_capitals_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("\ufeffMODEL, colour ,GPU,N_GPUs\nllama-3-8b,blue,H100,8\n\n,,,\nx,y\n", encoding="utf-8")
    first, short = read_rows(path)
    assert (first.text("model"), first.whole("n_gpus"), first.text("tp"), first.id) == ("llama-3-8b", 8, "", "line-2")
    assert short.text("gpu") == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no column gpu"),
        ("a,b\n1,2\n", "no column gpu"),
        ("gpu,n_gpus,model\n", "no rows"),
        ('gpu,n_gpus,model\n"H100,8,x\n', "line"),
    ],
)
def test_a_file_that_holds_no_runs_is_one_clear_error(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableFile) as caught:
        read_rows(path)
    assert why in str(caught.value.why)


def test_a_missing_file_and_one_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_bytes(b"\xff\xfe\x00gpu")
    for name in ("none.csv", "runs.csv", "."):
        with pytest.raises(UnreadableFile):
            read_rows(tmp_path / name)


@pytest.mark.parametrize("text", ["eight", "-8", "nan8", "1e99", "inf", "8.5"])
def test_a_malformed_number_costs_its_row_and_is_named(text: str) -> None:
    assert reason(tp=text).startswith("tp is not a")


@pytest.mark.parametrize("text", ["", "NA", "n/a", "-", "none", "nan"])
def test_blank_is_blank_however_it_is_spelled(text: str) -> None:
    assert row(vpp=text).whole("vpp") is None
    assert row(vpp="8.0").whole("vpp") == 8


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"gpu": "TPU v5"}, "no hardware entry for GPU 'TPU v5'"),
        ({"gpu": None}, "no hardware entry for GPU ''"),
        ({"n_gpus": None}, "n_gpus is not stated"),
        ({"dp": 3}, "tp 4 x pp 4 x cp 1 x dp 3 is not 64 GPUs"),
        ({"tp": None, "pp": None, "dp": None}, "no layout is stated"),
        ({"model": "Mystery-9B"}, "the model's dimensions are not stated and no preset is called 'mystery-9b'"),
        ({"notes": "TASK: LoRA fine-tune"}, "LoRA without a stated rank"),
        ({"overlap_flags": "QLoRA"}, "QLoRA: quantised weights are not modelled"),
        ({"precision": "int4"}, "precision 'int4' is not modelled"),
        ({"gpu": "A100", "precision": "fp8"}, "a100-80gb has no units for fp8"),
        ({"sharding": "magic"}, "sharding 'magic' is not modelled"),
        ({"recompute": "sometimes"}, "recompute 'sometimes' is not modelled"),
        ({"pp": 16, "tp": 4, "dp": 1, "model": "x", "hidden": 64, "n_heads": 4, "n_layers": 8}, "16 pipeline stages"),
        ({"model": "x", "hidden": 64, "n_heads": 4, "n_layers": 10**9}, "n_layers is more than 1000"),
        ({"model": "Mixtral-8x7B", "ep": 16}, "8 experts do not divide over ep 16"),
    ],
)
def test_what_cannot_be_predicted_says_why(changed: dict[str, Any], why: str) -> None:
    assert reason(**changed).startswith(why)


def test_hostile_rows_stay_among_themselves() -> None:
    odd = [
        row(seq_len=10**12, micro_batch=10**12),
        row(model="x", hidden=1, n_heads=1, n_layers=1, vocab=1),
        row(tp="?"),
    ]
    answers = records(predict(prepare([*odd, row()])))
    assert len(answers) == 4
    assert answers[-1]["skipped"] is None
    assert answers[2]["skipped"] == "tp is not a number: '?'"


def test_what_was_measured() -> None:
    assert made(tokens_per_s_per_gpu=None, step_time_s=16.384).measured.tokens_per_s_per_gpu == pytest.approx(1000.0)
    assert made(tokens_per_s_per_gpu=None).measured.tokens_per_s_per_gpu is None
    assert made(peak_mem_gb=2).measured.memory_bytes == 2 * 2**30
    assert made(oom=1).measured.oom is True
    assert made(oom=0).measured.oom is False
    assert made().measured.oom is None


def test_tokens_from_the_flops_of_arxiv_2104_04473() -> None:
    # GPT of 96 layers, 12,288 wide, 51,200 words, 2,048 tokens: 96 l h^2 (1 + s/6h + V/16lh) = 1,434 GFLOP per token.
    found = made(
        model="GPT-3-175B", vocab=51200, tokens_per_s_per_gpu=None, tflops_per_gpu=143.4, seq_len=2048,
        flops_convention="F=96*B*s*l*h^2*(1+s/6h+V/16lh), includes recompute forward",
    )  # fmt: skip
    assert found.measured.tokens_per_s_per_gpu == pytest.approx(100.0, rel=1e-3)


@pytest.mark.parametrize(
    ("notes", "framework", "kind"),
    [
        ("peak memory is GiB allocated, worst rank", "NeMo", "allocated"),
        ("GiB reserved", "nanotron", "reserved"),
        ("", "nanotron", "reserved"),
        ("", "torchtitan", "reserved"),
    ],
)
def test_how_memory_was_read(notes: str, framework: str, kind: str) -> None:
    assert made(notes=notes, framework=framework).measured.memory_kind == kind


def test_need_and_skip() -> None:
    with pytest.raises(Skip, match="pp is not stated"):
        row(pp=None).need("pp")
