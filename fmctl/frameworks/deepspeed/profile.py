"""DeepSpeed: ZeRO with eager kernels; fp32 copies in norms, gates unfused.

Times, overlaps and traffic factors are fitted (`validation.constants` says which, with bounds and priors).
"""

from __future__ import annotations

from fmctl.domain.framework import Framework
from fmctl.frameworks.deepspeed.limits import LIMITS

DEEPSPEED = Framework(
    name="deepspeed",
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
    host_send_s=0.000687,
    host_rank_s=0.0,
    step_overhead_s=0.0828,
    token_s=0.0,
    update_layer_s=0.0,
    tp_overlap=0.122,
    dp_overlap=0.71,
    fsdp_overlap=0.70,
    cp_overlap=0.0,
    ep_overlap=0.0,
    pp_overlap=0.2,
    param_bytes=2.0,
    gradient_bytes=2.0,
    gradient_copy_bytes=0.0,
    optimizer_bytes=12.0,
    activation_factor=1.0,
    unfused_gate=True,
    norm_copy_bytes=4.0,
    repeated_kv=False,
    wide_inputs=False,
    gathered_inputs=False,
    selective_matmuls=False,
    gradients_kept=True,
    logit_bytes=12.0,
    logit_traffic_bytes=19.2,
    wgrad_bytes=2.0,
    layer_wgrad_bytes=0.0,
    step_bytes=4.0,
    whole_bytes=0.0,
    pending_bytes=0.0,
    allocator_overhead=0.10,
    stages_by_cost=False,
    broadcast_s=0.0,
    weights_read="ranks",
    limits=LIMITS,
    source="DeepSpeed documentation (ZeRO, Ulysses)",
)
PROFILES = (DEEPSPEED,)
