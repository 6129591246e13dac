"""A layout as arguments of Megatron-LM's pretrain_gpt.py, and back.

Names as of Megatron-Core 0.17. Source: Megatron-LM's argument list and its user guide (parallelism strategies,
custom pipeline layout, CUDA graphs, Megatron-FSDP).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fmctl.domain.layout import ContextComm, CudaGraph, Dispatcher, Layout, Precision, Recompute, Schedule, Sharding
from fmctl.domain.model import ModelArch
from fmctl.domain.program import LOG_EVERY, JobFiles, Run
from fmctl.frameworks.checkpoints import FOUND, newest_checkpoint
from fmctl.frameworks.megatron.model import model_arguments, unsaid
from fmctl.frameworks.recipe import Recipe, unsaid_warning, user_variables
from fmctl.frameworks.words import Words, flags, one_of, ranks_left, unreadable, whole
from fmctl.perf.train.stages import chunk_sizes, head_layers

# Transformer Engine, which is handed the word, takes all_gather alone; Megatron's own help says allgather.
CP_COMM = {ContextComm.RING: "p2p", ContextComm.ALL_GATHER: "all_gather", ContextComm.ALL_TO_ALL: "a2a"}
COMMS = {word: code for code, word in CP_COMM.items()} | {"allgather": ContextComm.ALL_GATHER}
SHARDED = {Sharding.ZERO2: "optim_grads", Sharding.ZERO3: "optim_grads_params"}
# implementation and scope
GRAPHS = {CudaGraph.LAYER: ("transformer_engine", "attn"), CudaGraph.FULL: ("local", "full_iteration")}
_PRECISION = {
    Precision.BF16: (),
    Precision.FP8: ("--fp8-format", "hybrid", "--fp8-recipe", "tensorwise"),
    Precision.MXFP8: ("--fp8-format", "e4m3", "--fp8-recipe", "mxfp8"),
    Precision.NVFP4: ("--fp4-format", "e2m1", "--fp4-recipe", "nvfp4"),
}
_RECIPES = {"tensorwise": Precision.FP8, "mxfp8": Precision.MXFP8, "nvfp4": Precision.NVFP4}
_DATA = """\
if [ -n "${JOB_DATA:-}" ]; then
  arguments+=(--data-path "$JOB_DATA")
  arguments+=(--tokenizer-type HuggingFaceTokenizer --tokenizer-model "${JOB_TOKENIZER:?a name or folder, in job.env}")
else
  arguments+=(--mock-data --tokenizer-type NullTokenizer --vocab-size "$JOB_VOCABULARY")
