"""A layout as overrides of a torchtitan TOML file (--section.key sets key in [section]), and back.

Source: torchtitan's configuration reference (Parallelism, ActivationCheckpoint, Checkpoint) and pipeline splitting.
Tensor parallelism shards the sequence, context ranks share in the sharding of weights: fixed by torchtitan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fmctl.base.errors import UnreadableFile, shorten
from fmctl.base.parse import NotParsed, from_toml
from fmctl.domain.layout import ContextComm, Dispatcher, Layout, Precision, Recompute, Schedule, Sharding
from fmctl.domain.model import ModelArch
from fmctl.domain.program import LOG_EVERY, JobFiles, Run
from fmctl.frameworks.checkpoints import FOUND, newest_checkpoint
from fmctl.frameworks.recipe import Recipe
from fmctl.frameworks.words import Words, flags, no_graphs, one_of, ranks_left, unreadable, whole
from fmctl.perf.train.stages import chunk_layers

_SCHEDULES = {Schedule.ONE_F_ONE_B: "1F1B", Schedule.INTERLEAVED: "Interleaved1F1B"}
_CONVERTERS = {Precision.FP8: "quantize.linear.float8", Precision.MXFP8: "quantize.linear.mx"}
_ROTATE = {ContextComm.ALL_GATHER: "allgather", ContextComm.RING: "alltoall"}
_RESHARD = {"always": Sharding.ZERO3, "never": Sharding.ZERO2}
_MODES = {kind.label: kind for kind in Recompute}
_DEGREES = {
    "tp": "tensor_parallel_degree", "pp": "pipeline_parallel_degree", "cp": "context_parallel_degree",
    "ep": "expert_parallel_degree", "etp": "expert_tensor_parallel_degree",
}  # fmt: skip

_START = """\
arguments+=(--job.config_file "${JOB_CONFIG:?the torchtitan TOML file, in job.env}")
arguments+=(--checkpoint.enable --checkpoint.folder "$JOB_CHECKPOINTS" --job.dump_folder "$JOB_CHECKPOINTS")
if [ -n "$newest" ]; then arguments+=(--checkpoint.load_step "$newest"); fi
"""


def refusals(run: Run, arch: ModelArch | None) -> Iterator[str]:
    """Why torchtitan cannot be told this layout; nothing where it can."""
    layout = run.layout
    yield from no_graphs("torchtitan", layout)
    if layout.schedule == Schedule.ZERO_BUBBLE:
        yield "torchtitan's zero-bubble schedules want two chunks per stage or more, this one has one"
    elif (layout.schedule == Schedule.INTERLEAVED) != (layout.vpp > 1):
        yield "torchtitan interleaves exactly where a stage holds several chunks"
    elif layout.vpp > 1 and _split(layout, arch) is None:
        yield f"torchtitan cannot deal the layers to {layout.pp} stages of {layout.vpp} chunks"
    if layout.tp > 1 and not layout.sequence_parallel:
        yield "torchtitan's tensor parallelism always shards the sequence"
    if layout.etp not in (1, layout.tp):
        yield "torchtitan splits experts by the tensor-parallel degree or not at all"
    if layout.cp > 1 and layout.cp_comm not in _ROTATE:
        yield "torchtitan passes keys and values on by all-gather or in a ring alone"
    if layout.precision not in (Precision.BF16, *_CONVERTERS):
        yield f"torchtitan has no converter for {Precision(layout.precision).label}"
    if layout.dispatcher == Dispatcher.PROXY:
        yield "torchtitan has no option for a CPU-proxy dispatcher"
    if layout.recompute_layers and _every(layout, arch) is None:
        yield f"torchtitan recomputes every k-th layer of a stage: no k gives {layout.recompute_layers} layers"
    yield from _data_refusals(layout)


def _data_refusals(layout: Layout) -> Iterator[str]:
    replicas = layout.dp if layout.sharding == Sharding.NONE else layout.dp_replicate
    if layout.ep > 1 and layout.dp // replicas * layout.cp * layout.tp % (layout.ep * layout.etp):
        yield "torchtitan spreads experts inside one replica: ep x etp does not divide its ranks"
    if layout.sharding == Sharding.ZERO1:
        yield "torchtitan has no ZeRO-1: FSDP shards gradients as well"
    elif layout.sharding == Sharding.NONE:
        if layout.cp > 1:
            yield "torchtitan always shards weights over context ranks"
        if layout.dp > 1 and layout.tp * layout.pp > 1:
            yield "torchtitan's DDP stands alone: not beside tensor or pipeline parallelism"
    elif layout.dp % layout.dp_replicate:
        yield f"torchtitan replicates over data ranks: {layout.dp_replicate} does not divide {layout.dp}"
    elif layout.dp // layout.dp_replicate * layout.cp == 1:
        yield "torchtitan cannot shard over one rank: that is DDP"


def write(run: Run, arch: ModelArch | None) -> Words:
    """The layout as flags."""
    pairs = {**dict(_training(run)), **dict(_parallelism(run, arch)), **dict(_memory(run.layout, arch))}
    return Words(tuple(word for key, value in pairs.items() for word in (f"--{key}", value)))


def read(words: Words, gpus: int, arch: ModelArch | None = None) -> Layout:
    """The layout of a run on so many GPUs, from its TOML files and the flags over them. Raises UnreadableFile."""
    found = {**_tables(words.files), **{name: values[0] for name, values in flags(words.arguments).items() if values}}
    mesh = {field: _count(found, f"parallelism.{name}") for field, name in _DEGREES.items()}
    dp = ranks_left(gpus, mesh["tp"] * mesh["pp"] * mesh["cp"])
    replicas, sharding = _shared_out(found, dp, mesh["cp"])
    vpp = _chunks(found, mesh["pp"], arch)
    recompute, layers = _recomputed(found, mesh["pp"], arch)
    pipelined = "pipeline_parallel_microbatch_size"
    micro = _count(found, f"parallelism.{pipelined}" if mesh["pp"] > 1 else "training.local_batch_size")
    backend = found.get("parallelism.expert_parallel_comm_backend", "standard")
    converters = {"": Precision.BF16, **{v: k for k, v in _CONVERTERS.items()}}
    rotate = found.get("parallelism.context_parallel_rotate_method", "alltoall" if mesh["cp"] == 1 else "allgather")
    return Layout(
        **mesh, vpp=vpp, dp=dp, dp_replicate=replicas, micro_batch=micro, sequence_parallel=int(mesh["tp"] > 1),
        sharding=sharding, recompute=recompute, recompute_layers=layers,
        precision=one_of("model.converters", found.get("model.converters", ""), converters),
        schedule=Schedule.INTERLEAVED if vpp > 1 else Schedule.ONE_F_ONE_B,
        cp_comm=one_of("context_parallel_rotate_method", rotate, {v: k for k, v in _ROTATE.items()}),
        dispatcher=one_of("expert_parallel_comm_backend", backend, {"standard": 0, "deepep": Dispatcher.FUSED}),
    )  # fmt: skip


def _training(run: Run) -> Iterator[tuple[str, str]]:
    layout = run.layout
    local = layout.micro_batch * (run.micro_batches if layout.pp > 1 else 1)
    yield "training.seq_len", str(run.seq_len)
    yield "training.local_batch_size", str(local)
    yield "training.global_batch_size", str(run.global_batch)


def _parallelism(run: Run, arch: ModelArch | None) -> Iterator[tuple[str, str]]:
    layout = run.layout
    replicas = layout.dp if layout.sharding == Sharding.NONE else layout.dp_replicate
    degrees = {"data_parallel_replicate_degree": replicas, "data_parallel_shard_degree": layout.dp // replicas}
    degrees |= {name: getattr(layout, field) for field, name in _DEGREES.items()}
    yield from ((f"parallelism.{name}", str(degree)) for name, degree in degrees.items())
    yield "parallelism.fsdp_reshard_after_forward", "always" if layout.sharding == Sharding.ZERO3 else "never"
    if layout.pp > 1:
        yield "parallelism.pipeline_parallel_microbatch_size", str(layout.micro_batch)
        yield "parallelism.pipeline_parallel_schedule", _SCHEDULES[Schedule(layout.schedule)]
    split = _split(layout, arch)
    if layout.vpp > 1 and split is not None:
        yield "parallelism.pipeline_parallel_layers_per_stage", str(split[0])
        for end, fewer in zip(("first", "last"), split[1:], strict=True):
            yield f"parallelism.pipeline_parallel_{end}_stage_less_layers", str(fewer)
    if layout.cp > 1:
        yield "parallelism.context_parallel_rotate_method", _ROTATE[ContextComm(layout.cp_comm)]
    if layout.ep > 1 and layout.dispatcher == Dispatcher.FUSED:
        yield "parallelism.expert_parallel_comm_backend", "deepep"


def _memory(layout: Layout, arch: ModelArch | None) -> Iterator[tuple[str, str]]:
    every = _every(layout, arch)
    # Partial full recomputation is torchtitan's selective mode with a number: every k-th layer is recomputed whole.
    partial = layout.recompute == Recompute.FULL and layout.recompute_layers > 0
    yield "activation_checkpoint.mode", "selective" if partial else Recompute(layout.recompute).label
    if layout.recompute == Recompute.SELECTIVE or partial:
        yield "activation_checkpoint.selective_ac_option", str(every) if partial else "op"
    if Precision(layout.precision) in _CONVERTERS:
        yield "model.converters", _CONVERTERS[Precision(layout.precision)]


def _split(layout: Layout, arch: ModelArch | None) -> tuple[int, int, int] | None:
    return None if arch is None else chunk_layers(arch.n_layers, layout.pp * layout.vpp)


def _every(layout: Layout, arch: ModelArch | None) -> int | None:
    """K for which every k-th layer of a stage makes `recompute_layers` of them; None where there is none."""
    if arch is None or not layout.recompute_layers:
        return None
    stage = -(-arch.n_layers // layout.pp)
    every = stage // layout.recompute_layers
    return every if every > 1 and stage // every == layout.recompute_layers else None


def _tables(files: Mapping[str, str]) -> dict[str, str]:
    """Values by dotted key of the TOML files; a list of one is that one."""
    found: dict[str, str] = {}
    for name, text in files.items():
        try:
            sections = from_toml(text)
        except NotParsed as error:
            raise UnreadableFile(f"{shorten(name)} is not TOML", why=str(error)) from None
        for section, table in sections.items():
            for key, value in table.items() if isinstance(table, dict) else ():
                spelled = ",".join(map(str, value)) if isinstance(value, list) else str(value)
                found[f"{section}.{key}"] = spelled
    return found


def _count(found: Mapping[str, str], key: str) -> int:
    return whole(key, found.get(key, "1"))


def _shared_out(found: Mapping[str, str], dp: int, cp: int) -> tuple[int, int]:
    replicas = _count(found, "parallelism.data_parallel_replicate_degree")
    shards = found.get("parallelism.data_parallel_shard_degree", "-1")
    if dp % replicas or shards not in ("-1", str(dp // replicas)):
        raise UnreadableFile("the data-parallel degrees do not fit", why=f"{replicas} x {shards} is not {dp}")
    if dp // replicas * cp == 1:
        return 1, Sharding.NONE
    policy = found.get("parallelism.fsdp_reshard_after_forward", "always")
    return replicas, one_of("fsdp_reshard_after_forward", policy, _RESHARD)


def _chunks(found: Mapping[str, str], pp: int, arch: ModelArch | None) -> int:
    if pp == 1 or found.get("parallelism.pipeline_parallel_schedule", "1F1B") == "1F1B":
        return 1
    if found["parallelism.pipeline_parallel_schedule"] != "Interleaved1F1B":
        raise unreadable("pipeline_parallel_schedule", found["parallelism.pipeline_parallel_schedule"])
    per_chunk = found.get("parallelism.pipeline_parallel_layers_per_stage")
    if per_chunk is None or arch is None:
        return 2  # torchtitan's own default for schedules of several chunks
    ends = (found.get(f"parallelism.pipeline_parallel_{end}_stage_less_layers", "1") for end in ("first", "last"))
    total = arch.n_layers + sum(whole("less_layers", end, 0) for end in ends)
    return -(-total // whole("pipeline_parallel_layers_per_stage", per_chunk)) // pp


def _recomputed(found: Mapping[str, str], pp: int, arch: ModelArch | None) -> tuple[int, int]:
    mode = one_of("activation_checkpoint.mode", found.get("activation_checkpoint.mode", "selective"), _MODES)
    option = found.get("activation_checkpoint.selective_ac_option", "op")
    if mode != Recompute.SELECTIVE or option == "op" or arch is None:
        return mode, 0
    return Recompute.FULL, -(-arch.n_layers // pp) // whole("selective_ac_option", option)


def _asked(run: Run, arch: ModelArch | None) -> Iterator[tuple[str, str]]:
    yield "JOB_CONFIG", ""


def _schedule(run: Run, leave_min: int) -> tuple[str, ...]:
    compiled = ("--compile.enable", "true") if run.framework == "torchtitan" else ()
    return (
        "--training.steps", str(run.steps), *compiled, "--checkpoint.interval", str(run.save_every),
        "--metrics.log_freq", str(LOG_EVERY),
    )  # fmt: skip


def _warnings(run: Run, arch: ModelArch | None, files: JobFiles) -> Iterator[str]:
    yield f"torchtitan takes the model from its own file: name that of {run.model}, JOB_CONFIG in {files.environment}"


RECIPE = Recipe(
    "torchtitan",
    write,
    read,
    _asked,
    profiles=("torchtitan", "torchtitan-eager"),
    refusals=refusals,
    schedule=_schedule,
    warnings=_warnings,
    entry="torchtitan.train",
    module=True,
    start=FOUND + _START,
    newest=newest_checkpoint("step-", '[ -s "$at/.metadata" ]'),
    packages=("torchtitan",),
)
