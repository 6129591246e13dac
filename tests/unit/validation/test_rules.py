"""One rule per framework for what a row leaves unstated, and what was assumed is said."""

from __future__ import annotations

from typing import Any

import pytest

from fmctl.domain.layout import ContextComm, CudaGraph, Dispatcher, Precision, Recompute, Schedule, Sharding
from fmctl.perf.layer.counts import parameters
from fmctl.validation.cases import Case, Skipped, case
from fmctl.validation.predict import Prediction, predict, prepare
from fmctl.validation.rows import Row

PLAIN: dict[str, Any] = {
    "gpu": "H100", "n_gpus": 64, "gpus_per_node": 8, "model": "Llama-3-70B", "framework": "NeMo", "seq_len": 8192,
    "global_batch": 128, "micro_batch": 1, "tp": 4, "pp": 4, "dp": 4, "precision": "bf16",
}  # fmt: skip
OWN: dict[str, Any] = {
    "model": "Own", "n_layers": 16, "hidden": 2048, "n_heads": 32, "n_kv_heads": 32, "ffn": 8192, "vocab": 131072,
    "head_dim": 64,
}  # fmt: skip


def made(**changed: Any) -> Case:
    found = case(Row(2, {k: str(v) for k, v in (PLAIN | changed).items() if v is not None}))
    assert not isinstance(found, Skipped), found.reason
    return found


@pytest.mark.parametrize(
    ("framework", "family", "profile"),
    [
        ("NeMo/Megatron-Core", "", "megatron"),
        ("Megatron-LM", "", "megatron"),
        ("llm-foundry/Composer FSDP", "", "composer"),
        ("KempnerForge (PyTorch FSDP2/TP)", "", "torchtitan"),
        ("nanotron", "", "nanotron"),
        ("InternEvo", "", "internevo"),
        ("NGC PyTorch 23.09", "mlperf/v4.0", "megatron"),
        ("something new", "", "megatron"),
    ],
)
def test_every_framework_maps_onto_a_profile(framework: str, family: str, profile: str) -> None:
    assert made(framework=framework, source_family=family).profile == profile


def test_recipes_interleave_by_the_divisor_nearest_to_five() -> None:
    found = made()  # 20 layers per stage: 1, 2, 4, 5, 10, 20
    assert (found.layout.vpp, found.layout.schedule) == (5, Schedule.INTERLEAVED)
    assert "vpp = 5" in found.assumed
    assert made(vpp=10).layout.vpp == 10
    assert made(framework="Megatron-LM").layout.vpp == 1
    assert made(pp=1, dp=16).layout.vpp == 1
    assert made(overlap_flags="moe_a2a_overlap=on").layout.vpp == 2
    assert made(overlap_flags="dispatcher=x moe_a2a_overlap=off").layout.vpp == 1


def test_layers_that_do_not_divide_are_not_interleaved_by_guess() -> None:
    found = made(model="DeepSeek-V3", pp=4, tp=1, dp=16, ep=16)
    assert (found.layout.vpp, found.arch.n_layers, found.arch.mtp_layers) == (1, 61, 1)


@pytest.mark.parametrize(
    ("text", "mode", "layers"),
    [
        ("", Recompute.NONE, 0),
        ("none", Recompute.NONE, 0),
        ("full", Recompute.FULL, 0),
        ("selective:mla_up_proj+mlp", Recompute.SELECTIVE, 0),
        ("ac-op", Recompute.SELECTIVE, 0),
        ("selective-layer", Recompute.FULL, 10),
    ],
)
def test_recomputation(text: str, mode: Recompute, layers: int) -> None:
    found = made(recompute=text).layout
    assert (found.recompute, found.recompute_layers) == (mode, layers)


def test_recomputation_by_default() -> None:
    assert made(framework="torchtitan", pp=1, dp=16).layout.recompute == Recompute.SELECTIVE
    assert made(framework="composer", pp=1, tp=1, dp=64).layout.recompute == Recompute.FULL


