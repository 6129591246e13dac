"""Power of a cluster under load and energy per token."""

from __future__ import annotations

from fmctl.domain.hardware import Instance
from fmctl.domain.result import FloatArray

# GPU power of sustained training over its limit; published node logs of LLM training draw 80-95 % of GPU nameplate.
TRAINING_POWER_SHARE = 0.88


def node_power_w(instance: Instance) -> float:
    """Power of one node under training load, W: GPUs x limit x 0.88 + host (CPU, memory, fans, network)."""
    return instance.gpus * instance.accelerator.power_w * TRAINING_POWER_SHARE + instance.host_power_w


def wh_per_million_tokens(power_w: FloatArray, tokens_per_s: FloatArray) -> FloatArray:
    """Energy per 10^6 tokens, Wh: P / rate x 10^6 / 3600. Facility overhead (PUE) is not in it."""
    return power_w / tokens_per_s * 1e6 / 3600.0