fi
arguments+=(--save "$JOB_CHECKPOINTS" --lr "$JOB_LEARNING_RATE")
"""
_RESUME = """\
if [ -n "$newest" ]; then arguments+=(--load "$JOB_CHECKPOINTS" --ckpt-step "$newest"); fi
"""
_FUSED = ("--moe-token-dispatcher-type", "flex", "--moe-flex-dispatcher-backend", "deepep")


def refusals(run: Run, arch: ModelArch | None, name: str = "Megatron-LM") -> Iterator[str]:
    """Why Megatron cannot be told this layout; nothing where it can."""
    layout = run.layout
    if layout.schedule == Schedule.ZERO_BUBBLE:
        yield f"{name} has no zero-bubble schedule"
    elif (layout.schedule == Schedule.INTERLEAVED) != (layout.vpp > 1):
        yield f"{name} interleaves exactly where a stage holds several chunks"
    if layout.recompute_layers % layout.vpp:
        yield (
            f"{name} recomputes the same number of layers in every chunk of a stage: {layout.recompute_layers} layers "
            f"do not divide over {layout.vpp}"
        )
    if layout.dispatcher == Dispatcher.PROXY:
        yield f"{name} has no option for a CPU-proxy dispatcher: UCCL-EP is installed in place of DeepEP, as fused"
    if has_experts(layout, arch) and layout.tp > 1 and not layout.sequence_parallel:
        yield f"{name} trains experts beside tensor parallelism only with sequence parallelism"
    ranks = layout.tp * layout.cp * layout.dp // (layout.ep * layout.etp)
    if has_experts(layout, arch) and layout.dp_replicate > 1 and ranks % layout.dp_replicate:
        yield f"{name} replicates experts too: {ranks} ranks per expert do not divide by {layout.dp_replicate}"


def write(run: Run, arch: ModelArch | None) -> Words:
    """The layout as arguments."""
    return Words(tuple(layout_arguments(run, arch)))


def layout_arguments(run: Run, arch: ModelArch | None) -> Iterator[str]:
    """How the run is spread."""
    layout = run.layout
    yield from _mesh(layout, arch)
    yield from _expert_ranks(layout) if has_experts(layout, arch) else ()
    yield from ("--micro-batch-size", str(layout.micro_batch), "--global-batch-size", str(run.global_batch))
    yield from ("--seq-length", str(run.seq_len), "--bf16", *_PRECISION[Precision(layout.precision)])
    yield from _sharding(layout)
    yield from _recompute(layout, has_experts(layout, arch))
    if layout.cuda_graph:
        impl, scope = GRAPHS[CudaGraph(layout.cuda_graph)]
        yield from ("--cuda-graph-impl", impl, "--cuda-graph-scope", scope, "--te-rng-tracker")


def read(words: Words, gpus: int, arch: ModelArch | None = None) -> Layout:
    """The layout of a run on so many GPUs, from its arguments. Raises UnreadableFile."""
    found = flags(words.arguments)
    tp, pp, cp = (_count(found, f"{name}-parallel-size") for name in ("tensor-model", "pipeline-model", "context"))
    ep = _count(found, "expert-model-parallel-size")
    vpp = _chunks(found, pp)
    recompute, layers = _recomputed(found, vpp)
    return Layout(
        tp=tp, pp=pp, vpp=vpp, cp=cp, ep=ep, dp=ranks_left(gpus, tp * pp * cp),
        etp=_count(found, "expert-tensor-parallel-size", tp if "num-experts" in found else 1),
        dp_replicate=_count(found, "num-distributed-optimizer-instances"),
        micro_batch=_count(found, "micro-batch-size"),
        sequence_parallel=int("sequence-parallel" in found),
        sharding=_shared_out(found),
        recompute=recompute, recompute_layers=layers,
        precision=_format(found),
        schedule=Schedule.INTERLEAVED if vpp > 1 else Schedule.ONE_F_ONE_B,
        cp_comm=one_of("--cp-comm-type", _word(found, "cp-comm-type", "p2p"), COMMS),
        dispatcher=_dispatch(found), cuda_graph=_graphs(found),
    )  # fmt: skip


def one_queue(run: Run) -> bool:
    """Whether kernels have to be queued in order: tensor or context parallel, whole weights."""
    layout = run.layout
    return (layout.tp > 1 or layout.cp > 1) and layout.sharding not in SHARDED


def schedule(run: Run, leave_min: int) -> tuple[str, ...]:
    """How long the run is, and when it saves."""
    unfused = ("--attention-backend", "unfused") if run.framework == "megatron-unfused" else ()
    return (
        *unfused, "--train-iters", str(run.steps), "--save-interval", str(run.save_every), "--exit-signal-handler",
        "--exit-duration-in-mins", str(leave_min), "--log-interval", str(LOG_EVERY), "--log-throughput",
        "--distributed-timeout-minutes", "30",
    )  # fmt: skip


def warnings(run: Run, arch: ModelArch | None, files: JobFiles) -> Iterator[str]:
    """What the arguments do not say of the model."""
    return unsaid_warning(run, arch, files.script, unsaid)


def pipeline_layout(layout: Layout, arch: ModelArch | None) -> str:
    """Layers chunk by chunk in Megatron's words (E embedding, t layer, m MTP, L loss); empty where they divide evenly.

    The chunks are those that the plan's step time was computed with (`perf.train.stages.chunk_sizes`).
    """
    if arch is None or layout.pp == 1 or (arch.n_layers % (layout.pp * layout.vpp) == 0 and not arch.mtp_layers):
        return ""
    sizes = chunk_sizes(arch.n_layers, layout.pp * layout.vpp, arch.mtp_layers, head_layers(arch))
    chunks = [f"t*{size}" if size else "" for size in sizes]
    chunks[0] = "E" + chunks[0]
    chunks[-1] += "m" * arch.mtp_layers + "L"
    return "|".join(chunks)


def chunks_of(text: str, pp: int) -> int:
    """Chunks per stage of a pipeline layout. Raises UnreadableFile."""
    chunks = text.count("|") + 1
    if chunks % pp:
        raise unreadable("pipeline layout", text)
    return chunks // pp


def has_experts(layout: Layout, arch: ModelArch | None) -> bool:
    """Whether there are experts to speak of."""
    return layout.ep > 1 or layout.etp > 1 or (arch is not None and arch.is_moe)


def _mesh(layout: Layout, arch: ModelArch | None) -> Iterator[str]:
    yield from ("--tensor-model-parallel-size", str(layout.tp), "--pipeline-model-parallel-size", str(layout.pp))
    chunks = pipeline_layout(layout, arch)
    if chunks:
        yield from ("--pipeline-model-parallel-layout", chunks)
    elif layout.vpp > 1:
        yield from ("--num-virtual-stages-per-pipeline-rank", str(layout.vpp))
    if layout.cp > 1:
        yield from ("--context-parallel-size", str(layout.cp), "--cp-comm-type", CP_COMM[ContextComm(layout.cp_comm)])
    if layout.sequence_parallel and layout.tp > 1:
        yield "--sequence-parallel"


def _expert_ranks(layout: Layout) -> Iterator[str]:
    # Megatron's own default for the second is the tensor-parallel size: it is always said.
    yield from ("--expert-model-parallel-size", str(layout.ep), "--expert-tensor-parallel-size", str(layout.etp))
    plain = layout.dispatcher == Dispatcher.ALL_TO_ALL
    yield from ("--moe-token-dispatcher-type", "alltoall") if plain else _FUSED


def _sharding(layout: Layout) -> Iterator[str]:
    if layout.sharding == Sharding.ZERO1:
        yield from ("--use-distributed-optimizer", "--overlap-grad-reduce", "--overlap-param-gather")
    elif layout.sharding in SHARDED:
        yield from ("--use-distributed-optimizer", "--use-megatron-fsdp", "--ckpt-format", "fsdp_dtensor")
        yield from ("--data-parallel-sharding-strategy", SHARDED[Sharding(layout.sharding)])
    else:
        yield "--overlap-grad-reduce"
    if layout.dp_replicate > 1:
        yield from ("--num-distributed-optimizer-instances", str(layout.dp_replicate))


def _recompute(layout: Layout, experts: bool) -> Iterator[str]:
    if layout.recompute == Recompute.FULL and not layout.recompute_layers:
        yield from ("--recompute-granularity", "full", "--recompute-method", "uniform", "--recompute-num-layers", "1")
    elif layout.recompute == Recompute.FULL:
        yield from ("--recompute-granularity", "full", "--recompute-method", "block")
        yield from ("--recompute-num-layers", str(layout.recompute_layers // layout.vpp))
    elif layout.recompute == Recompute.SELECTIVE:
        yield from ("--recompute-granularity", "selective", "--recompute-modules", "layernorm")
        yield from ("moe_act",) if experts else ()


def _word(found: Mapping[str, tuple[str, ...]], name: str, default: str = "") -> str:
    return found[name][0] if found.get(name) else default


def _count(found: Mapping[str, tuple[str, ...]], name: str, default: int = 1) -> int:
    return whole(f"--{name}", _word(found, name, str(default)))


def _chunks(found: Mapping[str, tuple[str, ...]], pp: int) -> int:
    text = _word(found, "pipeline-model-parallel-layout")
    return chunks_of(text, pp) if text else _count(found, "num-virtual-stages-per-pipeline-rank")


def _shared_out(found: Mapping[str, tuple[str, ...]]) -> int:
    if "use-megatron-fsdp" in found:
        strategy = _word(found, "data-parallel-sharding-strategy", "optim_grads_params")
        return one_of("--data-parallel-sharding-strategy", strategy, {v: k for k, v in SHARDED.items()})
    return Sharding.ZERO1 if "use-distributed-optimizer" in found else Sharding.NONE


def _recomputed(found: Mapping[str, tuple[str, ...]], vpp: int) -> tuple[int, int]:
    granularity = _word(found, "recompute-granularity", "none")
    kinds = {"none": Recompute.NONE, "selective": Recompute.SELECTIVE, "full": Recompute.FULL}
    kind = one_of("--recompute-granularity", granularity, kinds)
    block = kind == Recompute.FULL and _word(found, "recompute-method") == "block"
    return kind, _count(found, "recompute-num-layers") * vpp if block else 0


def _format(found: Mapping[str, tuple[str, ...]]) -> int:
    for name in ("fp4", "fp8"):
        if f"{name}-format" in found:
            return one_of(f"--{name}-recipe", _word(found, f"{name}-recipe"), _RECIPES)
    return Precision.BF16


def _dispatch(found: Mapping[str, tuple[str, ...]]) -> int:
    kinds = {"alltoall": Dispatcher.ALL_TO_ALL, "flex": Dispatcher.FUSED}
    return one_of("--moe-token-dispatcher-type", _word(found, "moe-token-dispatcher-type", "alltoall"), kinds)


def _graphs(found: Mapping[str, tuple[str, ...]]) -> int:
    if "cuda-graph-impl" not in found:
        return CudaGraph.NONE
    spelled = (_word(found, "cuda-graph-impl"), _word(found, "cuda-graph-scope"))
    return one_of("--cuda-graph-impl", spelled, {v: k for k, v in GRAPHS.items()})


RECIPE = Recipe(
    "megatron-lm",
    write,
    read,
    user_variables,
    profiles=("megatron", "megatron-unfused"),
    refusals=refusals,
    model=model_arguments,
    schedule=schedule,
    warnings=warnings,
    one_queue=one_queue,
    entry="pretrain_gpt.py",
    saves=True,
    start=FOUND + _DATA + _RESUME,
    newest=newest_checkpoint("iter_", '[ -s "$at/.metadata" ]', "latest_checkpointed_iteration.txt"),
    packages=("megatron", "transformer"),
)
