"""Weights, gradients and optimizer states per device, and the data-parallel traffic and optimizer step they cause.

Bytes follow arXiv 1910.02054 (ZeRO): optimizer states are divided by the data-parallel degree from ZeRO-1 on,
gradients from ZeRO-2, weights from ZeRO-3; experts have their own data-parallel degree tp cp dp / (ep etp).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.domain.layout import Layouts, Sharding
from fmctl.domain.model import ModelArch
from fmctl.domain.result import FloatArray
from fmctl.perf.layer.counts import layer_params as params_of
from fmctl.perf.layer.counts import parameters
from fmctl.perf.ops.collectives import FabricRates, all_reduce_s, gather_s
from fmctl.perf.ops.columns import column
from fmctl.perf.ops.kernels import KernelRates
from fmctl.perf.train.stages import StageTable, stage_table

# Parameters per bucket of bucketed gradient traffic (Megatron-Core default 40 million).
BUCKET_PARAMS = 40e6
# Bytes per parameter that an Adam step moves besides the states: gradient read, bf16 weight written, norm and zeroing.
STEP_EXTRA_BYTES = 14.0
# Fixed cost of an optimizer step: norm, scaling checks and a few hundred fused launches.
OPTIMIZER_FIXED_S = 2e-3
# FSDP keeps the current layer and the prefetched one gathered.
GATHERED_LAYERS = 2.0
COMPUTE_BYTES = 2.0  # bf16 weights on the wire and in the GEMMs


@dataclass(slots=True, eq=False, repr=False)
class StateTable:
    """Per combination of (tp, pp, vpp, cp, ep, etp, dp, dp_replicate, sharding): arrays of shape [U].

    weights/gradients/optimizer_bytes[slot]: bytes per device of each stage slot.
    """

    stages: StageTable
    weights_bytes: list[FloatArray]
    gradients_bytes: list[FloatArray]
    optimizer_bytes: list[FloatArray]
    # with gather_s: one full pass of gradient reduction and weight gathering on the fullest stage, s
    reduce_s: FloatArray
    gather_s: FloatArray
    bucket_share: FloatArray  # share of them that cannot hide (the last bucket)
    optimizer_s: FloatArray  # the optimizer step, s
    broadcast_s: FloatArray  # weights sent rank by rank after the optimizer step (Framework.broadcast_s), s
    gpu_doublings: FloatArray  # log2 of the GPUs
    # FSDP's layers in work, and its root group (embedding, final norm, output matrix), which stays gathered
    gathered_bytes: FloatArray
    reduced_bytes: FloatArray  # that group's gradients, or those of a layer, as they are reduced
    root_bytes: FloatArray  # the group's gradients in bf16 and as they are reduced
    whole_bytes: list[FloatArray]  # by slot: what stays gathered between accumulated micro batches
    late_bytes: list[FloatArray]  # by slot: gradients allocated in the backward pass
    step_bytes: list[FloatArray]  # by slot: temporaries of the optimizer step
    wgrad_bytes: FloatArray  # of one layer, beside the accumulated ones


@dataclass(slots=True, eq=False, repr=False)
class _Group:
    """A data-parallel group: parameters on one device before sharding, ranks, ranks sharded over, ranks per domain."""

    params: FloatArray
    ranks: FloatArray
    shards: FloatArray
    local: FloatArray


def _traffic(
    f: FabricRates, fw: Framework, group: _Group, layers: FloatArray, sharding: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(gradient reduction, weight gathering) time of one pass, s; in layers under ZeRO-3, else in buckets.

    HSDP (shards < ranks): reduce-scatter and gather inside the shard group, all-reduce of the shard across replicas.
    """
    zero3 = sharding == Sharding.ZERO3
    messages = np.where(zero3, np.maximum(layers, 1.0), np.maximum(np.ceil(group.params / BUCKET_PARAMS), 1.0))
    size = group.params / messages
    local = np.minimum(group.local, group.shards)
    replicas = group.ranks / group.shards
    apart = np.maximum(np.minimum(group.local / local, replicas), 1.0)
    reduced = messages * gather_s(f, fw.gradient_bytes * size, group.shards, local)
    gathered = messages * gather_s(f, COMPUTE_BYTES * size, group.shards, local)
    # Both are skipped where no combination needs them: the results would not be used.
    if replicas.max() > 1:
        reduced = reduced + messages * all_reduce_s(f, fw.gradient_bytes * size / group.shards, replicas, apart)
    none = sharding == Sharding.NONE
    if not none.any():
        return reduced, gathered
    whole = messages * all_reduce_s(f, fw.gradient_bytes * size, group.ranks, group.local)
    return np.where(none, whole, reduced), np.where(none, 0.0, gathered)


