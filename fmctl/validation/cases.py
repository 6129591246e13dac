"""A row made ready for the model: architecture, workload, instance, layout, framework, and what was measured."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fmctl.domain.hardware import Instance
from fmctl.domain.layout import Layout, Precision
from fmctl.domain.model import ModelArch
from fmctl.domain.workload import TrainingWorkload
from fmctl.validation.architectures import architecture
from fmctl.validation.frameworks import Changes, Dialect, MemoryKind, changes, dialect, profile
from fmctl.validation.hardware import instance
from fmctl.validation.layouts import layout, mesh, states_layout, workload
from fmctl.validation.rows import LARGEST, Row, Skip
from fmctl.validation.rules import unit_of

GIB = 2**30


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What a row states: tokens/s per GPU, peak memory in bytes and how it was read, whether it ran out of memory."""

    tokens_per_s_per_gpu: float | None
    memory_bytes: float | None
    memory_kind: MemoryKind  # allocated or reserved
    oom: bool | None
    first_stage: bool  # read on rank 0 and thus on the first pipeline stage


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One row ready to be predicted. `frozen`: low-rank adapters are trained, the model is not.

    `offloaded`: share of the layers whose activations wait in host memory.
    """

    row: Row
    arch: ModelArch
    workload: TrainingWorkload
    instance: Instance
    layout: Layout
    profile: str
    changes: Changes
    frozen: bool
    offloaded: float
    measured: Measured
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Skipped:
    """One row that cannot be predicted, with the reason; `stated_layout`: whether it says how it was spread."""

    row: Row
    reason: str
    stated_layout: bool


def case(row: Row) -> Case | Skipped:
    """A row made ready, or why it cannot be."""
    try:
        return _case(row)
    except Skip as skip:
        return Skipped(row, str(skip), states_layout(row))


def _case(row: Row) -> Case:
    spoken, said_framework = dialect(row)
    m = mesh(row)
    frozen = _frozen(row)
    arch, said_arch = architecture(row)
    where, said_where = instance(row, row.need("n_gpus"))
    work, micro, said_work = workload(row, spoken, m)
    chosen, said_layout = layout(row, arch, spoken, m, micro)
    unit = unit_of(Precision(chosen.precision))
    if unit not in where.accelerator.peak_flop_per_s:
        raise Skip(f"{where.accelerator.name} has no units for {row.text('precision')}")
    changed, said_changes = changes(row, spoken)
    runs_as, said_profile = profile(row, spoken)
    assumed = (*said_framework, *said_arch, *said_where, *said_work, *said_layout, *said_profile, *said_changes)
    measured = _measured(row, work, arch, spoken)
    return Case(row, arch, work, where, chosen, runs_as, changed, frozen, _offloaded(row, arch), measured, assumed)


def _frozen(row: Row) -> bool:
    """Whether adapters alone are trained. Raises Skip for adapters without a rank, and for quantised weights."""
    text = " ".join(row.lower(name) for name in ("notes", "overlap_flags", "model"))
    if "qlora" in text:
        raise Skip("QLoRA: quantised weights are not modelled")
    if not re.search(r"(?<!unless )\blora\b", text):
        return False
    if not re.search(r"rank\W{0,3}\d+|\br\W?=\W?\d+", text):
        raise Skip("LoRA without a stated rank")
    return True


def _offloaded(row: Row, arch: ModelArch) -> float:
    """Share of the layers whose activations are moved to host memory."""
    found = re.search(r"offload_layers=(\d+)", row.lower("overlap_flags"))
    if found is not None:
        return min(int(found.group(1)) / arch.n_layers, 1.0)
    cumulative = "8-bit" in row.lower("overlap_flags") and "cumulative" in row.lower("notes")
    return 1.0 if cumulative or "activation offload" in row.lower("overlap_flags") else 0.0


def _measured(row: Row, work: TrainingWorkload, arch: ModelArch, spoken: Dialect) -> Measured:
    memory = row.positive("peak_mem_gb")
    oom = row.lower("oom")
    return Measured(
        tokens_per_s_per_gpu=_tokens(row, work, arch),
        memory_bytes=None if memory is None else memory * GIB,
        memory_kind=_memory_kind(row, spoken),
        oom=None if not oom else oom in ("1", "1.0", "true", "yes", "oom"),
        first_stage=spoken.first_stage,
    )


def _tokens(row: Row, work: TrainingWorkload, arch: ModelArch) -> float | None:
    """Tokens/s per GPU as stated, else by step time, else by the FLOP/s of arXiv 2104.04473 equation 3, where used.

    F = 96 B s l h^2 (1 + s / 6h + V / 16lh) per step.
    """
    gpus = row.need("n_gpus")
    stated, step, flops = (row.positive(name) for name in ("tokens_per_s_per_gpu", "step_time_s", "tflops_per_gpu"))
    if stated is not None:
        return stated
    if step is not None and row.whole("global_batch") is not None:
        rate = work.tokens_per_step / step / gpus
        if rate > LARGEST:
            raise Skip(f"step_time_s is not the time of a step: {step:g}")
        return rate
    if flops is None or "96*b*s*l*h^2" not in row.lower("flops_convention").replace(" ", ""):
        return None
    hidden, layers, seq = arch.hidden, arch.n_layers, work.seq_len
    each = 96.0 * layers * hidden**2 * (1.0 + seq / (6.0 * hidden) + arch.vocab / (16.0 * layers * hidden))
    return flops * 1e12 / each


def _memory_kind(row: Row, spoken: Dialect) -> MemoryKind:
    """Allocated or reserved: as the notes say, else as the framework's logger prints."""
    notes = row.lower("notes")
    named = re.search(r"gib (allocated|reserved|peak active)|peak (allocated|reserved|active)|max_memory_(\w+)", notes)
    if named is None:
        return spoken.memory
    return "reserved" if "reserved" in named.group(0) else "allocated"
