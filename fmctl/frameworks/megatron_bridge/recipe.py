"""A layout as overrides of a Megatron-Bridge recipe (`key=value`, as Hydra reads them), and back.

Names as of Megatron-Bridge 0.4. Source: its guides "Megatron-LM to Megatron Bridge", "Mixed Precision Training",
"Parallelisms", "Megatron FSDP". The model is the recipe's own: it is named in the job's environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fmctl.domain.layout import ContextComm, CudaGraph, Dispatcher, Layout, Precision, Recompute, Schedule, Sharding
from fmctl.domain.model import ModelArch
from fmctl.domain.program import LOG_EVERY, JobFiles, Run
from fmctl.frameworks.checkpoints import FOUND, newest_checkpoint
from fmctl.frameworks.megatron import recipe as megatron
from fmctl.frameworks.recipe import Recipe
from fmctl.frameworks.words import Words, one_of, overrides, ranks_left, whole

NAME = "Megatron-Bridge"
_PRECISION = {
    Precision.BF16: "bf16_mixed",
    Precision.FP8: "bf16_with_fp8_current_scaling_mixed",
    Precision.MXFP8: "bf16_with_mxfp8_mixed",
    Precision.NVFP4: "bf16_with_nvfp4_mixed",
}
_MESH = {
    "tp": "tensor_model_parallel_size", "pp": "pipeline_model_parallel_size", "cp": "context_parallel_size",
    "ep": "expert_model_parallel_size", "etp": "expert_tensor_parallel_size",
}  # fmt: skip
_RECOMPUTE = {"null": Recompute.NONE, "selective": Recompute.SELECTIVE, "full": Recompute.FULL}

_START = """\
arguments=(--recipe "${JOB_RECIPE:?the name of a recipe, in job.env}" "${arguments[@]}")
arguments+=("checkpoint.save=$JOB_CHECKPOINTS")
if [ -n "$newest" ]; then arguments+=("checkpoint.load=$JOB_CHECKPOINTS" "checkpoint.ckpt_step=$newest"); fi
"""


def refusals(run: Run, arch: ModelArch | None) -> Iterator[str]:
    """Why Megatron-Bridge cannot be told this layout: what Megatron-Core cannot do."""
    return megatron.refusals(run, arch, NAME)


def write(run: Run, arch: ModelArch | None) -> Words:
    """The layout as overrides; what a recipe may have set otherwise is always said."""
    layout = run.layout
    parts = (_model(layout, arch), _batch(run), _sharding(layout), _memory(layout, arch))
    return Words(tuple(f"{key}={value}" for part in parts for key, value in part))


def read(words: Words, gpus: int, arch: ModelArch | None = None) -> Layout:
    """The layout of a run on so many GPUs, from its overrides. Raises UnreadableFile."""
    found = overrides(words.arguments)
    mesh = {field: _count(found, f"model.{name}") for field, name in _MESH.items()}
    text = found.get("model.pipeline_model_parallel_layout", "null")
    chunks = _count(found, "model.virtual_pipeline_model_parallel_size")
    vpp = chunks if text == "null" else megatron.chunks_of(text, mesh["pp"])
    recompute, layers = _recomputed(found, vpp)
    precisions = {v: k for k, v in _PRECISION.items()}
    return Layout(
        **mesh, vpp=vpp, dp=ranks_left(gpus, mesh["tp"] * mesh["pp"] * mesh["cp"]),
        dp_replicate=_count(found, "ddp.num_distributed_optimizer_instances"),
        micro_batch=_count(found, "train.micro_batch_size"),
        sequence_parallel=int(found.get("model.sequence_parallel") == "true"),
        sharding=_shared_out(found), recompute=recompute, recompute_layers=layers,
        precision=one_of("mixed_precision", found.get("mixed_precision", "bf16_mixed"), precisions),
        schedule=Schedule.INTERLEAVED if vpp > 1 else Schedule.ONE_F_ONE_B,
        cp_comm=one_of("model.cp_comm_type", found.get("model.cp_comm_type", "p2p"), megatron.COMMS),
        dispatcher=Dispatcher.FUSED if found.get("model.moe_token_dispatcher_type") == "flex" else 0,
        cuda_graph=_graphs(found),
    )  # fmt: skip


def _model(layout: Layout, arch: ModelArch | None) -> Iterator[tuple[str, str]]:
    experts = megatron.has_experts(layout, arch)
    for field, name in _MESH.items():
        if experts or field not in ("ep", "etp"):
            yield f"model.{name}", str(getattr(layout, field))
    text = megatron.pipeline_layout(layout, arch)
    yield "model.virtual_pipeline_model_parallel_size", str(layout.vpp) if layout.vpp > 1 and not text else "null"
    yield "model.pipeline_model_parallel_layout", text or "null"
    yield "model.sequence_parallel", _bool(layout.sequence_parallel and layout.tp > 1)
    if layout.cp > 1:
        yield "model.cp_comm_type", megatron.CP_COMM[ContextComm(layout.cp_comm)]
    if experts:
        fused = layout.dispatcher == Dispatcher.FUSED
        yield "model.moe_token_dispatcher_type", "flex" if fused else "alltoall"
        yield from (("model.moe_flex_dispatcher_backend", "deepep"),) if fused else ()


def _batch(run: Run) -> Iterator[tuple[str, str]]:
    yield "train.micro_batch_size", str(run.layout.micro_batch)
    yield "train.global_batch_size", str(run.global_batch)
    yield from ((key, str(run.seq_len)) for key in ("model.seq_length", "dataset.sequence_length"))
    yield "mixed_precision", _PRECISION[Precision(run.layout.precision)]


def _sharding(layout: Layout) -> Iterator[tuple[str, str]]:
    sharded = layout.sharding != Sharding.NONE
    fsdp = layout.sharding in megatron.SHARDED
    for part in ("ddp", "optimizer"):
        yield f"{part}.use_distributed_optimizer", _bool(sharded)
    yield "ddp.overlap_grad_reduce", "true"
    yield "ddp.overlap_param_gather", _bool(sharded)
    for part in ("dist", "ddp"):
        yield f"{part}.use_megatron_fsdp", _bool(fsdp)
        yield f"{part}.num_distributed_optimizer_instances", str(layout.dp_replicate)
    if fsdp:
        yield "ddp.data_parallel_sharding_strategy", megatron.SHARDED[Sharding(layout.sharding)]
        yield from (("ddp.average_in_collective", "false"), ("checkpoint.ckpt_format", "fsdp_dtensor"))


def _memory(layout: Layout, arch: ModelArch | None) -> Iterator[tuple[str, str]]:
    yield "model.recompute_granularity", {v: k for k, v in _RECOMPUTE.items()}[Recompute(layout.recompute)]
    whole_layers = layout.recompute == Recompute.FULL
    per_chunk = max(1, layout.recompute_layers // layout.vpp)
    yield "model.recompute_method", ("block" if layout.recompute_layers else "uniform") if whole_layers else "null"
    yield "model.recompute_num_layers", str(per_chunk) if whole_layers else "null"
    if layout.recompute == Recompute.SELECTIVE:
        experts = megatron.has_experts(layout, arch)
        yield "model.recompute_modules", "[layernorm,moe_act]" if experts else "[layernorm]"
    impl, scope = megatron.GRAPHS.get(CudaGraph(layout.cuda_graph), ("none", "null"))
    yield from (("model.cuda_graph_impl", impl), ("model.cuda_graph_scope", scope))
    yield "model.use_te_rng_tracker", _bool(layout.cuda_graph)


def _bool(value: object) -> str:
    return "true" if value else "false"


def _count(found: Mapping[str, str], key: str) -> int:
    value = found.get(key, "1")
    return 1 if value == "null" else whole(key, value)


def _shared_out(found: Mapping[str, str]) -> int:
    if found.get("ddp.use_megatron_fsdp") == "true":
        strategy = found.get("ddp.data_parallel_sharding_strategy", "optim_grads_params")
        return one_of("ddp.data_parallel_sharding_strategy", strategy, {v: k for k, v in megatron.SHARDED.items()})
    return Sharding.ZERO1 if found.get("ddp.use_distributed_optimizer") == "true" else Sharding.NONE


def _recomputed(found: Mapping[str, str], vpp: int) -> tuple[int, int]:
    kind = one_of("model.recompute_granularity", found.get("model.recompute_granularity", "null"), _RECOMPUTE)
    block = kind == Recompute.FULL and found.get("model.recompute_method") == "block"
    return kind, _count(found, "model.recompute_num_layers") * vpp if block else 0


def _graphs(found: Mapping[str, str]) -> int:
    if found.get("model.cuda_graph_impl", "none") == "none":
        return CudaGraph.NONE
    spelled = (found["model.cuda_graph_impl"], found.get("model.cuda_graph_scope", "null"))
    return one_of("model.cuda_graph_impl", spelled, {v: k for k, v in megatron.GRAPHS.items()})


def _asked(run: Run, arch: ModelArch | None) -> Iterator[tuple[str, str]]:
    yield "JOB_RECIPE", ""


def _schedule(run: Run, leave_min: int) -> tuple[str, ...]:
    return (
        f"train.train_iters={run.steps}", f"checkpoint.save_interval={run.save_every}",
        "train.exit_signal_handler=true", f"train.exit_duration_in_mins={leave_min}",
        f"logger.log_interval={LOG_EVERY}", "dist.distributed_timeout_minutes=30",
    )  # fmt: skip


def _warnings(run: Run, arch: ModelArch | None, files: JobFiles) -> Iterator[str]:
    yield (
        f"Megatron-Bridge takes the model from its recipe: name that of {run.model}, JOB_RECIPE in {files.environment}"
    )


RECIPE = Recipe(
    "megatron-bridge",
    write,
    read,
    _asked,
    profiles=("megatron",),
    refusals=refusals,
    schedule=_schedule,
    warnings=_warnings,
    one_queue=megatron.one_queue,
    entry="scripts/training/run_recipe.py",
    saves=True,
    start=FOUND + _START,
    # Its list of saves is a PyTorch file, which a shell does not read: a save is complete with both of these.
    newest=newest_checkpoint("iter_", '[ -s "$at/.metadata" ] && [ -s "$at/train_state.pt" ]'),
)