def state_table(arch: ModelArch, layouts: Layouts, fw: Framework, rates: KernelRates, f: FabricRates) -> StateTable:
    """States and data-parallel traffic for unique combinations of the fields they depend on."""
    tp, cp, dp = column(layouts, "tp"), column(layouts, "cp"), column(layouts, "dp")
    ep_etp = column(layouts, "ep") * column(layouts, "etp")
    replicate, sharding = column(layouts, "dp_replicate"), column(layouts, "sharding")
    stages = stage_table(arch, layouts, fw.stages_by_cost)
    whole = parameters(arch)
    widest_layer = max(p.total - p.routed for p in (params_of(kind, arch) for kind in arch.kinds))
    ranks, expert_ranks = dp * cp, np.maximum(tp * cp * dp / ep_etp, 1.0)
    shards = np.maximum(ranks / replicate, 1.0)
    expert_shards = np.maximum(expert_ranks / replicate, 1.0)

    def per_device(dense: FloatArray, expert: FloatArray, each: float, from_stage: Sharding) -> FloatArray:
        shared = sharding >= from_stage
        return each * (
            dense / tp / np.where(shared, shards, 1.0) + expert / ep_etp / np.where(shared, expert_shards, 1.0)
        )

    slots = list(zip(stages.dense_params, stages.expert_params, strict=True))
    weights = [per_device(d, e, fw.param_bytes, Sharding.ZERO3) for d, e in slots]
    # Buckets of data-parallel communication: none where there is nobody to reduce with.
    copies = [np.where(ranks > 1, fw.gradient_copy_bytes * (d / tp + e / ep_etp), 0.0) for d, e in slots]
    accumulated = [per_device(d, e, fw.gradient_bytes, Sharding.ZERO2) for d, e in slots]
    gradients = [a + c for a, c in zip(accumulated, copies, strict=True)]
    optimizer = [per_device(d, e, fw.optimizer_bytes, Sharding.ZERO1) for d, e in slots]
    dense_local = _widest(stages.dense_params) / tp
    expert_local = _widest(stages.expert_params) / ep_etp
    domain = f.domain_gpus
    dense = _Group(dense_local, ranks, shards, np.clip(np.floor(domain / tp), 1.0, ranks))
    expert = _Group(expert_local, expert_ranks, expert_shards, np.clip(np.floor(domain / ep_etp), 1.0, expert_ranks))
    reduce_d, gather_d = _traffic(f, fw, dense, stages.widest_layers, sharding)
    if arch.is_moe:
        reduce_e, gather_e = _traffic(f, fw, expert, stages.widest_layers, sharding)
        reduce_d, gather_d = reduce_d + reduce_e, gather_d + gather_e
    local_states = per_device(
        _widest(stages.dense_params), _widest(stages.expert_params), fw.optimizer_bytes, Sharding.ZERO1
    )
    updated = np.where(sharding >= Sharding.ZERO2, fw.update_layer_s * stages.widest_layers, 0.0)
    step_bytes = local_states * (2.0 + STEP_EXTRA_BYTES / fw.optimizer_bytes)
    layer_params = (dense_local + expert_local) / np.maximum(stages.widest_layers, 1.0)
    gathered = np.where(sharding == Sharding.ZERO3, layer_params * GATHERED_LAYERS * COMPUTE_BYTES, 0.0)
    # FSDP gathers what no layer owns as one group, and keeps it from the first forward to the last backward.
    outside = whole.embedding + whole.head
    root = np.where((sharding == Sharding.ZERO3) & (shards > 1) & (column(layouts, "pp") <= 1), outside / tp, 0.0)
    buckets = np.maximum(np.ceil(dense_local / BUCKET_PARAMS), 1.0)
    return StateTable(
        stages=stages,
        weights_bytes=weights,
        gradients_bytes=gradients,
        optimizer_bytes=optimizer,
        reduce_s=reduce_d,
        gather_s=gather_d,
        bucket_share=1.0 / buckets,
        optimizer_s=step_bytes / rates.hbm_bytes_per_s + OPTIMIZER_FIXED_S + updated,
        broadcast_s=np.where(
            (sharding == Sharding.ZERO1) | (sharding == Sharding.ZERO2), fw.broadcast_s * (shards - 1.0), 0.0
        ),
        gpu_doublings=np.log2(ranks * tp * column(layouts, "pp")),
        gathered_bytes=gathered + COMPUTE_BYTES * root,
        reduced_bytes=fw.gradient_bytes * np.maximum(root, np.where(sharding == Sharding.ZERO3, layer_params, 0.0)),
        root_bytes=(COMPUTE_BYTES + fw.gradient_bytes) * root,
        whole_bytes=[
            np.where(sharding == Sharding.ZERO3, fw.whole_bytes * (1.0 - 1.0 / shards) * (d / tp + e / ep_etp), 0.0)
            for d, e in slots
        ],
        late_bytes=[0.0 * g if fw.gradients_kept else g for g in gradients],
        step_bytes=[per_device(d, e, fw.step_bytes, Sharding.ZERO1) for d, e in slots],
        wgrad_bytes=fw.layer_wgrad_bytes * widest_layer / tp,
    )


def _widest(slots: list[FloatArray]) -> FloatArray:
    widest = slots[0]
    for slot in slots[1:]:
        widest = np.maximum(widest, slot)
    return widest
