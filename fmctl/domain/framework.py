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
    # chunks of an interleaved stage are of one length, but for the first and the last (perf.train.stages)
    alike_chunks: bool
    # Context and expert parallelism are groups of data ranks: neither beside pipeline stages, experts not beside
    # ZeRO-3, context not beside sequence parallelism.
    data_groups: bool
    pipeline: bool = True  # has pipeline parallelism
    tensor: bool = True  # has tensor parallelism
    sharded_stages: bool = False  # combines ZeRO-2/3 with pipeline stages


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Framework:
    """One framework profile; fractions are of the time or bytes named, in [0, 1] unless said."""

    name: str
    memory_traffic: float  # bytes moved by memory-bound work over the textbook minimum (1 = every operand once)
    permute_traffic: float  # bytes moved to sort token-expert pairs over reading and writing each twice per pass
    attention_kernel: str  # kernel family of perf.ops.kernels (fa2, fa3, cudnn, sdpa: PyTorch picks; best)
    # achieved rate of its attention calls over the kernel tables (masks, biases, layout changes)
    attention_share: float
    interference: float  # time that communication takes from the compute it hides under, per second hidden (SMs, HBM)
    host_layer_s: float  # with host_moe_layer_s: host time to issue forward+backward of one layer / its routing, s
    host_moe_layer_s: float
    host_expert_s: float  # the same per expert on a rank (quantisation and products of each are launched apart), s
    # share of the shorter of device and host time of a layer that does not overlap, where the host waits for the
    # numbers of tokens per expert before it can issue the rest (0: it runs ahead)
    host_stall: float
    # with host_send_s: host time to issue one tensor-parallel collective, one pipeline send, s
    host_collective_s: float
    host_send_s: float
    # what each tensor-parallel collective takes more per rank of its group, beside a pipeline that leaves the NVLink
    # domain, s
    host_rank_s: float
    step_overhead_s: float  # fixed time of a step, s
    token_s: float  # time to tokenise one token of a rank's batch, not hidden, s
    # host time per layer to clip and update weights that are sharded tensor by tensor, per step, s
    update_layer_s: float
    # with dp_overlap and fsdp_overlap and cp_overlap and ep_overlap and pp_overlap: hidden share of each communication
    tp_overlap: float
    dp_overlap: float
    fsdp_overlap: float
    cp_overlap: float
    ep_overlap: float
    pp_overlap: float
    param_bytes: float  # model weights
    gradient_bytes: float  # per parameter
    # per parameter, gradients in the compute precision beside accumulated ones, never sharded
    gradient_copy_bytes: float
    optimizer_bytes: float  # master weight and Adam moments per parameter
    # activations kept over the fused minimum of perf.layer.activations (eager kernels keep more tensors)
    activation_factor: float
    unfused_gate: bool  # the output of a gated activation is kept beside its product with the other half (eager)
    norm_copy_bytes: float  # kept per element of a norm beside its input and output (4: eager code's fp32 copy)
    repeated_kv: bool  # keys and values are kept once per query head, as plain attention calls take them
    wide_inputs: bool  # inputs of linear layers are kept in bf16 in low precision too (torchao casts them again)
    gathered_inputs: bool  # under tensor parallelism inputs of linear layers are kept gathered, not gathered again
    # selective recomputation repeats every second matrix product too (torchtitan), not norms alone
    selective_matmuls: bool
    gradients_kept: bool  # gradients are alive all the time; else from the first backward pass of a step on
    logit_bytes: float  # bytes alive per logit at the loss peak
    logit_traffic_bytes: float  # bytes moved per logit, both passes
    # with layer_wgrad_bytes: weight gradient of the output matrix while the loss is worked back, of one layer
    wgrad_bytes: float
    layer_wgrad_bytes: float
    step_bytes: float  # temporaries of the optimizer step, per parameter updated on a device
    whole_bytes: float  # per parameter, what stays gathered from one accumulated micro batch to the next under ZeRO-3
    # per element of the full hidden state and layer, reserved for collectives that the host ran ahead of
    pending_bytes: float
    allocator_overhead: float  # reserved over allocated, minus 1
    stages_by_cost: bool  # layers are dealt to pipeline stages by their cost with the head, not by number
    broadcast_s: float  # ZeRO-1/2 stacks that send updated weights rank by rank: time per rank, s (0: gathered at once)
    # how often a start reads the weights: once (ranks share what they read), copies (every copy of the sharded states)
    # or ranks (every data-parallel rank). assumed from the options of their loaders.
    weights_read: Literal["once", "copies", "ranks"]
    limits: Limits
    source: str