@pytest.mark.parametrize(
    ("text", "sharding", "replicas"),
    [
        ("zero3-fsdp(fsdp2)", Sharding.ZERO3, 1),
        ("zero2", Sharding.ZERO2, 1),
        ("distopt", Sharding.ZERO1, 1),
        ("zero1(within 2 GPUs; replicated across nodes)", Sharding.ZERO1, 2),
        ("none", Sharding.NONE, 1),
    ],
)
def test_sharding(text: str, sharding: Sharding, replicas: int) -> None:
    found = made(sharding=text).layout
    assert (found.sharding, found.dp_replicate) == (sharding, replicas)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("fp8-cs", Precision.FP8),
        ("fp8-ds", Precision.FP8),
        ("fp8-tensorwise", Precision.FP8),
        ("fp8-rowwise", Precision.MXFP8),
        ("fp8-blockwise", Precision.MXFP8),
        ("fp16", Precision.BF16),
        (None, Precision.BF16),
    ],
)
def test_precisions(text: str | None, code: Precision) -> None:
    assert made(precision=text).layout.precision == code
    assert made(gpu="B200", precision="nvfp4").layout.precision == Precision.NVFP4


def test_batches() -> None:
    unstated = made(micro_batch=None, global_batch=None)
    assert (unstated.layout.micro_batch, unstated.workload.global_batch) == (1, 16)
    assert {"micro_batch = 1", "global_batch = 16"} <= set(unstated.assumed)
    counted = made(global_batch=None, notes="micro_num 8")
    assert counted.workload.global_batch == 32
    timed = made(global_batch=None, tokens_per_s_per_gpu=1000, step_time_s=16.384)
    assert timed.workload.global_batch == 128
    small = made(global_batch=4, micro_batch=4)
    assert small.layout.micro_batch == 1


def test_graphs_dispatchers_and_exchanges() -> None:
    assert made(overlap_flags="cuda_graph=full_iteration:").layout.cuda_graph == CudaGraph.FULL
    assert made(overlap_flags="cuda_graph=transformer_engine:attn+mamba").layout.cuda_graph == CudaGraph.LAYER
    assert made(overlap_flags="cuda_graph=transformer_engine:mlp").layout.cuda_graph == 0
    assert made(overlap_flags="cuda_graph=none:full_iteration").layout.cuda_graph == 0
    assert made(overlap_flags="TP_COMM_OVERLAP LAYER_CUDA_GRAPH").layout.cuda_graph == CudaGraph.LAYER
    moe = {"model": "Qwen3-30B-A3B", "tp": 1, "pp": 1, "dp": 64, "ep": 8}
    assert made(**moe, overlap_flags="dispatcher=nccl-alltoall").layout.dispatcher == Dispatcher.ALL_TO_ALL
    assert made(**moe, overlap_flags="dispatcher=hybridep").layout.dispatcher == Dispatcher.FUSED
    assert made(**moe, overlap_flags="dispatcher=deepep-uccl").layout.dispatcher == Dispatcher.PROXY
    recipe = made(**moe, gpu="GB200", framework="Megatron-Bridge", release_or_date="26.04")
    assert recipe.layout.cuda_graph == CudaGraph.LAYER
    assert "graphs of attention and router" in recipe.assumed
    assert made(**moe, gpu="GB200", framework="Megatron-Bridge", release_or_date="25.11").layout.cuda_graph == 0
    assert "dispatcher = fused" in made(**moe).assumed
    assert made(cp=2, dp=2, notes="CP by all-to-all").layout.cp_comm == ContextComm.ALL_TO_ALL


def test_flags_change_the_profile() -> None:
    assert dict(made(overlap_flags="overlap off").changes)["tp_overlap"] == 0.0
    assert dict(made(framework="torchtitan", notes="pure bf16").changes)["optimizer_bytes"] == 4.0
    assert dict(made(overlap_flags="moe_a2a_overlap").changes)["ep_overlap"] > 0.5
    assert dict(made(overlap_flags="moe_a2a_overlap=off").changes)["ep_overlap"] == 0.0


def test_sequence_parallelism() -> None:
    assert made().layout.sequence_parallel == 1
    assert made(seq_parallel=0).layout.sequence_parallel == 0
    assert made(framework="Megatron-LM").layout.sequence_parallel == 0
    assert made(tp=1, dp=16).layout.sequence_parallel == 0


