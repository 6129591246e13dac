"""PyTorch FSDP2 as torchtitan runs it: compiled, fp32 sharded parameters, prefetching, bf16 gathers.

Its loss keeps bf16 logits, their fp32 copy and log-probabilities (10 bytes). Eager: fp32 copies in norms, gates
unfused.

Times, overlaps and traffic factors are fitted (`validation.constants` says which, with bounds and priors).
"""

from __future__ import annotations

from dataclasses import replace

from fmctl.domain.framework import Framework
from fmctl.frameworks.torchtitan.limits import LIMITS

TORCHTITAN = Framework(
    name="torchtitan",
    memory_traffic=1.0,
    permute_traffic=1.5,
    attention_kernel="sdpa",
    attention_share=1.1,
    interference=0.289,
    host_layer_s=0.00252,
    host_moe_layer_s=3.0e-3,
    host_expert_s=50e-6,
    host_stall=0.5,
    host_collective_s=0.000165,
    host_send_s=500e-6,
    host_rank_s=0.0,
    step_overhead_s=0.0567,
    token_s=3.49e-06,
    update_layer_s=0.0066,
    tp_overlap=0.122,
    dp_overlap=0.85,
    fsdp_overlap=0.869,
    cp_overlap=0.70,
    ep_overlap=0.0,
    pp_overlap=0.50,
    param_bytes=4.0,
    gradient_bytes=4.0,
    gradient_copy_bytes=0.0,
    optimizer_bytes=8.0,
    activation_factor=1.0,
    unfused_gate=False,
    norm_copy_bytes=0.0,
    repeated_kv=True,
    wide_inputs=True,
    gathered_inputs=True,
    selective_matmuls=True,
    gradients_kept=False,
    logit_bytes=10.0,
    logit_traffic_bytes=19.2,
    wgrad_bytes=0.0,
    layer_wgrad_bytes=0.0,
    step_bytes=0.0,
    whole_bytes=0.0,
    pending_bytes=0.0,
    allocator_overhead=0.02,
    stages_by_cost=False,
    broadcast_s=0.0,
    weights_read="copies",
    limits=LIMITS,
    source="torchtitan documentation and default train configurations",
)
# Compile off: every operator moves its operands, and the host issues them one by one.
TORCHTITAN_EAGER = replace(
    TORCHTITAN, name="torchtitan-eager", unfused_gate=True, norm_copy_bytes=4.0, memory_traffic=2.68
)
PROFILES = (TORCHTITAN, TORCHTITAN_EAGER)
