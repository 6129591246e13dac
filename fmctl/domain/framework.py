"""What a training framework does by default: fusions, overlaps, buffers. Values stand in its folder of `frameworks`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Limits:
    """Which layouts a framework can run; labels are those of `domain.layout`."""

    schedules: tuple[str, ...]
    shardings: tuple[str, ...]
    recomputes: tuple[str, ...]
    cp_comms: tuple[str, ...]  # none: no context parallelism
    precisions: tuple[str, ...]
    sequence_parallel: bool
    uneven_stages: bool  # pipeline stages may hold different numbers of layers
    expert_tp: bool  # experts have a degree of tensor parallelism of their own
    # Which numbers of wholly recomputed layers of a stage it can be told: any, chunks (as many in each chunk),
    # every-kth (those that every k-th layer makes), one-stage (any, without a pipeline), none.
    partial: str
    # What copies of sharded states may be of: ranks (data and context ranks; experts are copied too), data (data ranks
    # alone; experts lie inside one copy, which is sharded), none.
    replicas: str
    whole_alone: bool  # weights that are not sharded stand beside data parallelism alone
    alike_chunks: bool  # chunks of an interleaved stage are of one length, but for the first and the last (perf.stages)
    # Context and expert parallelism are groups of data ranks: neither beside pipeline stages, experts not beside
    # ZeRO-3, context not beside sequence parallelism.
    data_groups: bool
    pipeline: bool = True  # has pipeline parallelism
    tensor: bool = True  # has tensor parallelism
    sharded_stages: bool = False  # combines ZeRO-2/3 with pipeline stages


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Framework:
    """One framework profile; fractions are of the time or bytes named, in [0, 1] unless said.

    memory_traffic: bytes moved by memory-bound work over the textbook minimum (1 = every operand once).
    permute_traffic: bytes moved to sort token-expert pairs over reading and writing each twice per pass.
    attention_kernel: kernel family of perf.kernels (fa2, fa3, cudnn, sdpa: PyTorch picks; best).
    attention_share: achieved rate of its attention calls over the kernel tables (masks, biases, layout changes).
    interference: time that communication takes from the compute it hides under, per second hidden (SMs, HBM).
    host_layer_s, host_moe_layer_s: host time to issue forward+backward of one layer / its routing, s.
    host_expert_s: the same per expert on a rank (quantisation and products of each are launched apart), s.
    host_stall: share of the shorter of device and host time of a layer that does not overlap, where the host waits for
    the numbers of tokens per expert before it can issue the rest (0: it runs ahead).
    tp_overlap, dp_overlap, fsdp_overlap, cp_overlap, ep_overlap, pp_overlap: hidden share of each communication.
    host_collective_s, host_send_s: host time to issue one tensor-parallel collective, one pipeline send, s.
    host_rank_s: what each tensor-parallel collective takes more per rank of its group, beside a pipeline that leaves
    the NVLink domain, s.
    step_overhead_s: fixed time of a step, s. token_s: time to tokenise one token of a rank's batch, not hidden, s.
    update_layer_s: host time per layer to clip and update weights that are sharded tensor by tensor, per step, s.
    broadcast_s: ZeRO-1/2 stacks that send updated weights rank by rank: time per rank, s (0: gathered at once).
    stages_by_cost: layers are dealt to pipeline stages by their cost with the head, not by number.
    gradient_copy_bytes: per parameter, gradients in the compute precision beside accumulated ones, never sharded.
    activation_factor: activations kept over the fused minimum of perf.activations (eager kernels keep more tensors).
    unfused_gate: the output of a gated activation is kept beside its product with the other half (eager).
    norm_copy_bytes: kept per element of a norm beside its input and output (4: eager code's fp32 copy).
    repeated_kv: keys and values are kept once per query head, as plain attention calls take them.
    wide_inputs: inputs of linear layers are kept in bf16 in low precision too (torchao casts them again).
    gathered_inputs: under tensor parallelism inputs of linear layers are kept gathered, not gathered again.
    selective_matmuls: selective recomputation repeats every second matrix product too (torchtitan), not norms alone.
    gradients_kept: gradients are alive all the time; else from the first backward pass of a step on.
    logit_bytes: bytes alive per logit at the loss peak. logit_traffic_bytes: bytes moved per logit, both passes.
    wgrad_bytes, layer_wgrad_bytes: weight gradient of the output matrix while the loss is worked back, of one layer.
    whole_bytes: per parameter, what stays gathered from one accumulated micro batch to the next under ZeRO-3.
    step_bytes: temporaries of the optimizer step, per parameter updated on a device.
    pending_bytes: per element of the full hidden state and layer, reserved for collectives that the host ran ahead of.
    gradient_bytes: per parameter. param_bytes: model weights.
    optimizer_bytes: master weight and Adam moments per parameter.
    allocator_overhead: reserved over allocated, minus 1.
    weights_read: how often a start reads the weights: once (ranks share what they read), copies (every copy of the
    sharded states) or ranks (every data-parallel rank). assumed from the options of their loaders.
    """

    name: str
    memory_traffic: float
    permute_traffic: float
    attention_kernel: str
    attention_share: float
    interference: float
    host_layer_s: float
    host_moe_layer_s: float
    host_expert_s: float
    host_stall: float
    host_collective_s: float
    host_send_s: float
    host_rank_s: float
    step_overhead_s: float
    token_s: float
    update_layer_s: float
    tp_overlap: float
    dp_overlap: float
    fsdp_overlap: float
    cp_overlap: float
    ep_overlap: float
    pp_overlap: float
    param_bytes: float
    gradient_bytes: float
    gradient_copy_bytes: float
    optimizer_bytes: float
    activation_factor: float
    unfused_gate: bool
    norm_copy_bytes: float
    repeated_kv: bool
    wide_inputs: bool
    gathered_inputs: bool
    selective_matmuls: bool
    gradients_kept: bool
    logit_bytes: float
    logit_traffic_bytes: float
    wgrad_bytes: float
    layer_wgrad_bytes: float
    step_bytes: float
    whole_bytes: float
    pending_bytes: float
    allocator_overhead: float
    stages_by_cost: bool
    broadcast_s: float
    weights_read: Literal["once", "copies", "ranks"]
    limits: Limits
    source: str