# --- models ---------------------------------------------------------------------------------------------------------


def test_a_preset_where_name_and_dimensions_agree() -> None:
    found = made(n_layers=12, model="llama3-70b, 12 layers", hidden=8192, n_heads=64, n_kv_heads=8, ffn=28672)
    assert (found.arch.name, found.arch.n_layers) == ("llama-3-70b", 12)
    other = made(model="Llama-3-70B", **{k: v for k, v in OWN.items() if k != "model"})
    assert other.arch.hidden == 2048


@pytest.mark.parametrize(("params", "gated", "tied"), [(1.342, True, True), (1.611, True, False), (1.074, False, True)])
def test_the_parameter_count_says_what_the_feed_forward_and_the_head_are(
    params: float, gated: bool, tied: bool
) -> None:
    arch = made(**OWN, n_params_b=params).arch
    forward = arch.kinds[0].feed_forward
    assert forward is not None
    assert (forward.gated, arch.tied_embeddings) == (gated, tied)
    assert parameters(arch).total / 1e9 == pytest.approx(params, rel=0.01)


def test_an_unstated_width_follows_from_the_parameter_count() -> None:
    arch = made(**(OWN | {"ffn": None}), n_params_b=1.611).arch
    assert parameters(arch).total / 1e9 == pytest.approx(1.611, rel=0.01)


def test_windows_latent_attention_and_experts() -> None:
    mixer = made(**OWN, attention_kind="gqa+chunked(8192)").arch.kinds[0].mixer
    assert mixer is not None
    assert mixer.window == 8192
    latent = made(**OWN, attention_kind="mla").arch.kinds[0].mixer
    assert latent is not None
    assert latent.type == "mla"
    moe = made(**OWN, n_experts=16, topk=2, expert_ffn=1024, n_shared_experts=1, ep=8).arch.kinds[0].feed_forward
    assert moe is not None
    assert (moe.n_experts, moe.top_k, moe.shared_ffn) == (16, 2, 1024)


def test_multi_token_prediction_is_nvidias_recipe_and_not_everybodys() -> None:
    deepseek = {"model": "DeepSeek-V3", "pp": 1, "tp": 1, "dp": 64, "ep": 64}
    assert made(**deepseek).arch.mtp_layers == 1
    assert made(**deepseek, notes="variant w/o MTP").arch.mtp_layers == 0
    assert made(**deepseek, framework="torchtitan").arch.mtp_layers == 0


# --- what has no field ----------------------------------------------------------------------------------------------


def predicted(**changed: Any) -> Prediction:
    answer = predict(prepare([made(**changed).row]))[0]
    assert isinstance(answer, Prediction)
    return answer


def test_frozen_weights_are_faster_and_smaller() -> None:
    full, frozen = predicted(), predicted(notes="LoRA rank 16")
    ratio = frozen.tokens_per_s_per_gpu / full.tokens_per_s_per_gpu
    assert 1.1 < ratio < 1.6
    assert frozen.terms["optimizer_bytes"] == frozen.terms["gradients_bytes"] == 0.0
    assert frozen.terms["used_bytes"] < full.terms["used_bytes"]
    parts = ("weights_bytes", "activations_bytes", "logits_bytes", "buffers_bytes")
    assert sum(frozen.terms[p] for p in parts) == pytest.approx(frozen.terms["allocated_bytes"])


def test_offloaded_layers_leave_the_device() -> None:
    plain, half = predicted(), predicted(overlap_flags="act_cpu_offload_layers=40")
    assert half.terms["activations_bytes"] == pytest.approx(plain.terms["activations_bytes"] / 2)
    assert half.terms["margin_bytes"] > plain.terms["margin_bytes"]


def test_rows_evaluated_together_are_what_they_are_alone() -> None:
    cases = [made(), made(vpp=2), made(recompute="full"), made(framework="Megatron-LM")]
    together = predict(cases)
    for found, answer in zip(cases, together, strict=True):
        alone = predict([found])[0]
        assert isinstance(answer, Prediction)
        assert isinstance(alone, Prediction)
        assert answer.terms == alone.terms
