"""Composer with llm-foundry: FSDP1, FlashAttention-2, fused loss.

Times, overlaps and traffic factors are fitted (`validation.constants` says which, with bounds and priors).
"""

from __future__ import annotations

from fmctl.domain.framework import Framework
from fmctl.frameworks.composer.limits import LIMITS

COMPOSER = Framework(
    name="composer",
    memory_traffic=2.68,
    permute_traffic=1.5,
    attention_kernel="fa2",
    attention_share=0.596,
    interference=0.289,
    host_layer_s=0.00252,
    host_moe_layer_s=4.0e-3,
    host_expert_s=50e-6,
    host_stall=0.5,
    host_collective_s=0.000165,
    host_send_s=500e-6,
    host_rank_s=0.0,
    step_overhead_s=0.0828,
    token_s=0.0,
    update_layer_s=0.0,
    tp_overlap=0.122,
    dp_overlap=0.80,
    fsdp_overlap=0.869,
    cp_overlap=0.0,
    ep_overlap=0.0,
    pp_overlap=0.0,
    param_bytes=4.0,
    gradient_bytes=4.0,
    gradient_copy_bytes=0.0,
    optimizer_bytes=8.0,
    activation_factor=1.0,
    unfused_gate=False,
    norm_copy_bytes=0.0,
    repeated_kv=False,
    wide_inputs=False,
    gathered_inputs=False,
    selective_matmuls=False,
    gradients_kept=False,
    logit_bytes=6.0,
    logit_traffic_bytes=9.6,
    wgrad_bytes=2.0,
    layer_wgrad_bytes=0.0,
    step_bytes=0.0,
    whole_bytes=0.0,
    pending_bytes=0.0,
    allocator_overhead=0.06,
    stages_by_cost=False,
    broadcast_s=0.0,
    weights_read="ranks",
    limits=LIMITS,
    source="Composer and llm-foundry documentation",
)
PROFILES = (COMPOSER,)
