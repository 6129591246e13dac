"""Layouts and terms by group. Made of `fmctl.domain` by tests/golden/rows.py."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class LayoutRow(TypedDict):
    """A layout as documents spell it."""

    tp: int
    pp: int
    vpp: int
    cp: int
    ep: int
    etp: int
    dp: int
    dp_replicate: int
    micro_batch: int
    sequence_parallel: int
    sharding: str
    recompute: str
    recompute_layers: int
    precision: str
    schedule: str
    cp_comm: str
    dispatcher: str
    cuda_graph: str


class TimeTerms(TypedDict):
    """Terms of time."""

    step_s: float
    gemm_s: NotRequired[float]
    attention_s: NotRequired[float]
    memory_bound_s: NotRequired[float]
    recompute_s: NotRequired[float]
    launch_s: NotRequired[float]
    logits_s: NotRequired[float]
    tp_exposed_s: NotRequired[float]
    cp_exposed_s: NotRequired[float]
    ep_exposed_s: NotRequired[float]
    pp_exposed_s: NotRequired[float]
    bubble_s: NotRequired[float]
    dp_exposed_s: NotRequired[float]
    optimizer_s: NotRequired[float]
    overhead_s: NotRequired[float]
    straggler_s: NotRequired[float]
    step_low_s: float
    step_high_s: float


class CommunicationTerms(TypedDict):
    """Terms of communication."""

    tp_total_s: NotRequired[float]
    cp_total_s: NotRequired[float]
    ep_total_s: NotRequired[float]
    pp_total_s: NotRequired[float]
    dp_total_s: NotRequired[float]
    nvlink_s: NotRequired[float]
    network_s: NotRequired[float]


class MemoryTerms(TypedDict):
    """Terms of memory."""

    weights_bytes: float
    gradients_bytes: float
    optimizer_bytes: float
    activations_bytes: float
    logits_bytes: float
    buffers_bytes: float
    allocated_bytes: float
    reserved_bytes: float
    runtime_bytes: float
    used_bytes: float
    margin_bytes: float | None
    device_bytes: float | None


class FlopTerms(TypedDict):
    """Terms of flop."""

    model_flop: float
    hardware_flop: float
    mfu: float
    hfu: float


class RunTerms(TypedDict):
    """Terms of run."""

    tokens_per_s: float
    tokens_per_s_per_gpu: float
    run_s: float | None
    run_low_s: float | None
    run_high_s: float | None


class CheckpointTerms(TypedDict):
    """Terms of checkpoint."""

    checkpoint_bytes: float
    checkpoint_save_s: float


class EnergyTerms(TypedDict):
    """Terms of energy."""

    power_w: float
    wh_per_million_tokens: float
    run_wh: float | None
