"""Overrides of a torchtitan TOML file for a layout: the flag --section.key sets key in [section]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fmctl.cluster.render.layouts import Run
from fmctl.domain.layout import ContextComm, Layout, Precision, Recompute, Schedule, Sharding

_SCHEDULES = {
    Schedule.ONE_F_ONE_B: "1F1B",
    Schedule.INTERLEAVED: "Interleaved1F1B",
    Schedule.ZERO_BUBBLE: "InterleavedZeroBubble",
}
_CONVERTERS = {Precision.FP8: "quantize.linear.float8", Precision.MXFP8: "quantize.linear.mx"}


def overrides(run: Run, *, compiled: bool) -> Mapping[str, str]:
    """Values by dotted key, in the order of the file's sections."""
    return dict(_training(run)) | dict(_parallelism(run)) | dict(_rest(run, compiled=compiled))


def arguments(run: Run, *, compiled: bool) -> Iterator[str]:
    """The overrides as flags."""
    for key, value in overrides(run, compiled=compiled).items():
        yield from (f"--{key}", value)


def _training(run: Run) -> Iterator[tuple[str, str]]:
    layout = run.layout
    local = layout.micro_batch * (run.micro_batches if layout.pp > 1 else 1)
    yield "training.seq_len", str(run.seq_len)
    yield "training.local_batch_size", str(local)
    yield "training.global_batch_size", str(run.global_batch)
    yield "training.steps", str(run.steps)


def _parallelism(run: Run) -> Iterator[tuple[str, str]]:
    layout = run.layout
    replicas, shards = _data(layout)
    degrees = {
        "data_parallel_replicate_degree": replicas, "data_parallel_shard_degree": shards,
        "tensor_parallel_degree": layout.tp, "pipeline_parallel_degree": layout.pp,
        "context_parallel_degree": layout.cp, "expert_parallel_degree": layout.ep,
        "expert_tensor_parallel_degree": layout.etp,
    }  # fmt: skip
    yield from ((f"parallelism.{name}", str(degree)) for name, degree in degrees.items())
    yield "parallelism.fsdp_reshard_after_forward", "always" if layout.sharding == Sharding.ZERO3 else "never"
    if layout.pp > 1:
        yield "parallelism.pipeline_parallel_microbatch_size", str(layout.micro_batch)
        yield "parallelism.pipeline_parallel_schedule", _SCHEDULES[Schedule(layout.schedule)]
    if layout.cp > 1:
        gathered = layout.cp_comm == ContextComm.ALL_GATHER
        yield "parallelism.context_parallel_rotate_method", "allgather" if gathered else "alltoall"


def _data(layout: Layout) -> tuple[int, int]:
    if layout.sharding == Sharding.NONE:
        return layout.dp, 1
    return layout.dp_replicate, layout.dp // layout.dp_replicate


def _rest(run: Run, *, compiled: bool) -> Iterator[tuple[str, str]]:
    layout = run.layout
    yield "activation_checkpoint.mode", Recompute(layout.recompute).label
    if layout.recompute == Recompute.SELECTIVE:
        yield "activation_checkpoint.selective_ac_option", "op"
    if Precision(layout.precision) in _CONVERTERS:
        yield "model.converters", _CONVERTERS[Precision(layout.precision)]
    if compiled:
        yield "compile.enable", "true"
    yield "checkpoint.interval", str(run.save_every)
