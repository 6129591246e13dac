"""Megatron-Core with Transformer Engine as its recipes run it.

Sequence parallelism, fused kernels, distributed optimizer with fp32 gradients, gradient and weight traffic overlapped,
user-buffer TP overlap. Its fused loss keeps bf16 logits and their gradient (4 bytes); Transformer Engine holds a spare
bf16 gradient per shape of weight.

Times, overlaps and traffic factors are fitted (`validation.constants` says which, with bounds and priors).
"""

from __future__ import annotations

from dataclasses import replace

from fmctl.domain.framework import Framework
from fmctl.frameworks.megatron.limits import LIMITS

MEGATRON = Framework(
    name="megatron",
    memory_traffic=2.33,
    permute_traffic=0.425,
    attention_kernel="cudnn",
    attention_share=0.847,
    interference=0.289,
    host_layer_s=0.000664,
    host_moe_layer_s=0.00596,
    host_expert_s=9.33e-05,
    host_stall=0.363,
    host_collective_s=20e-6,
    host_send_s=50e-6,
    host_rank_s=0.0,
    step_overhead_s=0.0259,
    token_s=0.0,
    update_layer_s=0.0,
    tp_overlap=0.711,
    dp_overlap=0.90,
    fsdp_overlap=0.90,
    cp_overlap=0.85,
    ep_overlap=0.242,
    pp_overlap=0.9,
    param_bytes=2.0,
    gradient_bytes=4.0,
    gradient_copy_bytes=0.0,
    optimizer_bytes=12.0,
    activation_factor=1.0,
    unfused_gate=False,
    norm_copy_bytes=0.0,
    repeated_kv=False,
    wide_inputs=False,
    gathered_inputs=False,
    selective_matmuls=False,
    gradients_kept=True,
    logit_bytes=4.0,
    logit_traffic_bytes=16.0,
    wgrad_bytes=2.0,
    layer_wgrad_bytes=2.0,
    step_bytes=0.0,
    whole_bytes=0.0,
    pending_bytes=0.0,
    allocator_overhead=0.06,
    stages_by_cost=False,
    broadcast_s=0.0,
    weights_read="once",
    limits=LIMITS,
    source="Megatron-Core and Transformer Engine documentation; recipes of Megatron-Bridge",
)
# Megatron-LM before it took up FlashAttention.
MEGATRON_UNFUSED = replace(MEGATRON, name="megatron-unfused", attention_kernel="unfused", attention_share=1.0)
PROFILES = (MEGATRON, MEGATRON_UNFUSED)
